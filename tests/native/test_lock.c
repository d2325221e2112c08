/* SPDX-License-Identifier: Apache-2.0 */
/* test_lock.c -- two who change the TOC at once, one of them killed in the
 * midst of it, and others meanwhile */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "persist.h"

/* -- a killed owner ------------------------------------------------------ */

static int reached[2];  /* a pipe: the owner is in the midst */

static int sync_for_ever(int fd)
{
    (void)fd;
    if (write(reached[1], "x", 1) == 1)
        pause();
    return -1;
}

static pid_t start_owner(void (*work)(struct vpm_pool *pool))
{
    pid_t pid;
    char byte;

    CHECK(pipe(reached) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        static struct vpm_persist slow;

        slow = vpm_persist_real;
        slow.sync = sync_for_ever;
        vpm_persist = &slow;
        work(open_pool());
        _exit(1);
    }
    CHECK(read(reached[0], &byte, 1) == 1);
    return pid;
}

static void alloc_a(struct vpm_pool *pool)
{
    alloc(pool, "a", 900 * KIB);
}

static void free_a(struct vpm_pool *pool)
{
    OK(nvfree(pool, "a", 0, &err));
}

static pid_t start_waiter(int *done)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        struct vpm_region_info info;

        /* Needs the room that the killed owner had taken. */
        OK(nvalloc(open_pool(), "b", 0, 900 * KIB, &info, &err));
        CHECK(write(done[1], "x", 1) == 1);
        _exit(0);
    }
    return pid;
}

/* "1: -> FLOCK ADVISORY WRITE 4711 00:2a:1 0 EOF": pid 4711 waits. */
static int waits_for_lock(pid_t pid)
{
    FILE *file = fopen("/proc/locks", "r");
    char line[256];
    int found, waits = 0;

    CHECK(file);
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "%*s -> FLOCK %*s %*s %d", &found) == 1)
            waits |= found == pid;
    fclose(file);
    return waits;
}

static void until_it_waits(pid_t pid)
{
    while (!waits_for_lock(pid)) {
        CHECK(waitpid(pid, NULL, WNOHANG) == 0);
        usleep(1000);
    }
}

static void kill_owner(pid_t owner)
{
    int done[2], status;
    pid_t waiter;

    CHECK(pipe2(done, O_NONBLOCK) == 0);
    waiter = start_waiter(done);
    until_it_waits(waiter);
    CHECK(read(done[0], &status, 1) < 0);

    CHECK(kill(owner, SIGKILL) == 0);
    CHECK(waitpid(owner, &status, 0) == owner && WIFSIGNALED(status));
    CHECK(waitpid(waiter, &status, 0) == waiter && status == 0);
    CHECK(check_pool(0) == 0);
}

static void owner_killed_in_nvalloc(void)
{
    struct vpm_region_info info;
    struct vpm_pool *pool = new_pool();

    kill_owner(start_owner(alloc_a));
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "a", 0, &info, &err));
    OK(vpm_region_lookup(pool, "b", 0, &info, &err));
    CHECK(file_is(info.ram_path, 0));
    vpm_pool_close(pool);
}

static void owner_killed_in_nvfree(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 900 * KIB);
    int ram;

    fill_file(info.ram_path, 0xaa);
    ram = open(info.ram_path, O_RDONLY);
    kill_owner(start_owner(free_a));
    CHECK(fd_is_drained(ram));
    close(ram);
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "a", 0, &info, &err));
    OK(vpm_region_lookup(pool, "b", 0, &info, &err));
    vpm_pool_close(pool);
}

/* The notifier must not wait for a nova-compute that allocates. */
static void others_go_on_meanwhile(void)
{
    struct vpm_pool *pool = new_pool(), *second;
    struct vpm_region_info info = alloc(pool, "other", 4096), found[8];
    struct vpm_state_info state;
    pid_t owner = start_owner(alloc_a);

    OK(vpm_region_lookup(pool, "other", 0, &info, &err));
    CHECK(vpm_region_list(pool, found, 8, &err) == 1);
    OK(vpm_region_begin_epoch(pool, info.id, &err));
    OK(fixate(pool, info.id, 1, 100));
    OK(vpm_state_verify(pool, info.id, &state, &err));
    second = open_pool();
    CHECK(vpm_region_list(second, found, 8, &err) == 1);
    vpm_pool_close(second);
    CHECK(kill(owner, SIGKILL) == 0 && waitpid(owner, NULL, 0) == owner);
    vpm_pool_close(open_pool());
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* A region is large, and others are not; they must not wait for it. */
static void others_come_and_go_meanwhile(void (*work)(struct vpm_pool *))
{
    struct vpm_pool *pool = open_pool();
    pid_t owner = start_owner(work);

    alarm(60);
    alloc(pool, "other", 4096);
    CHECK(check_pool(0) == 0);
    OK(vpm_pool_finish_freed(pool, &err));
    OK(nvfree(pool, "other", 0, &err));
    alarm(0);
    CHECK(kill(owner, SIGKILL) == 0 && waitpid(owner, NULL, 0) == owner);
    vpm_pool_close(pool);
    pool = open_pool();
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void others_do_not_wait_for_nvalloc(void)
{
    vpm_pool_close(new_pool());
    others_come_and_go_meanwhile(alloc_a);
}

static void others_do_not_wait_for_nvfree(void)
{
    struct vpm_pool *pool = new_pool();

    fill_file(alloc(pool, "a", 900 * KIB).ram_path, 0xaa);
    vpm_pool_close(pool);
    others_come_and_go_meanwhile(free_a);
}

/* -- threads ------------------------------------------------------------- */

#define THREADS 4
#define TURNS 150

static atomic_int working;

static void *take_turns(void *arg)
{
    struct vpm_pool *pool = arg;
    struct vpm_region_info info;
    struct vpm_error mine;

    for (uint32_t i = 0; i < TURNS; i++) {
        /* All want the same; only one can have it. */
        int rc = nvalloc(pool, "x", i, 4096, &info, &mine);

        CHECK(rc == VPM_OK || rc == VPM_EEXIST || rc == VPM_ENOSPC);
        rc = vpm_region_begin_epoch(pool, vpm_region_id("x", i), &mine);
        CHECK(rc == VPM_OK || rc == VPM_ENOENT);
        /* Of those who free at once each may succeed. */
        rc = nvfree(pool, "x", i, &mine);
        CHECK(rc == VPM_OK || rc == VPM_ENOENT);
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

/* Entries come and go all the time, and each that is seen is whole. */
static void *keep_reading(void *arg)
{
    struct vpm_pool *pool = arg;
    struct vpm_region_info infos[8];
    struct vpm_pool_info info;
    struct vpm_error mine = {0};

    while (atomic_load(&working) > 0) {
        int count = vpm_region_list(pool, infos, 8, &mine);

        if (count < 0)
            fprintf(stderr, "%s\n", mine.message);
        CHECK(count >= 0 && count <= 8);
        for (int i = 0; i < count; i++) {
            CHECK(strcmp(infos[i].name, "x") == 0);
            CHECK(infos[i].id == vpm_region_id("x", infos[i].sequence));
            CHECK(infos[i].epoch <= THREADS);
        }
        CHECK(vpm_pool_info(pool, &info, &mine) == VPM_OK);
        CHECK(info.used_size == info.used_descriptors * 4096);
    }
    return NULL;
}

static void threads_share_a_handle(void)
{
    struct vpm_pool *pool = new_pool();
    pthread_t writers[THREADS], reader;
    struct vpm_pool_info info;

    atomic_store(&working, THREADS);
    CHECK(pthread_create(&reader, NULL, keep_reading, pool) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&writers[i], NULL, take_turns, pool) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(writers[i], NULL) == 0);
    CHECK(pthread_join(reader, NULL) == 0);
    OK(vpm_pool_info(pool, &info, &err));
    /* Who allocates frees afterwards. */
    CHECK(info.used_descriptors == 0);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(owner_killed_in_nvalloc);
    RUN(owner_killed_in_nvfree);
    RUN(others_go_on_meanwhile);
    RUN(others_do_not_wait_for_nvalloc);
    RUN(others_do_not_wait_for_nvfree);
    RUN(threads_share_a_handle);
    return 0;
}
