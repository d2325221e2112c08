/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c -- a thread of the engine, which serves its share of the units */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fixation.h"
#include "pod.h"
#include "realtime.h"

#define EVENTS_MAX 64
/* Epoll's data: the eventfd; or a unit's serial number and slot, and which of
 * its two sockets it is.  An event may be read when its unit is armed anew, or
 * gone: then the serial number is another one. */
#define WAKE 0
#define STREAM_BIT 1
#define SLOTS_MORE 64

/* Of a stream only its end is waited for (EPOLLHUP, which always comes): QEMU
 * may write it in thousands of pieces, which the units read when they are
 * due. */
#define END_ONLY 0

/* -- sockets ------------------------------------------------------------- */

static int watch(struct vpm_worker *worker, int fd, uint32_t events,
                 uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void unwatch(struct vpm_worker *worker, int fd)
{
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int vpm_worker_watch(struct vpm_unit *unit)
{
    struct vpm_worker *worker = unit->worker;
    uint64_t data;
    int saved;

    if (++worker->serial == 0)
        worker->serial = 1;
    unit->serial = worker->serial;
    data = (uint64_t)unit->serial << 32 | unit->slot << 1;
    if (watch(worker, unit->arming.qmp_fd, EPOLLIN, data) == 0 &&
        watch(worker, unit->arming.stream_fd, END_ONLY,
              data | STREAM_BIT) == 0)
        return 0;
    /* To close it is not enough when there are copies of it. */
    saved = errno;
    unwatch(worker, unit->arming.qmp_fd);
    errno = saved;
    return -1;
}

void vpm_worker_unwatch(struct vpm_unit *unit)
{
    unwatch(unit->worker, unit->arming.qmp_fd);
    unwatch(unit->worker, unit->arming.stream_fd);
}

void vpm_worker_drop_sockets(struct vpm_unit *unit)
{
    vpm_worker_unwatch(unit);
    close(unit->arming.qmp_fd);
    close(unit->arming.stream_fd);
}

static void tell(const struct vpm_worker *worker)
{
    int fd = __atomic_load_n(worker->told_fd, __ATOMIC_ACQUIRE);

    if (fd >= 0)
        eventfd_write(fd, 1);
}

void vpm_worker_lose(struct vpm_unit *unit)
{
    vpm_worker_drop_sockets(unit);
    unit->state = UNIT_LOST;
    tell(unit->worker);
}

/* -- units --------------------------------------------------------------- */

static int more_slots(struct vpm_worker *worker)
{
    uint32_t count = worker->slot_count + SLOTS_MORE;
    struct vpm_unit **slots = realloc(worker->slots, count * sizeof(*slots));

    if (!slots)
        return -1;
    memset(slots + worker->slot_count, 0, SLOTS_MORE * sizeof(*slots));
    worker->slots = slots;
    worker->slot_count = count;
    return 0;
}

int vpm_worker_add(struct vpm_unit *unit)
{
    struct vpm_worker *worker = unit->worker;
    uint32_t slot = 0;
    int rc = 0;

    pthread_mutex_lock(&worker->lock);
    while (slot < worker->slot_count && worker->slots[slot])
        slot++;
    if (slot == worker->slot_count)
        rc = more_slots(worker);
    if (rc == 0) {
        worker->slots[slot] = unit;
        unit->slot = slot;
        unit->next = worker->units;
        worker->units = unit;
    }
    pthread_mutex_unlock(&worker->lock);
    return rc;
}

void vpm_worker_remove(struct vpm_unit *unit)
{
    struct vpm_unit **link = &unit->worker->units;

    while (*link != unit)
        link = &(*link)->next;
    *link = unit->next;
    unit->worker->slots[unit->slot] = NULL;
}

static struct vpm_unit *find(const struct vpm_worker *worker, uint64_t data)
{
    uint32_t slot = (uint32_t)data >> 1;
    struct vpm_unit *unit = worker->slots[slot];

    return unit && unit->serial == (uint32_t)(data >> 32) ? unit : NULL;
}

/* -- the worker's thread ------------------------------------------------- */

static void wait_events(struct vpm_worker *worker, struct epoll_event *events,
                        int *count)
{
    uint64_t due = UINT64_MAX;
    struct timespec left, *timeout = NULL;

    for (struct vpm_unit *unit = worker->busy; unit; unit = unit->next_busy)
        if (vpm_unit_due_ns(unit) < due)
            due = vpm_unit_due_ns(unit);
    if (due != UINT64_MAX) {
        uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);
        uint64_t ns = due > now ? due - now : 0;

        left.tv_sec = (time_t)(ns / 1000000000u);
        left.tv_nsec = (long)(ns % 1000000000u);
        timeout = &left;
    }
    *count = epoll_pwait2(worker->epoll_fd, events, EVENTS_MAX, timeout,
                          NULL);
}

/* With the lock held. */
static void notice(struct vpm_worker *worker, uint64_t data)
{
    struct vpm_unit *unit;
    bool stream = data & STREAM_BIT;

    if (data == WAKE) {
        eventfd_t ignored;

        eventfd_read(worker->wake_fd, &ignored);
        return;
    }
    unit = find(worker, data);
    if (!unit)
        return;
    if (unit->state == UNIT_ARMED && (stream || !vpm_unit_listen(unit))) {
        /* A stream that ends before any save: that QEMU has ended. */
        vpm_worker_lose(unit);
    } else if (unit->state == UNIT_FIRED || unit->state == UNIT_BUSY) {
        if (stream)  /* its end would be reported again and again */
            unwatch(worker, unit->arming.stream_fd);
        unit->stream_ready |= stream;
        unit->qmp_ready |= !stream;
    }
}

/* With the lock held: makes the units that were fired busy.  They are started
 * without it. */
static struct vpm_unit *take_fired(struct vpm_worker *worker)
{
    struct vpm_unit *fired = NULL;

    for (struct vpm_unit *unit = worker->units; unit; unit = unit->next) {
        if (unit->state != UNIT_FIRED)
            continue;
        unit->state = UNIT_BUSY;
        unit->next_busy = fired;
        fired = unit;
    }
    return fired;
}

static void start_fired(struct vpm_worker *worker, struct vpm_unit *fired)
{
    while (fired) {
        struct vpm_unit *unit = fired;

        fired = unit->next_busy;
        vpm_unit_start(unit);
        unit->next_busy = worker->busy;
        worker->busy = unit;
    }
}

static void step_all(struct vpm_worker *worker)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

    for (struct vpm_unit *unit = worker->busy; unit; unit = unit->next_busy)
        if (unit->phase != PHASE_DONE)
            vpm_unit_step(unit, now);
}

/* Brings servers' memory to where it survives.  Their vCPUs are stopped. */
static int write_caches_back(struct vpm_worker *worker, struct vpm_error *err)
{
    int fd = __atomic_load_n(worker->pod_fd, __ATOMIC_ACQUIRE);
    struct pod_write_back result;

    if (ioctl(fd, POD_WRITE_BACK, &result) < 0)
        return vpm_fail_errno(err, "the CPU caches are not written back");
    return VPM_OK;
}

/* Writes the caches back once for all units that are saved by now.  That takes
 * milliseconds; units that are saved meanwhile share the next one. */
static void commit_saved(struct vpm_worker *worker)
{
    struct vpm_error err, *not_back = NULL;
    bool some = false;

    for (struct vpm_unit *unit = worker->busy; unit; unit = unit->next_busy)
        some |= unit->phase == PHASE_SAVED;
    if (!some)
        return;
    if (write_caches_back(worker, &err) < 0)
        not_back = &err;
    for (struct vpm_unit *unit = worker->busy; unit; unit = unit->next_busy)
        if (unit->phase == PHASE_SAVED)
            vpm_unit_commit(unit, not_back);
}

void vpm_worker_wake(struct vpm_worker *worker)
{
    eventfd_write(worker->wake_fd, 1);
}

/* Units of any worker may have waited for the end of this one. */
static void leave_wave(struct vpm_worker *worker, struct vpm_unit *unit)
{
    if (!unit->in_wave ||
        !vpm_waves_done(worker->waves, unit->arming.priority))
        return;
    for (uint32_t i = 0; i < worker->count; i++)
        vpm_worker_wake(&worker->all[i]);
}

/* Called when all units that were ready have been served: what it does for one
 * must not delay the others. */
static void finish(struct vpm_worker *worker)
{
    struct vpm_unit **link = &worker->busy;

    while (*link) {
        struct vpm_unit *unit = *link;
        struct vpm_error ignored;

        if (unit->phase != PHASE_DONE) {
            link = &unit->next_busy;
            continue;
        }
        *link = unit->next_busy;
        leave_wave(worker, unit);
        vpm_outcome_record(unit->pool, &unit->outcome, &ignored);
        pthread_mutex_lock(&worker->lock);
        vpm_worker_drop_sockets(unit);
        unit->state = UNIT_SETTLED;
        pthread_cond_broadcast(&worker->settled);
        pthread_mutex_unlock(&worker->lock);
        tell(worker);
    }
}

static void *work(void *opaque)
{
    struct vpm_worker *worker = opaque;
    struct epoll_event events[EVENTS_MAX];
    bool ending = false;

    while (!ending) {
        struct vpm_unit *fired;
        int count;

        wait_events(worker, events, &count);
        pthread_mutex_lock(&worker->lock);
        for (int i = 0; i < count; i++)
            notice(worker, events[i].data.u64);
        fired = take_fired(worker);
        ending = worker->ending;
        pthread_mutex_unlock(&worker->lock);
        start_fired(worker, fired);
        step_all(worker);
        commit_saved(worker);
        finish(worker);
        vpm_pulse_beat(&worker->pulse);
    }
    return NULL;
}

/* -- starting and ending ------------------------------------------------- */

void vpm_worker_init(struct vpm_worker *worker)
{
    pthread_condattr_t cond;

    worker->epoll_fd = worker->wake_fd = -1;
    vpm_pulse_init(&worker->pulse);
    vpm_realtime_init_lock(&worker->lock);
    pthread_condattr_init(&cond);
    pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->settled, &cond);
    pthread_condattr_destroy(&cond);
}

/* Signals are left to the process's other threads, but SIGBUS, which tells of
 * this one's own accesses (guard.h). */
static int start_thread(struct vpm_worker *worker)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&worker->thread, NULL, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    worker->started = rc == 0;
    return rc;
}

int vpm_worker_start(struct vpm_worker *worker, struct vpm_error *err)
{
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->epoll_fd < 0 || worker->wake_fd < 0 ||
        watch(worker, worker->wake_fd, EPOLLIN, WAKE) < 0)
        return vpm_fail_errno(err, "cannot prepare a thread of the engine");
    errno = start_thread(worker);
    if (errno)
        return vpm_fail_errno(err, "cannot start a thread of the engine");
    return VPM_OK;
}

void vpm_worker_end(struct vpm_worker *worker)
{
    if (worker->started) {
        pthread_mutex_lock(&worker->lock);
        worker->ending = true;
        pthread_mutex_unlock(&worker->lock);
        vpm_worker_wake(worker);
        pthread_join(worker->thread, NULL);
    }
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    free(worker->slots);
    pthread_cond_destroy(&worker->settled);
    pthread_mutex_destroy(&worker->lock);
}
