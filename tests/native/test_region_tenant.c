/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_tenant.c -- what a server's user id does to its own files must
 * neither stop nor end whoever works on the pool */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static int told[2];  /* a pipe: the tenant has begun */

/* A process of the region's user id: its pid. */
static pid_t start_tenant(uint32_t uid, void (*work)(const void *arg),
                          const void *arg)
{
    char byte;
    pid_t pid;

    CHECK(pipe(told) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(setuid(uid) == 0);
        work(arg);
        _exit(1);
    }
    CHECK(read(told[0], &byte, 1) == 1);
    return pid;
}

static void end_tenant(pid_t pid)
{
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

static void tell(void)
{
    CHECK(write(told[1], "x", 1) == 1);
}

/* -- leases -------------------------------------------------------------- */

static void take_leases(const void *arg)
{
    const struct vpm_region_info *info = arg;
    const char *paths[] = {
        info->ram_path, info->virtual_path, info->swap_path, ppt_file(info),
    };

    signal(SIGIO, SIG_IGN);
    for (int i = 0; i < 4; i++) {
        int fd = open(paths[i], O_RDWR);

        CHECK(fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0);
    }
    tell();
    for (;;)
        pause();
}

/* Each open would wait for 45 s. */
static void leases_delay_nobody(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");
    struct vpm_region_stats stats;
    struct vpm_state_info state;
    pid_t tenant = start_tenant(info.uid, take_leases, &info);

    alarm(20);
    CHECK(check_pool(0) == 0);
    OK(fixate(pool, info.id, 1, 100));
    OK(vpm_state_verify(pool, info.id, &state, &err));
    OK(vpm_region_begin_epoch(pool, info.id, &err));
    EXPECT(VPM_ESYS, vpm_region_stats(pool, info.id, &stats, &err));
    EXPECT(VPM_ESYS, vpm_region_scrub(pool, info.id, &err));
    EXPECT(VPM_ESYS, nvfree(pool, "a", 0, &err));
    SAYS("has a lease on it");
    alarm(0);
    end_tenant(tenant);
    OK(nvfree(pool, "a", 0, &err));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* -- truncation ---------------------------------------------------------- */

static void truncate_for_ever(const void *arg)
{
    const struct vpm_region_info *info = arg;
    const char *path = ppt_file(info);
    struct stat st;
    int fd = open(path, O_RDWR);

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    tell();
    for (;;)
        if (ftruncate(fd, 0) < 0 || ftruncate(fd, st.st_size) < 0)
            _exit(2);
}

static void ignore(const char *finding, void *opaque)
{
    (void)finding;
    (void)opaque;
}

/* What is mapped and cut off is SIGBUS. */
static void truncation_ends_nobody(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");
    pid_t tenant = start_tenant(info.uid, truncate_for_ever, &info);

    for (int i = 0; i < 500; i++) {
        vpm_pool_check(POOL, ignore, NULL, &err);
        if (i % 10 == 0)
            vpm_region_scrub(pool, info.id, &err);
    }
    end_tenant(tenant);
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(leases_delay_nobody);
    RUN(truncation_ends_nobody);
    return 0;
}
