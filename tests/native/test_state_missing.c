/* SPDX-License-Identifier: Apache-2.0 */
/* test_state_missing.c -- without a state of its own, a region is unproven */
#include <unistd.h>

#include "two_states.h"

static void never_fixated(void)
{
    start();
    unproven(alloc(pool, "c", 4096).id, "there is no marker");
    stop();
}

static void missing_files(void)
{
    start();
    CHECK(unlink(state_of(&a)) == 0);
    unproven(a.id, "cannot read the state file");
    CHECK(unlink(region_file(b.id, "ram")) == 0);
    unproven(b.id, "cannot examine its ram file");
    stop();
}

static void linked_state(void)
{
    start();
    save(&a, FS "/outside");
    CHECK(unlink(state_of(&a)) == 0);
    CHECK(symlink(FS "/outside", state_of(&a)) == 0);
    unproven(a.id, "cannot read the state file");
    stop();
}

int main(void)
{
    RUN(never_fixated);
    RUN(missing_files);
    RUN(linked_state);
    return 0;
}
