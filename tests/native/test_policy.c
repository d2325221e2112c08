/* SPDX-License-Identifier: Apache-2.0 */
/* test_policy.c -- which pages leave memory, told without a pager */
#include <stdlib.h>

#include "harness.h"
#include "policy.h"
#include "ppt.h"

static struct vpm_policy_state policy;

static void make(uint64_t pages, uint64_t frames, uint32_t page_size,
                 uint32_t kind)
{
    struct vpm_shape shape = vpm_shape(pages * page_size, frames * page_size,
                                       page_size, kind);

    CHECK(vpm_policy_init(&policy, &shape) == 0);
}

static void clusters_are_64_kib_or_less(void)
{
    make(65536, 40000, 4096, VPM_POLICY_S3FIFO);
    CHECK(policy.span == 16);
    vpm_policy_free(&policy);
    make(65536, 40000, 32768, VPM_POLICY_S3FIFO);
    CHECK(policy.span == 2);
    vpm_policy_free(&policy);
    make(65536, 40000, 2 << 20, VPM_POLICY_S3FIFO);
    CHECK(policy.span == 1);
    vpm_policy_free(&policy);
}

/* Few large clusters would leave nothing to choose from. */
static void there_are_64_clusters_or_more(void)
{
    make(128, 64, 4096, VPM_POLICY_S3FIFO);
    CHECK(policy.span == 1);
    vpm_policy_free(&policy);
    make(1024, 300, 4096, VPM_POLICY_S3FIFO);
    CHECK(policy.span == 4);
    vpm_policy_free(&policy);
}

static void fifo_takes_the_oldest_page(void)
{
    make(65536, 40000, 4096, VPM_POLICY_FIFO);
    CHECK(policy.span == 1 && vpm_policy_victim(&policy) == VPM_NONE);
    vpm_policy_enter(&policy, 7);
    vpm_policy_enter(&policy, 3);
    vpm_policy_enter(&policy, 5);
    CHECK(vpm_policy_victim(&policy) == 7);
    CHECK(vpm_policy_victim(&policy) == 3);
    CHECK(vpm_policy_cooling_target(&policy) == 0);
    CHECK(vpm_policy_cooled(&policy) == 7);
    vpm_policy_stay(&policy, 7);
    CHECK(vpm_policy_victim(&policy) == 5);
    CHECK(vpm_policy_victim(&policy) == 7);
    CHECK(vpm_policy_victim(&policy) == VPM_NONE);
    vpm_policy_free(&policy);
}

/* Pages 0 to 16 * count - 1. */
static void enter_clusters(uint32_t count)
{
    make(65536, 40000, 4096, VPM_POLICY_S3FIFO);
    for (uint32_t page = 0; page < 16 * count; page++)
        vpm_policy_enter(&policy, page);
}

static void a_cluster_is_queued_once(void)
{
    enter_clusters(3);
    vpm_policy_enter(&policy, 5);
    CHECK(vpm_policy_victim(&policy) == 0);
    vpm_policy_enter(&policy, 6);  /* while it cools */
    CHECK(vpm_policy_victim(&policy) == 1);
    CHECK(vpm_policy_victim(&policy) == 2);
    CHECK(vpm_policy_victim(&policy) == VPM_NONE);
    CHECK(vpm_policy_cooled(&policy) == 0);
    vpm_policy_free(&policy);
}

/* What is new leaves before what was used again, as long as there is more than
 * a tenth of it. */
static void what_was_used_again_stays_longer(void)
{
    enter_clusters(20);
    for (uint32_t i = 0; i < 5; i++) {
        CHECK(vpm_policy_victim(&policy) == i);
        CHECK(vpm_policy_cooled(&policy) == i);
        vpm_policy_stay(&policy, i);
    }
    for (uint32_t i = 5; i < 18; i++) {
        CHECK(vpm_policy_victim(&policy) == i);
        CHECK(vpm_policy_cooled(&policy) == i);
    }
    CHECK(vpm_policy_victim(&policy) == 18);
    CHECK(vpm_policy_victim(&policy) == 19);
    CHECK(vpm_policy_victim(&policy) == 0);
    vpm_policy_free(&policy);
}

static bool comes_back_as_old(uint32_t departures_between)
{
    bool old;

    enter_clusters(20);
    CHECK(vpm_policy_victim(&policy) == 0);
    CHECK(vpm_policy_cooled(&policy) == 0);
    for (uint32_t page = 0; page < 16; page++)
        vpm_policy_leave(&policy, page);
    for (uint32_t i = 0; i < departures_between; i++)
        vpm_policy_leave(&policy, 40000);
    vpm_policy_enter(&policy, 3);
    old = policy.main.count == 1;
    vpm_policy_free(&policy);
    return old;
}

static void what_is_missed_soon_is_not_new(void)
{
    CHECK(comes_back_as_old(0));
    CHECK(comes_back_as_old(35000));
    CHECK(!comes_back_as_old(50000));
}

int main(void)
{
    RUN(clusters_are_64_kib_or_less);
    RUN(there_are_64_clusters_or_more);
    RUN(fifo_takes_the_oldest_page);
    RUN(a_cluster_is_queued_once);
    RUN(what_was_used_again_stays_longer);
    RUN(what_is_missed_soon_is_not_new);
    return 0;
}
