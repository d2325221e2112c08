/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_storm.c -- many threads use memory, and are killed at any time */
/* build: threads */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "paged_guest.h"

#define THREADS 6
#define KILLS 25

static void *storm(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number ^ (unsigned)getpid();
    uint32_t mine = (uint32_t)(uintptr_t)number;

    for (uint32_t step = 0;; step++) {
        /* Pages of its own, alternately random and sequential ones. */
        uint32_t page = step & 32 ? (uint32_t)rand_r(&seed) : step;

        page = page % (pages / THREADS) * THREADS + mine;
        verify(page);
        if (rand_r(&seed) % 2)
            change(page);
        __atomic_fetch_add(&shared->accesses, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void storm_guest(void)
{
    pthread_t threads[THREADS];

    must_start();
    for (uint32_t i = 0; i < pages; i++)
        verify(i);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, storm, (void *)i) == 0);
    pthread_join(threads[0], NULL);
}

/* The guest makes progress, is killed at some moment, and finds all again. */
static void storms(uint64_t size, uint64_t nvram_size, uint32_t page_size,
                   uint32_t policy)
{
    unsigned seed = 1;

    make(size, nvram_size, page_size, policy);
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = spawn(storm_guest);
        uint64_t goal = shared->accesses + 1000;

        for (int ms = 0; __atomic_load_n(&shared->accesses, __ATOMIC_SEQ_CST)
                         < goal; ms++) {
            int status;

            CHECK(waitpid(pid, &status, WNOHANG) == 0);
            CHECK(ms < PATIENCE);
            wait_ms(1);
        }
        wait_ms(rand_r(&seed) % 30);
        kill_it(pid);
        CHECK(check_pool(0) == 0);
    }
    CHECK(stats().error == 0);
    CHECK(stats().swap_ins > 100 && stats().swap_outs > 100);
    done();
}

static void storm_fifo_25(void)
{
    storms(2 * MIB, 512 * KIB, 4096, VPM_POLICY_FIFO);
}

static void storm_s3fifo_60(void)
{
    storms(4 * MIB, 2456 * KIB, 4096, VPM_POLICY_S3FIFO);
}

static void storm_s3fifo_25(void)
{
    storms(2 * MIB, 512 * KIB, 4096, VPM_POLICY_S3FIFO);
}

static void storm_large_pages(void)
{
    storms(10 * MIB, 4 * MIB, 64 * KIB, VPM_POLICY_S3FIFO);
}

int main(void)
{
    RUN(storm_fifo_25);
    RUN(storm_s3fifo_25);
    RUN(storm_s3fifo_60);
    RUN(storm_large_pages);
    return 0;
}
