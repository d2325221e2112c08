/* SPDX-License-Identifier: Apache-2.0 */
/* guest.c -- see guest.h */
#include "guest.h"

#include <stdarg.h>
#include <sys/klog.h>
#include <sys/syscall.h>

#define SYSFS "/sys/class/misc/pod/"

void fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    printf("# %s:%d: ", file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

int load_module(const char *name, const char *parameters)
{
    char path[64];
    int fd, result, error;

    snprintf(path, sizeof(path), "/%s.ko", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    result = syscall(SYS_finit_module, fd, parameters, 0);
    error = errno;
    close(fd);
    errno = error;
    return result;
}

int unload_module(const char *name)
{
    return syscall(SYS_delete_module, name, O_NONBLOCK);
}

void load(const char *parameters)
{
    EQUAL(load_module("pod", parameters), 0);
}

static int open_below_sysfs(const char *path, int flags)
{
    char whole[256];
    int fd;

    snprintf(whole, sizeof(whole), "%s%s", path[0] == '/' ? "" : SYSFS, path);
    fd = open(whole, flags | O_CLOEXEC);
    if (fd < 0)
        fail(__FILE__, __LINE__, "%s: %s", whole, strerror(errno));
    return fd;
}

void get_text(const char *path, char *text, size_t size)
{
    int fd = open_below_sysfs(path, O_RDONLY);
    ssize_t length = read(fd, text, size - 1);

    CHECK(length > 0);
    text[length] = 0;
    text[strcspn(text, "\n")] = 0;
    close(fd);
}

long long get_number(const char *path)
{
    char text[64];

    get_text(path, text, sizeof(text));
    return atoll(text);
}

long long statistic(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "statistics/%s", name);
    return get_number(path);
}

void put(const char *path, const char *text)
{
    int fd = open_below_sysfs(path, O_WRONLY);

    EQUAL(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

bool kernel_said(const char *words)
{
    static char log[1 << 18];
    /* SYSLOG_ACTION_READ_ALL */
    int length = klogctl(3, log, sizeof(log) - 1);

    CHECK(length >= 0);
    log[length] = 0;
    return strstr(log, words);
}

int open_pod(void)
{
    int fd = open("/dev/pod", O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    return fd;
}

struct pod_event next(int fd)
{
    struct pod_event event;

    EQUAL(read(fd, &event, sizeof(event)), sizeof(event));
    return event;
}

int open_good(void)
{
    int fd = open_pod();

    EQUAL(next(fd).level, POD_GOOD);
    return fd;
}

void enroll(int fd, uint32_t number)
{
    struct pod_registration registration = {
        .abi = POD_ABI,
        .signal = number,
    };

    EQUAL(ioctl(fd, POD_REGISTER, &registration), 0);
}

void trigger(const char *level)
{
    put("trigger", level);
}

uint64_t power_fails(int fd)
{
    struct pod_event event;

    trigger("commit");
    event = next(fd);
    EQUAL(event.level, POD_COMMIT);
    return event.sequence;
}

int64_t now_ns(clockid_t clock)
{
    struct timespec time;

    CHECK(clock_gettime(clock, &time) == 0);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

pid_t start(void (*function)(int fd), int fd)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        function(fd);
        exit(0);
    }
    return pid;
}

void finish(pid_t pid)
{
    int status;

    EQUAL(waitpid(pid, &status, 0), pid);
    EQUAL(status, 0);
}

void end_by_kill(pid_t pid)
{
    int status;

    CHECK(kill(pid, SIGKILL) == 0);
    EQUAL(waitpid(pid, &status, 0), pid);
}

static char process_state(pid_t pid)
{
    char path[64], text[512], *state;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    get_text(path, text, sizeof(text));
    state = strrchr(text, ')');
    CHECK(state);
    return state[2];
}

void wait_asleep(pid_t pid)
{
    EVENTUALLY(process_state(pid) == 'S');
}

void ask_host(const char *what)
{
    printf("ask %s\n", what);
    fflush(stdout);
}
