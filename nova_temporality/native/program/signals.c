/* SPDX-License-Identifier: Apache-2.0 */
/* signals.c -- takes the signals that say that power fails */
#include "signals.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "realtime.h"

static const uint32_t numbers[SIGNAL_KINDS] = {VPM_POD_SIGNAL, SIGPWR};

void vpm_signals_fill(sigset_t *set)
{
    sigemptyset(set);
    for (int i = 0; i < SIGNAL_KINDS; i++)
        sigaddset(set, (int)numbers[i]);
}

void vpm_signals_block(void)
{
    sigset_t set;

    vpm_signals_fill(&set);
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
    return &signals->memory.rules[i];
}

void vpm_signals_rule(struct vpm_signals *signals, uint32_t number,
                      const struct vpm_signal_rule *rule)
{
    pthread_mutex_lock(&signals->lock);
    *rule_of(signals, number) = *rule;
    pthread_mutex_unlock(&signals->lock);
}

struct vpm_signal vpm_signals_now(uint32_t number, uint32_t pid)
{
    return (struct vpm_signal){
        .wall_ns = vpm_now_ns(CLOCK_REALTIME),
        .monotonic_ns = vpm_now_ns(CLOCK_MONOTONIC),
        .number = number, .pid = pid};
}

static void fire(struct vpm_signals *signals, const struct vpm_signal *signal)
{
    const struct vpm_signal_rule *rule = rule_of(signals, signal->number);
    struct vpm_event event = {
        .wall_ns = signal->wall_ns, .monotonic_ns = signal->monotonic_ns,
        .deadline_ns = signal->monotonic_ns + rule->timeout_ns};

    if (!rule->raised_by[0])
        return;
    memcpy(event.raised_by, rule->raised_by, sizeof(event.raised_by));
    vpm_engine_fire(signals->engine, &event);
}

static void forward(struct vpm_signals *signals,
                    const struct vpm_signal *signal)
{
    const struct vpm_request request = {
        .version = VPM_PROTOCOL_VERSION, .kind = VPM_REQUEST_SIGNAL, .id = 1,
        .number = signal->number, .pid = signal->pid,
        .event = {.wall_ns = signal->wall_ns,
                  .monotonic_ns = signal->monotonic_ns}};

    send(signals->forward_fd, &request, sizeof(request),
         MSG_DONTWAIT | MSG_NOSIGNAL);
}

void vpm_signals_came(struct vpm_signals *signals,
                      const struct vpm_signal *signal)
{
    struct vpm_signals_memory *memory = &signals->memory;

    pthread_mutex_lock(&signals->lock);
    if (signals->forward_fd >= 0)
        forward(signals, signal);
    else if (!signals->holds)
        fire(signals, signal);
    memory->latest[memory->count++ % VPM_SIGNALS_MAX] = *signal;
    pthread_mutex_unlock(&signals->lock);
    eventfd_write(signals->told_fd, 1);
}

/* -- while another process takes over ------------------------------------ */

void vpm_signals_hold(struct vpm_signals *signals)
{
    pthread_mutex_lock(&signals->lock);
    signals->holds = true;
    signals->done = signals->memory.count;
    pthread_mutex_unlock(&signals->lock);
}

/* With the lock held.  Of more than are remembered the latest ones do. */
static void catch_up(struct vpm_signals *signals,
                     void (*act)(struct vpm_signals *signals,
                                 const struct vpm_signal *signal))
{
    const struct vpm_signals_memory *memory = &signals->memory;
    uint64_t next = signals->done;

    if (memory->count > next + VPM_SIGNALS_MAX)
        next = memory->count - VPM_SIGNALS_MAX;
    for (; next < memory->count; next++)
        act(signals, &memory->latest[next % VPM_SIGNALS_MAX]);
    signals->holds = false;
}

void vpm_signals_release(struct vpm_signals *signals)
{
    pthread_mutex_lock(&signals->lock);
    catch_up(signals, fire);
    pthread_mutex_unlock(&signals->lock);
}

void vpm_signals_forward(struct vpm_signals *signals, int fd)
{
    pthread_mutex_lock(&signals->lock);
    signals->forward_fd = fd;
    catch_up(signals, forward);
    pthread_mutex_unlock(&signals->lock);
}

/* The other process hears of those that came meanwhile by itself. */
void vpm_signals_export(struct vpm_signals *signals,
                        struct vpm_signals_memory *memory)
{
    pthread_mutex_lock(&signals->lock);
    *memory = signals->memory;
    memory->count = signals->done;
    pthread_mutex_unlock(&signals->lock);
}

void vpm_signals_import(struct vpm_signals *signals,
                        const struct vpm_signals_memory *memory)
{
    signals->memory = *memory;
}

uint64_t vpm_signals_next(struct vpm_signals *signals, uint64_t seen,
                          struct vpm_signal *found)
{
    const struct vpm_signals_memory *memory = &signals->memory;
    uint64_t next = 0;

    pthread_mutex_lock(&signals->lock);
    if (memory->count > seen + VPM_SIGNALS_MAX)
        seen = memory->count - VPM_SIGNALS_MAX;
    if (seen < memory->count) {
        *found = memory->latest[seen % VPM_SIGNALS_MAX];
        next = seen + 1;
    }
    pthread_mutex_unlock(&signals->lock);
    return next;
}

bool vpm_signals_work(struct vpm_signals *signals)
{
    return vpm_pulse_works(&signals->pulse);
}

static void *work(void *opaque)
{
    struct vpm_signals *signals = opaque;
    const struct timespec second = {.tv_sec = 1};
    sigset_t set;

    vpm_signals_fill(&set);
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        int number = sigtimedwait(&set, &info, &second);
        struct vpm_signal came = vpm_signals_now((uint32_t)number,
                                                 (uint32_t)info.si_pid);

        if (number > 0)
            vpm_signals_came(signals, &came);
        vpm_pulse_beat(&signals->pulse);
    }
    return NULL;
}

void vpm_signals_init(struct vpm_signals *signals, struct vpm_engine *engine,
                      int told_fd)
{
    memset(signals, 0, sizeof(*signals));
    signals->engine = engine;
    signals->told_fd = told_fd;
    signals->forward_fd = -1;
    vpm_pulse_init(&signals->pulse);
    vpm_realtime_init_lock(&signals->lock);
}

int vpm_signals_start(struct vpm_signals *signals, uint32_t priority,
                      struct vpm_error *err)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, work, signals);
    if (errno)
        return vpm_fail_errno(err, "cannot start the thread that takes "
                              "signals");
    /* A failure was told by vpm_engine_open, as that of its threads. */
    vpm_realtime_set_priority(thread, priority);
    return VPM_OK;
}
