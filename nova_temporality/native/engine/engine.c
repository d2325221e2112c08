/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c -- fixates many pVMs at once, with a few threads
 *
 * Every worker thread waits, by epoll(7), for the sockets of its units and for
 * an eventfd that says that some were fired.  Locks inherit priority: whoever
 * arms a unit holds one for some microseconds, and may be preempted. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "fixation.h"
#include "pod.h"
#include "pool.h"
#include "region.h"
#include "realtime.h"
#include "unit.h"

#define THREADS_MAX 64
#define EVENTS_MAX 64
/* Of epoll's data: the eventfd; a unit's two sockets. */
#define WAKE 0
#define STREAM_BIT 1

/* Of a stream only its end is news (EPOLLHUP, which always comes): QEMU may
 * write it in thousands of pieces, which the units read when it is time. */
#define END_ONLY 0

struct worker {
    struct vpm_engine *engine;
    pthread_t thread;
    bool started;
    int epoll_fd;
    int wake_fd;

    pthread_mutex_t lock;
    pthread_cond_t settled;     /* of CLOCK_MONOTONIC */
    struct vpm_unit *units;
    bool ending;

    struct vpm_unit *busy;      /* the thread's own */
};

struct vpm_engine {
    struct vpm_pool *pool;
    struct vpm_engine_params params;
    uint64_t serial;            /* of the latest arming; atomic */
    int pod_fd;                 /* -1: caches need no writing back; atomic */
    uint32_t next_worker;       /* that a new unit is given to; atomic */
    struct vpm_waves waves;
    struct worker workers[];
};

/* -- sockets ------------------------------------------------------------- */

static int watch(struct worker *worker, int fd, uint32_t events,
                 uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void unwatch(struct worker *worker, int fd)
{
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void drop_sockets(struct vpm_unit *unit)
{
    unwatch(unit->worker, unit->arming.qmp_fd);
    unwatch(unit->worker, unit->arming.stream_fd);
    close(unit->arming.qmp_fd);
    close(unit->arming.stream_fd);
}

/* -- the worker's thread ------------------------------------------------- */

static void wait_events(struct worker *worker, struct epoll_event *events,
                        int *count)
{
    uint64_t due = UINT64_MAX;
    struct timespec left, *timeout = NULL;

    for (struct vpm_unit *unit = worker->busy; unit; unit = unit->next_busy)
        if (vpm_unit_due_ns(unit) < due)
            due = vpm_unit_due_ns(unit);
    if (due != UINT64_MAX) {
        uint64_t now = vpm_now_ns();
        uint64_t ns = due > now ? due - now : 0;

        left.tv_sec = (time_t)(ns / 1000000000u);
        left.tv_nsec = (long)(ns % 1000000000u);
        timeout = &left;
    }
    *count = epoll_pwait2(worker->epoll_fd, events, EVENTS_MAX, timeout,
                          NULL);
}

static struct vpm_unit *find(struct worker *worker, uint64_t serial)
{
    struct vpm_unit *unit = worker->units;

    while (unit && unit->serial != serial)
        unit = unit->next;
    return unit;
}

/* Under the lock. */
static void notice(struct worker *worker, uint64_t data)
{
    struct vpm_unit *unit;
    bool stream = data & STREAM_BIT;

    if (data == WAKE) {
        eventfd_t ignored;

        eventfd_read(worker->wake_fd, &ignored);
        return;
    }
    unit = find(worker, data >> 1);
    if (!unit)
        return;
    if (unit->state == UNIT_ARMED && (stream || !vpm_unit_listen(unit))) {
        /* Nobody writes a state unasked: that QEMU has ended. */
        drop_sockets(unit);
        unit->state = UNIT_IDLE;
    } else if (unit->state == UNIT_FIRED || unit->state == UNIT_BUSY) {
        if (stream)  /* would be told again and again */
            unwatch(worker, unit->arming.stream_fd);
        unit->stream_ready |= stream;
        unit->qmp_ready |= !stream;
    }
}

/* Under the lock: makes those that were fired busy, and starts them without
 * it. */
static struct vpm_unit *take_fired(struct worker *worker)
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

static void start_fired(struct worker *worker, struct vpm_unit *fired)
{
    while (fired) {
        struct vpm_unit *unit = fired;

        fired = unit->next_busy;
        vpm_unit_start(unit);
        unit->next_busy = worker->busy;
        worker->busy = unit;
    }
}

static void step_all(struct worker *worker)
{
    uint64_t now = vpm_now_ns();

    for (struct vpm_unit *unit = worker->busy; unit; unit = unit->next_busy)
        if (unit->phase != PHASE_DONE)
            vpm_unit_step(unit, now);
}

/* Brings servers' memory to where it survives. QEMU has stopped them. */
static int write_caches_back(struct worker *worker, struct vpm_error *err)
{
    int fd = __atomic_load_n(&worker->engine->pod_fd, __ATOMIC_ACQUIRE);
    struct pod_write_back result;

    if (ioctl(fd, POD_WRITE_BACK, &result) < 0)
        return vpm_fail_errno(err, "the CPU caches are not written back");
    return VPM_OK;
}

/* Once for all that are saved by now.  That takes milliseconds, in which
 * others are, so the next one is for all of those. */
static void commit_saved(struct worker *worker)
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

static void wake(struct worker *worker)
{
    eventfd_write(worker->wake_fd, 1);
}

/* Others may have waited for that, whoever serves them. */
static void leave_wave(struct vpm_unit *unit)
{
    struct vpm_engine *engine = unit->worker->engine;

    if (!unit->in_wave ||
        !vpm_waves_done(&engine->waves, unit->arming.priority))
        return;
    for (uint32_t i = 0; i < engine->params.threads; i++)
        wake(&engine->workers[i]);
}

/* Only now, when all that was ready has been served. */
static void finish(struct worker *worker)
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
        leave_wave(unit);
        vpm_outcome_record(unit->pool, &unit->outcome, &ignored);
        pthread_mutex_lock(&worker->lock);
        drop_sockets(unit);
        unit->state = UNIT_SETTLED;
        pthread_cond_broadcast(&worker->settled);
        pthread_mutex_unlock(&worker->lock);
    }
}

static void *work(void *opaque)
{
    struct worker *worker = opaque;
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
    }
    return NULL;
}

/* -- opening ------------------------------------------------------------- */

static void init_lock(struct worker *worker)
{
    pthread_mutexattr_t mutex;
    pthread_condattr_t cond;

    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setprotocol(&mutex, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&worker->lock, &mutex);
    pthread_mutexattr_destroy(&mutex);
    pthread_condattr_init(&cond);
    pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->settled, &cond);
    pthread_condattr_destroy(&cond);
}

/* Its signals are for other threads. */
static int start_thread(struct worker *worker)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&worker->thread, NULL, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    worker->started = rc == 0;
    return rc;
}

static int start_worker(struct worker *worker, struct vpm_error *err)
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

static void ask_for_rights(struct vpm_engine *engine, struct vpm_error *lost)
{
    const struct vpm_engine_params *params = &engine->params;
    int priority = 0, cpus = 0;

    for (uint32_t i = 0; i < params->threads; i++) {
        pthread_t thread = engine->workers[i].thread;

        if (params->priority && !priority)
            priority = vpm_realtime_set_priority(thread, params->priority);
        if (params->cpu_count && !cpus)
            cpus = vpm_realtime_set_cpus(thread, params->cpus,
                                         params->cpu_count);
    }
    if (priority)
        vpm_realtime_lost(lost, "no SCHED_FIFO", priority,
                          "give it CAP_SYS_NICE (LimitRTPRIO), or set "
                          "engine_priority to 0");
    if (cpus)
        vpm_realtime_lost(lost, "not bound to engine_cpus", cpus,
                          "name CPUs that there are");
    if (params->lock_memory && vpm_realtime_lock_memory() < 0)
        vpm_realtime_lost(lost, "memory not locked", errno,
                          "give it CAP_IPC_LOCK (LimitMEMLOCK)");
}

static int check_params(const struct vpm_engine_params *params,
                        struct vpm_error *err)
{
    if (params->threads < 1 || params->threads > THREADS_MAX)
        return vpm_fail(err, VPM_EINVAL, "number of threads is %" PRIu32
                        "; it must be from 1 to %d", params->threads,
                        THREADS_MAX);
    if (params->priority > 99)
        return vpm_fail(err, VPM_EINVAL, "priority is %" PRIu32 "; it must "
                        "be from 0 to 99", params->priority);
    return VPM_OK;
}

struct vpm_engine *vpm_engine_open(struct vpm_pool *pool,
                                   const struct vpm_engine_params *params,
                                   struct vpm_error *lost,
                                   struct vpm_error *err)
{
    struct vpm_engine *engine;
    int rc;

    memset(lost, 0, sizeof(*lost));
    if (check_params(params, err) < 0)
        return NULL;
    engine = calloc(1, sizeof(*engine) +
                    params->threads * sizeof(struct worker));
    if (!engine || vpm_map_touch(&pool->file.map) < 0) {
        vpm_fail_errno(err, "cannot make an engine");
        free(engine);
        return NULL;
    }
    engine->pool = pool;
    engine->params = *params;
    engine->pod_fd = -1;
    for (uint32_t i = 0; i < params->threads; i++) {
        struct worker *worker = &engine->workers[i];

        worker->engine = engine;
        worker->epoll_fd = worker->wake_fd = -1;
        init_lock(worker);
    }
    rc = VPM_OK;
    for (uint32_t i = 0; rc == VPM_OK && i < params->threads; i++)
        rc = start_worker(&engine->workers[i], err);
    if (rc < 0) {
        vpm_engine_close(engine);
        return NULL;
    }
    ask_for_rights(engine, lost);
    /* The caller's array. */
    engine->params.cpus = NULL;
    return engine;
}

void vpm_engine_write_back_by(struct vpm_engine *engine, int pod_fd)
{
    __atomic_store_n(&engine->pod_fd, pod_fd, __ATOMIC_RELEASE);
}

static void end_worker(struct worker *worker)
{
    if (worker->started) {
        pthread_mutex_lock(&worker->lock);
        worker->ending = true;
        pthread_mutex_unlock(&worker->lock);
        wake(worker);
        pthread_join(worker->thread, NULL);
    }
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    pthread_cond_destroy(&worker->settled);
    pthread_mutex_destroy(&worker->lock);
}

void vpm_engine_close(struct vpm_engine *engine)
{
    if (!engine)
        return;
    for (uint32_t i = 0; i < engine->params.threads; i++)
        end_worker(&engine->workers[i]);
    free(engine);
}

/* -- units --------------------------------------------------------------- */

static struct worker *choose_worker(struct vpm_engine *engine)
{
    uint32_t number = __atomic_fetch_add(&engine->next_worker, 1,
                                         __ATOMIC_RELAXED);

    return &engine->workers[number % engine->params.threads];
}

struct vpm_unit *vpm_unit_open(struct vpm_engine *engine, uint64_t id,
                               struct vpm_note *note, struct vpm_error *err)
{
    struct vpm_unit *unit = calloc(1, sizeof(*unit));
    struct vpm_slot slot;

    if (!unit) {
        vpm_fail_errno(err, "cannot prepare region %016" PRIx64, id);
        return NULL;
    }
    /* So that it is there, and not at its first use. */
    memset(unit->line, ' ', sizeof(unit->line));
    unit->pool = engine->pool;
    unit->pod_fd = &engine->pod_fd;
    unit->note = note;
    unit->waves = &engine->waves;
    unit->region = id;
    if (vpm_region_find(engine->pool, id, &slot, err) == VPM_OK)
        unit->fixation = vpm_fixation_open(engine->pool, id, err);
    if (!unit->fixation) {
        free(unit);
        return NULL;
    }
    memcpy(unit->name, slot.body.name, sizeof(unit->name));
    unit->worker = choose_worker(engine);
    pthread_mutex_lock(&unit->worker->lock);
    unit->next = unit->worker->units;
    unit->worker->units = unit;
    pthread_mutex_unlock(&unit->worker->lock);
    return unit;
}

static void unlink_unit(struct vpm_unit *unit)
{
    struct vpm_unit **link = &unit->worker->units;

    while (*link != unit)
        link = &(*link)->next;
    *link = unit->next;
}

static bool under_way(const struct vpm_unit *unit)
{
    return unit->state == UNIT_FIRED || unit->state == UNIT_BUSY;
}

void vpm_unit_close(struct vpm_unit *unit)
{
    struct worker *worker;

    if (!unit)
        return;
    worker = unit->worker;
    pthread_mutex_lock(&worker->lock);
    __atomic_store_n(&unit->cancelled, true, __ATOMIC_RELAXED);
    if (unit->state == UNIT_ARMED)
        drop_sockets(unit);
    while (under_way(unit)) {
        wake(worker);
        pthread_cond_wait(&worker->settled, &worker->lock);
    }
    unlink_unit(unit);
    pthread_mutex_unlock(&worker->lock);
    vpm_fixation_close(unit->fixation);
    free(unit);
}

static int copy_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* Under the lock. */
static int arm(struct vpm_unit *unit, const struct vpm_arming *arming,
               struct vpm_error *err)
{
    struct worker *worker = unit->worker;
    int qmp = copy_fd(arming->qmp_fd), stream = copy_fd(arming->stream_fd);
    uint64_t serial = __atomic_add_fetch(&worker->engine->serial, 1,
                                         __ATOMIC_RELAXED);
    int flags = fcntl(stream, F_GETFL);

    if (qmp < 0 || stream < 0 || flags < 0 ||
        fcntl(stream, F_SETFL, flags | O_NONBLOCK) < 0 ||
        watch(worker, qmp, EPOLLIN, serial << 1) < 0 ||
        watch(worker, stream, END_ONLY, serial << 1 | STREAM_BIT) < 0) {
        vpm_fail_errno(err, "cannot arm region %016" PRIx64, unit->region);
        /* Closing removes it from epoll, too, unless there are copies. */
        unwatch(worker, qmp);
        close(qmp);
        close(stream);
        return err->code;
    }
    unit->arming = *arming;
    unit->arming.qmp_fd = qmp;
    unit->arming.stream_fd = stream;
    unit->serial = serial;
    unit->line_length = 0;
    unit->line_too_long = false;
    unit->heard = 0;
    unit->phase = PHASE_LOCK;
    unit->state = UNIT_ARMED;
    return VPM_OK;
}

int vpm_unit_arm(struct vpm_unit *unit, const struct vpm_arming *arming,
                 struct vpm_error *err)
{
    int rc;

    if (arming->priority > VPM_PRIORITY_MAX)
        return vpm_fail(err, VPM_EINVAL, "priority of region %016" PRIx64
                        " is %" PRIu32 "; it must be from 0 to %d",
                        unit->region, arming->priority, VPM_PRIORITY_MAX);
    pthread_mutex_lock(&unit->worker->lock);
    if (unit->state == UNIT_IDLE)
        rc = arm(unit, arming, err);
    else
        rc = vpm_fail(err, VPM_EINVAL, "region %016" PRIx64 " is %s",
                      unit->region, unit->state == UNIT_ARMED ?
                      "armed already" : "being fixated");
    pthread_mutex_unlock(&unit->worker->lock);
    return rc;
}

bool vpm_unit_armed(struct vpm_unit *unit)
{
    bool armed;

    pthread_mutex_lock(&unit->worker->lock);
    armed = unit->state == UNIT_ARMED;
    pthread_mutex_unlock(&unit->worker->lock);
    return armed;
}

bool vpm_unit_disarm(struct vpm_unit *unit)
{
    bool idle;

    pthread_mutex_lock(&unit->worker->lock);
    if (unit->state == UNIT_ARMED) {
        drop_sockets(unit);
        unit->state = UNIT_IDLE;
    }
    idle = unit->state == UNIT_IDLE;
    pthread_mutex_unlock(&unit->worker->lock);
    return idle;
}

/* Under the lock. */
static bool fire(struct vpm_unit *unit, const struct vpm_event *event)
{
    if (unit->state != UNIT_ARMED)
        return false;
    unit->event = *event;
    unit->in_wave = false;
    unit->qmp_ready = unit->stream_ready = false;
    unit->state = UNIT_FIRED;
    return true;
}

/* Under all locks. */
static uint32_t fire_all(struct vpm_engine *engine,
                         const struct vpm_event *event)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < engine->params.threads; i++)
        for (struct vpm_unit *unit = engine->workers[i].units; unit;
             unit = unit->next) {
            if (!fire(unit, event))
                continue;
            count++;
            unit->in_wave = true;
            vpm_waves_add(&engine->waves, unit->arming.priority);
        }
    return count;
}

/* Under all locks, when it is known who was fired. */
static void set_latest(struct vpm_engine *engine,
                       const struct vpm_event *event)
{
    for (uint32_t i = 0; i < engine->params.threads; i++)
        for (struct vpm_unit *unit = engine->workers[i].units; unit;
             unit = unit->next)
            if (unit->state == UNIT_FIRED && unit->in_wave)
                unit->latest_ns = event->monotonic_ns + vpm_waves_latest(
                    &engine->waves, unit->arming.priority,
                    engine->params.hold_up_ns);
}

uint32_t vpm_engine_fire(struct vpm_engine *engine,
                         const struct vpm_event *event)
{
    uint32_t count;

    /* Nobody else holds two of them. */
    for (uint32_t i = 0; i < engine->params.threads; i++)
        pthread_mutex_lock(&engine->workers[i].lock);
    count = fire_all(engine, event);
    set_latest(engine, event);
    for (uint32_t i = 0; i < engine->params.threads; i++) {
        pthread_mutex_unlock(&engine->workers[i].lock);
        if (count)
            wake(&engine->workers[i]);
    }
    return count;
}

bool vpm_unit_fire(struct vpm_unit *unit, const struct vpm_event *event)
{
    bool fired;

    pthread_mutex_lock(&unit->worker->lock);
    fired = fire(unit, event);
    pthread_mutex_unlock(&unit->worker->lock);
    if (fired)
        wake(unit->worker);
    return fired;
}

int vpm_unit_wait(struct vpm_unit *unit, uint64_t deadline_ns,
                  struct vpm_outcome *outcome, struct vpm_error *err)
{
    struct worker *worker = unit->worker;
    struct timespec until = {
        .tv_sec = (time_t)(deadline_ns / 1000000000u),
        .tv_nsec = (long)(deadline_ns % 1000000000u),
    };
    int rc = 0;

    pthread_mutex_lock(&worker->lock);
    while (under_way(unit) && rc == 0)
        rc = deadline_ns ?
            pthread_cond_timedwait(&worker->settled, &worker->lock, &until) :
            pthread_cond_wait(&worker->settled, &worker->lock);
    if (unit->state == UNIT_SETTLED) {
        *outcome = unit->outcome;
        unit->state = UNIT_IDLE;
        rc = VPM_OK;
    } else if (rc) {
        rc = vpm_fail(err, VPM_ETIMEDOUT, "region %016" PRIx64 " is still "
                      "being fixated", unit->region);
    } else {
        rc = vpm_fail(err, VPM_ENOENT, "region %016" PRIx64 " was not fired",
                      unit->region);
    }
    pthread_mutex_unlock(&worker->lock);
    return rc;
}

/* -- signals ------------------------------------------------------------- */

static uint64_t wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int vpm_engine_wait_signal(struct vpm_engine *engine, int number,
                           const char *raised_by, uint64_t timeout_ns,
                           struct vpm_signal *received, struct vpm_error *err)
{
    struct vpm_event event = {.wall_ns = 0};
    sigset_t wanted;
    siginfo_t info;
    int rc;

    if (raised_by && strlen(raised_by) > VPM_RAISED_BY_MAX)
        return vpm_fail(err, VPM_EINVAL, "'%s' is longer than %d bytes",
                        raised_by, VPM_RAISED_BY_MAX);
    if (raised_by)
        strcpy(event.raised_by, raised_by);
    sigemptyset(&wanted);
    if (sigaddset(&wanted, number) < 0)
        return vpm_fail_errno(err, "cannot wait for signal %d", number);
    /* What the threads lack was told when they were started. */
    vpm_realtime_set_priority(pthread_self(), engine->params.priority);
    do {
        rc = sigwaitinfo(&wanted, &info);
    } while (rc < 0 && errno == EINTR);
    event.monotonic_ns = vpm_now_ns();
    event.wall_ns = wall_ns();
    event.deadline_ns = event.monotonic_ns + timeout_ns;
    if (rc >= 0 && raised_by)
        vpm_engine_fire(engine, &event);
    /* What is left is for Python. */
    vpm_realtime_set_priority(pthread_self(), 0);
    if (rc < 0)
        return vpm_fail_errno(err, "cannot wait for signal %d", number);
    received->wall_ns = event.wall_ns;
    received->monotonic_ns = event.monotonic_ns;
    received->pid = (uint32_t)info.si_pid;
    return VPM_OK;
}
