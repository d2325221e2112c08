/* SPDX-License-Identifier: Apache-2.0 */
/* test_ring.c -- the ring of outcomes */
#include <stddef.h>

#include "harness.h"
#include "persist.h"

static struct vpm_pool *pool;
static struct vpm_outcome found[2 * VPM_RING_ENTRIES];

static struct vpm_outcome record(uint64_t number)
{
    struct vpm_outcome outcome = {
        .wall_ns = number, .region = 7, .length = 600000,
        .result = VPM_RESULT_FAILED, .route = VPM_ROUTE_SNAPSHOT,
        .code = VPM_ETIMEDOUT, .pid = 12, .name = "a",
        .runstate = "running", .raised_by = "nut,signal", .reason = "why",
    };

    OK(vpm_outcome_record(pool, &outcome, &err));
    return outcome;
}

static void reopen(void)
{
    vpm_pool_close(pool);
    pool = open_pool();
}

static void what_is_recorded_is_found_after_reboot(void)
{
    struct vpm_outcome first, second;

    pool = new_pool();
    CHECK(vpm_outcome_list(pool, found, VPM_RING_ENTRIES) == 0);
    first = record(1);
    second = record(2);
    CHECK(first.sequence == 1 && second.sequence == 2);
    reopen();
    CHECK(vpm_outcome_list(pool, found, VPM_RING_ENTRIES) == 2);
    CHECK(memcmp(&found[0], &first, sizeof(first)) == 0);
    CHECK(memcmp(&found[1], &second, sizeof(second)) == 0);
    CHECK(record(3).sequence == 3);
    CHECK(vpm_outcome_list(pool, found, 2) == 2);
    CHECK(found[0].sequence == 2 && found[1].sequence == 3);
    CHECK(vpm_outcome_list(pool, found, 0) == 0);
    check_pool(0);
    vpm_pool_close(pool);
}

static void the_oldest_is_forgotten(void)
{
    pool = new_pool();
    for (uint64_t i = 1; i <= VPM_RING_ENTRIES + 5; i++)
        record(i);
    reopen();
    CHECK(vpm_outcome_list(pool, found, 2 * VPM_RING_ENTRIES) ==
          VPM_RING_ENTRIES);
    CHECK(found[0].sequence == 6);
    CHECK(found[VPM_RING_ENTRIES - 1].wall_ns == VPM_RING_ENTRIES + 5);
    CHECK(record(0).sequence == VPM_RING_ENTRIES + 6);
    vpm_pool_close(pool);
}

/* Damage to any byte of an entry is found, and harms no other entry. */
static void a_torn_entry_is_none(void)
{
    uint64_t offset = vpm_ring_offset(small_params.descriptors) +
        2 * sizeof(struct vpm_ring_entry);

    pool = new_pool();
    for (uint64_t i = 1; i <= 3; i++)
        record(i);
    for (size_t i = 0; i < sizeof(struct vpm_ring_entry); i++) {
        uint8_t byte;

        peek(POOL "/pool", offset + i, &byte, 1);
        byte ^= 4;
        poke(POOL "/pool", offset + i, &byte, 1);
        CHECK(vpm_outcome_list(pool, found, VPM_RING_ENTRIES) == 2);
        CHECK(found[0].sequence == 1 && found[1].sequence == 3);
        byte ^= 4;
        poke(POOL "/pool", offset + i, &byte, 1);
    }
    CHECK(vpm_outcome_list(pool, found, VPM_RING_ENTRIES) == 3);
    vpm_pool_close(pool);
}

/* An entry that was moved is not at the place of its number. */
static void a_misplaced_entry_is_none(void)
{
    uint64_t offset = vpm_ring_offset(small_params.descriptors);
    struct vpm_ring_entry entry;

    pool = new_pool();
    record(1);
    peek(POOL "/pool", offset + sizeof(entry), &entry, sizeof(entry));
    poke(POOL "/pool", offset + 5 * sizeof(entry), &entry, sizeof(entry));
    reopen();
    CHECK(vpm_outcome_list(pool, found, VPM_RING_ENTRIES) == 1);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(what_is_recorded_is_found_after_reboot);
    RUN(the_oldest_is_forgotten);
    RUN(a_torn_entry_is_none);
    RUN(a_misplaced_entry_is_none);
    return 0;
}
