/* SPDX-License-Identifier: Apache-2.0 */
/* test_fixation_state.c -- what states a fixation makes, keeps, overwrites */
#include <unistd.h>

#include "clock.h"
#include "one_fixation.h"

static void what_goes_in_comes_out(void)
{
    struct vpm_state_info info;
    uint8_t back[6000];
    uint64_t before;
    int ends[2];

    start();
    before = vpm_now_ns(CLOCK_MONOTONIC);
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(0x77, 5000)));
    EXPECT(VPM_EUNPROVEN, verify());
    OK(commit());
    CHECK(before <= persisted_ns &&
          persisted_ns <= vpm_now_ns(CLOCK_MONOTONIC));
    OK(vpm_state_verify(pool, region.id, &info, &err));
    CHECK(info.epoch == 1 && info.length == 5000);
    CHECK(before <= info.persisted_ns && info.persisted_ns <= persisted_ns);
    CHECK(memcmp(&info.meta, &meta, sizeof(meta)) == 0);

    CHECK(pipe(ends) == 0);
    OK(vpm_state_send(pool, region.id, ends[1], 0, &err));
    close(ends[1]);
    CHECK(read(ends[0], back, sizeof(back)) == 5000);
    for (int i = 0; i < 5000; i++)
        CHECK(back[i] == 0x77);
    close(ends[0]);
    stop();
}

static void opening_changes_nothing(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(commit());
    vpm_fixation_close(fixation);
    fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(fixation);
    OK(verify());
    stop();
}

static void a_proven_state_is_not_overwritten(void)
{
    struct vpm_fixation *mine;

    start();
    mine = fixation;
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(commit());
    EXPECT(VPM_EFIXATED, vpm_fixation_begin(fixation, &err));
    SAYS("fixated already, in epoch 1");
    EXPECT(VPM_EINVAL, receive(filled_pipe(1, 100)));
    fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(fixation);
    EXPECT(VPM_EFIXATED, vpm_fixation_begin(fixation, &err));
    OK(verify());

    OK(vpm_region_begin_epoch(pool, region.id, &err));
    OK(vpm_fixation_begin(mine, &err));
    EXPECT(VPM_EUNPROVEN, verify());
    vpm_fixation_close(mine);
    stop();
}

/* A damaged state cannot be used, so nothing is lost. */
static void a_damaged_state_is_overwritten(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(commit());
    poke(region_file(region.id, "state"), 4096, "x", 1);
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(2, 100)));
    OK(commit());
    OK(verify());
    stop();
}

static void begin_clears_the_marker(void)
{
    uint64_t marker = 0x444e455300000000;

    start();
    poke(region_file(region.id, "state"), 4032, &marker, sizeof(marker));
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_EUNPROVEN, verify());
    SAYS("there is no marker");
    stop();
}

static void steps_in_order_only(void)
{
    start();
    EXPECT(VPM_EINVAL, receive(filled_pipe(1, 100)));
    SAYS("call begin first");
    EXPECT(VPM_EINVAL, commit());
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_EINVAL, commit());
    SAYS("no complete stream");
    EXPECT(VPM_EUNPROVEN, verify());
    stop();
}

int main(void)
{
    RUN(what_goes_in_comes_out);
    RUN(opening_changes_nothing);
    RUN(a_proven_state_is_not_overwritten);
    RUN(a_damaged_state_is_overwritten);
    RUN(begin_clears_the_marker);
    RUN(steps_in_order_only);
    return 0;
}
