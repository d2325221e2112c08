/* SPDX-License-Identifier: Apache-2.0 */
/* test_state_foreign.c -- a state of another time, region, pool is unproven */
#include <unistd.h>

#include "two_states.h"

static void older_state_over_newer(void)
{
    start();
    save(&a, FS "/older");
    OK(vpm_region_begin_epoch(pool, a.id, &err));
    OK(fixate(pool, a.id, 0x33, STREAM));
    save(&a, FS "/newer");
    restore(FS "/older", &a);
    unproven(a.id, "it is stale: it is of epoch 0, and the region is in "
             "epoch 1");
    restore(FS "/newer", &a);
    OK(verify(a.id));
    OK(vpm_region_begin_epoch(pool, a.id, &err));
    unproven(a.id, "there is no marker");
    restore(FS "/newer", &a);
    unproven(a.id, "epoch 1, and the region is in epoch 2");
    stop();
}

static void swapped_states(void)
{
    char reason[64];

    start();
    save(&a, FS "/a");
    save(&b, FS "/b");
    restore(FS "/a", &b);
    restore(FS "/b", &a);
    snprintf(reason, sizeof(reason), "another region, %016llx",
             (unsigned long long)b.id);
    unproven(a.id, reason);
    unproven(b.id, "another region");
    CHECK(check_pool(2) == 2);
    stop();
}

static void copied_ram(void)
{
    char command[4096];

    start();
    snprintf(command, sizeof(command), "cp -a %s " FS "/ram && mv " FS "/ram "
             "%s", a.ram_path, a.ram_path);
    CHECK(system(command) == 0);
    unproven(a.id, "it belongs to another ram file: inode");
    stop();
}

static void resized_ram(void)
{
    start();
    CHECK(truncate(a.ram_path, 8192) == 0);
    unproven(a.id, "the ram file has 8192 bytes, and had 4096");
    stop();
}

static void state_of_another_pool(void)
{
    start();
    save(&a, FS "/foreign");
    stop();
    CHECK(rename(POOL, FS "/first") == 0);
    pool = new_pool();
    a = alloc(pool, "a", 4096);
    restore(FS "/foreign", &a);
    unproven(a.id, "it belongs to another pool");
    stop();
}

int main(void)
{
    RUN(older_state_over_newer);
    RUN(swapped_states);
    RUN(copied_ram);
    RUN(resized_ram);
    RUN(state_of_another_pool);
    return 0;
}
