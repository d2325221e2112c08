/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_memory.c -- memory is found again by the next pager */
/* build: threads */
#include "paged_guest.h"

static void memory_is_found_again(void)
{
    make_small();
    CHECK(ended(spawn(verify_all)) == 0);  /* zeros */
    CHECK(ended(spawn(change_all)) == 0);
    CHECK(stats().swap_outs >= 64 && stats().error == 0);
    CHECK(stats().in_memory + stats().in_swap == 512 * KIB);
    CHECK(stats().in_memory <= 256 * KIB);
    CHECK(ended(spawn(verify_all)) == 0);
    CHECK(stats().swap_ins > 0);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

static void what_was_only_read_is_not_written(void)
{
    uint64_t before;

    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    before = stats().swap_outs;
    CHECK(ended(spawn(read_all_twice)) == 0);
    CHECK(stats().clean_outs >= 64);
    CHECK(stats().swap_outs == before);
    done();
}

int main(void)
{
    RUN(memory_is_found_again);
    RUN(what_was_only_read_is_not_written);
    return 0;
}
