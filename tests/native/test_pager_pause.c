/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_pause.c -- while background work is paused, only faults evict */
/* build: threads */
#include <unistd.h>

#include "paged_guest.h"

#define FRAMES_OF_SMALL 64u
#define BATCH_MOST 20u  /* a sixteenth of them, and a cluster */

/* Touches as many pages as *flag* says; *accesses* says how many it did. */
static void touch_as_told(void)
{
    must_start();
    for (uint32_t i = 0; i < pages;) {
        if ((int)i >= __atomic_load_n(&shared->flag, __ATOMIC_SEQ_CST)) {
            wait_ms(1);
            continue;
        }
        change(i++);
        __atomic_store_n(&shared->accesses, i, __ATOMIC_SEQ_CST);
    }
    pause();
}

static void have_touched(uint32_t count)
{
    __atomic_store_n(&shared->flag, (int)count, __ATOMIC_SEQ_CST);
    for (int ms = 0; __atomic_load_n(&shared->accesses, __ATOMIC_SEQ_CST) <
         count; ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
}

static uint64_t evicted(void)
{
    return stats().swap_outs + stats().clean_outs;
}

/* Waits longer than it takes to evict all. */
static void give_evictor_time(void)
{
    wait_ms(300);
}

static void make_paused(uint32_t policy)
{
    make(512 * KIB, 256 * KIB, 4096, policy);
    OK(vpm_pool_pause(pool, VPM_PAUSE_MAX_NS, &err));
}

static void only_needs_evict(uint32_t policy)
{
    uint64_t before;
    pid_t pid;

    make_paused(policy);
    pid = spawn(touch_as_told);
    /* The last frame is taken, and nobody needs another one. */
    have_touched(FRAMES_OF_SMALL);
    give_evictor_time();
    CHECK(evicted() == 0 && stats().in_memory == 256 * KIB);
    /* One batch for one fault, and no more. */
    have_touched(FRAMES_OF_SMALL + 1);
    give_evictor_time();
    before = evicted();
    CHECK(before > 0 && before <= BATCH_MOST);
    CHECK(stats().in_memory + 4096 * before == 65 * 4096);

    /* When the pause is over, frames are kept free as usual. */
    OK(vpm_pool_pause(pool, 1, &err));
    have_touched(FRAMES_OF_SMALL + 20);
    for (int ms = 0; stats().in_memory > 60 * 4096; ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
    /* Pages in swap can be had during a pause, too. */
    OK(vpm_pool_pause(pool, VPM_PAUSE_MAX_NS, &err));
    have_touched(pages);
    kill_it(pid);
    CHECK(ended(spawn(read_all_twice)) == 0);
    CHECK(vpm_pool_is_paused(pool));
    done();
}

static void a_pause_is_kept_by_fifo(void)
{
    only_needs_evict(VPM_POLICY_FIFO);
}

static void a_pause_is_kept_by_s3fifo(void)
{
    only_needs_evict(VPM_POLICY_S3FIFO);
}

int main(void)
{
    RUN(a_pause_is_kept_by_fifo);
    RUN(a_pause_is_kept_by_s3fifo);
    return 0;
}
