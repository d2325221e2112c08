/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_signal.c -- a signal fires */
/* build: threads */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "fake_qemu.h"

static void *send_signal(void *thread)
{
    usleep(20000);
    pthread_kill(*(pthread_t *)thread, 44);
    return NULL;
}

static void signal_fires(void)
{
    pthread_t self = pthread_self(), sender;
    struct vpm_outcome outcome;
    struct vpm_signal received;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    for (int i = 0; i < 2; i++) {
        arm(&fake, VPM_ROUTE_MIGRATE);
        CHECK(pthread_create(&sender, NULL, send_signal, &self) == 0);
        OK(vpm_engine_wait_signal(engine, 44, i ? NULL : "signal",
                                  60 * SECOND, &received, &err));
        CHECK(received.pid == (uint32_t)getpid());
        pthread_join(sender, NULL);
        if (i == 0) {
            outcome = wait_for(&fake);
            CHECK(outcome.result == VPM_RESULT_FIXATED);
            CHECK(outcome.signal_ns == received.monotonic_ns);
            CHECK(outcome.wall_ns == received.wall_ns);
        } else {
            CHECK(vpm_unit_disarm(fake.unit));
        }
        end_qemu(&fake);
    }
    EXPECT(VPM_ESYS, vpm_engine_wait_signal(engine, 9999, NULL, 0,
                                            &received, &err));
    drop(&fake);
    tear_down();
}

int main(void)
{
    sigset_t blocked;

    sigemptyset(&blocked);
    sigaddset(&blocked, 44);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    RUN(signal_fires);
    return 0;
}
