/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_fair.c -- no QEMU keeps its thread from the others */
/* build: threads */
/* build: wrap vpm_fixation_take,vpm_unit_step,recv */
#include <sys/socket.h>

#include "fake_qemu.h"
#include "fixation.h"
#include "unit.h"

#define GREEDY 3

/* Since the latest step of a unit began, and the most so far. */
static int taken, most_taken, heard, most_heard;

int __real_vpm_fixation_take(struct vpm_fixation *fixation, int fd,
                             bool *ended, struct vpm_error *error);
int __wrap_vpm_fixation_take(struct vpm_fixation *fixation, int fd,
                             bool *ended, struct vpm_error *error);
void __real_vpm_unit_step(struct vpm_unit *unit, uint64_t now_ns);
void __wrap_vpm_unit_step(struct vpm_unit *unit, uint64_t now_ns);
ssize_t __real_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);

int __wrap_vpm_fixation_take(struct vpm_fixation *fixation, int fd,
                             bool *ended, struct vpm_error *error)
{
    if (++taken > most_taken)
        most_taken = taken;
    return __real_vpm_fixation_take(fixation, fd, ended, error);
}

/* Those of the QEMUs read with other flags. */
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags)
{
    if (flags == MSG_DONTWAIT && ++heard > most_heard)
        most_heard = heard;
    return __real_recv(fd, data, size, flags);
}

void __wrap_vpm_unit_step(struct vpm_unit *unit, uint64_t now_ns)
{
    taken = heard = 0;
    __real_vpm_unit_step(unit, now_ns);
}

/* Whatever they write: one piece of it, then it is the next one's turn. */
static void everybody_has_a_turn(void)
{
    const enum manner greedy[GREEDY] = {TALKS_TOO_MUCH, BABBLES,
                                        TALKS_TOO_MUCH};
    struct fake fakes[GREEDY + 1];
    struct vpm_event now;

    set_up(1);
    for (int i = 0; i <= GREEDY; i++) {
        char name[2] = {(char)('a' + i)};

        make(&fakes[i], name, i < GREEDY ? greedy[i] : SOUND);
        arm(&fakes[i], VPM_ROUTE_MIGRATE);
    }
    most_heard = 0;
    now = event(60 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == GREEDY + 1);
    CHECK(wait_for(&fakes[0]).code == VPM_ENOSPC);
    CHECK(wait_for(&fakes[GREEDY]).result == VPM_RESULT_FIXATED);
    for (int i = 0; i <= GREEDY; i++) {
        if (i && i < GREEDY)
            wait_for(&fakes[i]);
        end_qemu(&fakes[i]);
        drop(&fakes[i]);
    }
    CHECK(most_taken == 1);
    CHECK(most_heard == 1);
    tear_down();
}

int main(void)
{
    RUN(everybody_has_a_turn);
    return 0;
}
