/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_touch.c -- what the first touch of a page brings in */
/* build: threads */
#include "paged_guest.h"

static void frames_are_taken_at_first_touch(void)
{
    make_small();
    CHECK(ended(spawn(touch_few)) == 0);
    CHECK(stats().in_memory == 8 * KIB && stats().in_swap == 0);
    CHECK(stats().faults == 2);
    done();
}

/* 512 frames, clusters of 8 pages. */
static void make_clustered(void)
{
    make(4 * MIB, 2 * MIB, 4096, VPM_POLICY_S3FIFO);
}

static void touch_clusters(void)
{
    must_start();
    change(3);
    change(77);
    change(5);
    for (uint32_t i = 72; i < 80; i++)
        verify(i);
}

static void neighbours_come_with_a_first_touch(void)
{
    make_clustered();
    CHECK(ended(spawn(touch_clusters)) == 0);
    CHECK(stats().faults == 2);
    CHECK(stats().in_memory == 64 * KIB);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

/* Pages of the other half get frames that had other contents. */
static void change_half(void)
{
    must_start();
    for (uint32_t i = 0; i < pages; i++)
        if (i / 4 % 2)
            change(i);
    for (uint32_t i = 0; i < pages; i++)
        verify(i);
}

static void touched_neighbours_are_left_alone(void)
{
    make_clustered();
    CHECK(ended(spawn(change_half)) == 0);
    CHECK(stats().swap_outs > 0);
    CHECK(ended(spawn(verify_all)) == 0);
    CHECK(ended(spawn(change_half)) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

int main(void)
{
    RUN(frames_are_taken_at_first_touch);
    RUN(neighbours_come_with_a_first_touch);
    RUN(touched_neighbours_are_left_alone);
    return 0;
}
