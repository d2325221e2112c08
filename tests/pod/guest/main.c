/* SPDX-License-Identifier: Apache-2.0 */
/* main.c -- the init process: runs all tests, then powers off */
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>

#include "guest.h"

#define TEST_SECONDS 60

static const struct test *const all[] = {
    event_tests, notifier_tests, cache_tests, input_tests, life_tests, NULL
};
static const struct test *const bare[] = {bare_tests, NULL};

static void mount_all(void)
{
    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) ||
        mount("proc", "/proc", "proc", 0, NULL) ||
        mount("sysfs", "/sys", "sysfs", 0, NULL))
        _exit(1);
}

/* Kills what a test has left behind, but for init. */
static void reap(void)
{
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

/* Whether a module is gone, or goes now; files are closed a bit later. */
static bool gone(const char *name)
{
    for (int i = 0; i < 500; i++) {
        if (unload_module(name) == 0 || errno == ENOENT)
            return true;
        usleep(10000);
    }
    return false;
}

static bool run(const struct test *test)
{
    int status;
    pid_t pid;

    klogctl(5, NULL, 0);  /* SYSLOG_ACTION_CLEAR */
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(TEST_SECONDS);
        test->run();
        exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        return false;
    reap();
    if (WIFSIGNALED(status))
        printf("# %s: ended by signal %d\n", test->name, WTERMSIG(status));
    if (!gone("pod") || !gone("pod_test_lines")) {
        printf("# %s: a module could not be unloaded: %s\n", test->name,
               strerror(errno));
        return false;
    }
    return status == 0;
}

int main(int argc, char **argv)
{
    const struct test *const *groups =
        argc > 1 && strcmp(argv[1], "bare") == 0 ? bare : all;
    int number = 0;

    mount_all();
    if (!freopen("/dev/ttyS1", "r", stdin) ||
        !freopen("/dev/ttyS1", "w", stdout))
        return 1;
    for (; *groups; groups++)
        for (const struct test *test = *groups; test->name; test++) {
            bool passed = run(test);

            printf("%sok %d - %s\n", passed ? "" : "not ", ++number,
                   test->name);
        }
    printf("1..%d\n", number);
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    return 0;
}
