/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_bad_slot.c -- a damaged slot is never shown to the guest */
/* build: threads */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paged_guest.h"

#define BAD 5

/* One thread touches the bad page, another one all others. */
static void *touch_it(void *unused)
{
    verify(BAD);
    shared->flag = 2;  /* it should never get here */
    return unused;
}

static void touch_bad(void)
{
    pthread_t thread;

    must_start();
    for (uint32_t i = 0; i < BAD; i++)
        verify(i);  /* the bad page is read ahead, and dropped */
    CHECK(pthread_create(&thread, NULL, touch_it, NULL) == 0);
    for (uint32_t i = BAD + 1; i < pages; i++)
        verify(i);
    shared->flag |= 1;
    pause();
}

static void damage_swap(void)
{
    int fd = open(region.swap_path, O_RDWR);
    struct stat st;
    uint8_t byte;

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    for (off_t at = 0; at < st.st_size; at += 4096) {
        uint64_t word;

        CHECK(pread(fd, &word, 8, at) == 8);
        if (word != pattern(BAD, shared->versions[BAD].written, 0))
            continue;
        CHECK(pread(fd, &byte, 1, at + 1000) == 1);
        byte ^= 4;
        CHECK(pwrite(fd, &byte, 1, at + 1000) == 1);
        shared->flag = 4;
    }
    CHECK(shared->flag == 4);
    shared->flag = 0;
    close(fd);
}

/* Whoever touches it waits for ever, and everybody else goes on. */
static void a_torn_slot_is_never_shown(void)
{
    pid_t pid;

    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    damage_swap();
    pid = spawn(touch_bad);
    wait_error(VPM_REGION_BAD_SLOT);
    CHECK(stats().error_page == BAD && stats().error_slot != UINT32_MAX);
    wait_flag();
    wait_ms(20);
    CHECK(shared->flag == 1);
    kill_it(pid);
    done();
}

#define LOST 7

static void end(void)
{
    _exit(LOST);
}

static void start_to_end(void)
{
    struct vpm_pager *pager = start();

    CHECK(pager);
    vpm_pager_on_fatal(pager, end);
}

static void touch_only_bad(void)
{
    start_to_end();
    verify(BAD);
}

static void touch_all_but_bad(void)
{
    start_to_end();
    for (uint32_t i = 0; i < pages; i++)
        if (i != BAD)
            verify(i);
}

/* The slot of the bad page is not beside those of its neighbours then. */
static void change_bad(void)
{
    must_start();
    change(BAD);
    for (uint32_t i = BAD + 1; i < pages; i++)
        verify(i);
}

static void a_fatal_error_ends_the_process(void)
{
    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    CHECK(ended(spawn(change_bad)) == 0);
    damage_swap();
    /* a bad page that is only read ahead is no error */
    CHECK(ended(spawn(touch_all_but_bad)) == 0);
    CHECK(stats().error == 0);
    CHECK(ended(spawn(touch_only_bad)) == LOST);
    CHECK(stats().error == VPM_REGION_BAD_SLOT && stats().fatal);
    CHECK(stats().error_page == BAD);
    /* the next pager begins without an error */
    CHECK(ended(spawn(touch_few)) == 0);
    CHECK(stats().error == 0 && !stats().fatal);
    done();
}

int main(void)
{
    RUN(a_torn_slot_is_never_shown);
    RUN(a_fatal_error_ends_the_process);
    return 0;
}
