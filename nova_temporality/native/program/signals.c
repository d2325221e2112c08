/* SPDX-License-Identifier: Apache-2.0 */
/* signals.c -- takes the signals that say that power fails */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "realtime.h"

static const uint32_t numbers[SIGNAL_KINDS] = {VPM_POD_SIGNAL, SIGPWR};

static void fill(sigset_t *set)
{
    sigemptyset(set);
    for (int i = 0; i < SIGNAL_KINDS; i++)
        sigaddset(set, (int)numbers[i]);
}

void vpm_signals_block(void)
{
    sigset_t set;

    fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

bool vpm_signals_has(uint32_t number)
{
    for (int i = 0; i < SIGNAL_KINDS; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

/* The number must be one that vpm_signals_has. */
static struct vpm_signal_rule *rule_of(struct vpm_signals *signals,
                                       uint32_t number)
{
    int i = 0;

    while (numbers[i] != number)
        i++;
    return &signals->rules[i];
}

void vpm_signals_rule(struct vpm_signals *signals, uint32_t number,
                      const struct vpm_signal_rule *rule)
{
    pthread_mutex_lock(&signals->lock);
    *rule_of(signals, number) = *rule;
    pthread_mutex_unlock(&signals->lock);
}

void vpm_signals_came(struct vpm_signals *signals, uint32_t number,
                      uint32_t pid)
{
    struct vpm_event event = {
        .wall_ns = vpm_now_ns(CLOCK_REALTIME),
        .monotonic_ns = vpm_now_ns(CLOCK_MONOTONIC),
    };
    const struct vpm_signal_rule *rule;

    pthread_mutex_lock(&signals->lock);
    rule = rule_of(signals, number);
    if (rule->raised_by[0]) {
        event.deadline_ns = event.monotonic_ns + rule->timeout_ns;
        memcpy(event.raised_by, rule->raised_by, sizeof(event.raised_by));
        vpm_engine_fire(signals->engine, &event);
    }
    signals->latest[signals->count++ % VPM_SIGNALS_MAX] = (struct vpm_signal){
        .wall_ns = event.wall_ns, .monotonic_ns = event.monotonic_ns,
        .number = number, .pid = pid};
    pthread_mutex_unlock(&signals->lock);
    eventfd_write(signals->told_fd, 1);
}

uint64_t vpm_signals_next(struct vpm_signals *signals, uint64_t seen,
                          struct vpm_signal *found)
{
    uint64_t next = 0;

    pthread_mutex_lock(&signals->lock);
    if (signals->count > VPM_SIGNALS_MAX &&
        seen < signals->count - VPM_SIGNALS_MAX)
        seen = signals->count - VPM_SIGNALS_MAX;
    if (seen < signals->count) {
        *found = signals->latest[seen % VPM_SIGNALS_MAX];
        next = seen + 1;
    }
    pthread_mutex_unlock(&signals->lock);
    return next;
}

bool vpm_signals_work(struct vpm_signals *signals)
{
    uint64_t beats = __atomic_load_n(&signals->beats, __ATOMIC_RELAXED);
    bool works = beats != signals->beats_seen;

    signals->beats_seen = beats;
    return works;
}

static void *work(void *opaque)
{
    struct vpm_signals *signals = opaque;
    const struct timespec second = {.tv_sec = 1};
    sigset_t set;

    fill(&set);
    for (;;) {
        siginfo_t info;
        int number = sigtimedwait(&set, &info, &second);

        if (number > 0)
            vpm_signals_came(signals, (uint32_t)number,
                             (uint32_t)info.si_pid);
        __atomic_add_fetch(&signals->beats, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

int vpm_signals_start(struct vpm_signals *signals, struct vpm_engine *engine,
                      uint32_t priority, int told_fd, struct vpm_error *err)
{
    pthread_mutexattr_t mutex;
    pthread_t thread;

    memset(signals, 0, sizeof(*signals));
    signals->engine = engine;
    signals->told_fd = told_fd;
    signals->beats_seen = UINT64_MAX;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setprotocol(&mutex, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&signals->lock, &mutex);
    pthread_mutexattr_destroy(&mutex);
    errno = pthread_create(&thread, NULL, work, signals);
    if (errno)
        return vpm_fail_errno(err, "cannot start the thread that takes "
                              "signals");
    /* A failure was told by vpm_engine_open, as that of its threads. */
    vpm_realtime_set_priority(thread, priority);
    return VPM_OK;
}
