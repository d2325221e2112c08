/* SPDX-License-Identifier: Apache-2.0 */
/* test_fixation_meanwhile.c -- what others do to a region meanwhile */
#include "one_fixation.h"

static void epoch_begins_meanwhile(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(vpm_region_begin_epoch(pool, region.id, &err));
    EXPECT(VPM_EUNPROVEN, commit());
    SAYS("epoch 2 began during that of epoch 1");
    EXPECT(VPM_EUNPROVEN, verify());
    stop();
}

static void region_is_freed_meanwhile(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(nvfree(pool, "a", 0, &err));
    EXPECT(VPM_ENOENT, commit());
    EXPECT(VPM_ENOENT, vpm_fixation_begin(fixation, &err));
    alloc(pool, "a", 4096);
    EXPECT(VPM_ENOENT, vpm_fixation_begin(fixation, &err));
    SAYS("freed meanwhile");
    stop();
}

int main(void)
{
    RUN(epoch_begins_meanwhile);
    RUN(region_is_freed_meanwhile);
    return 0;
}
