/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c -- fixates many pVMs at once: opening, arming, firing, waiting */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fixation.h"
#include "handle.h"
#include "lookup.h"
#include "realtime.h"

#define THREADS_MAX 64
#define TOUCH_NS 500000u

/* -- opening ------------------------------------------------------------- */

static void set_realtime(struct vpm_engine *engine, struct vpm_error *lost)
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
                    params->threads * sizeof(struct vpm_worker));
    if (!engine || vpm_map_touch(&pool->file.map, 0,
                                 pool->file.map.length) < 0) {
        vpm_fail_errno(err, "cannot make an engine");
        free(engine);
        return NULL;
    }
    engine->pool = pool;
    engine->params = *params;
    engine->pod_fd = engine->told_fd = -1;
    for (uint32_t i = 0; i < params->threads; i++) {
        struct vpm_worker *worker = &engine->workers[i];

        worker->pod_fd = &engine->pod_fd;
        worker->told_fd = &engine->told_fd;
        worker->waves = &engine->waves;
        worker->all = engine->workers;
        worker->count = params->threads;
        vpm_worker_init(worker);
    }
    rc = VPM_OK;
    for (uint32_t i = 0; rc == VPM_OK && i < params->threads; i++)
        rc = vpm_worker_start(&engine->workers[i], err);
    if (rc < 0) {
        vpm_engine_close(engine);
        return NULL;
    }
    set_realtime(engine, lost);
    /* It is the caller's array, and only used here. */
    engine->params.cpus = NULL;
    return engine;
}

void vpm_engine_write_back_by(struct vpm_engine *engine, int pod_fd)
{
    __atomic_store_n(&engine->pod_fd, pod_fd, __ATOMIC_RELEASE);
}

void vpm_engine_tell(struct vpm_engine *engine, int event_fd)
{
    __atomic_store_n(&engine->told_fd, event_fd, __ATOMIC_RELEASE);
}

bool vpm_engine_works(struct vpm_engine *engine)
{
    bool all = true;

    for (uint32_t i = 0; i < engine->params.threads; i++) {
        struct vpm_worker *worker = &engine->workers[i];

        all &= vpm_pulse_works(&worker->pulse);
        vpm_worker_wake(worker);
    }
    return all;
}

void vpm_engine_close(struct vpm_engine *engine)
{
    if (!engine)
        return;
    for (uint32_t i = 0; i < engine->params.threads; i++)
        vpm_worker_end(&engine->workers[i]);
    free(engine);
}

/* -- units --------------------------------------------------------------- */

static struct vpm_worker *choose_worker(struct vpm_engine *engine)
{
    uint32_t number = __atomic_fetch_add(&engine->next_worker, 1,
                                         __ATOMIC_RELAXED);

    return &engine->workers[number % engine->params.threads];
}

struct vpm_unit *vpm_unit_open(struct vpm_engine *engine, uint64_t id,
                               struct vpm_note *note, struct vpm_error *err)
{
    struct vpm_unit *unit = calloc(1, sizeof(*unit));
    struct vpm_entry entry;

    if (!unit) {
        vpm_fail_errno(err, "cannot prepare region %016" PRIx64, id);
        return NULL;
    }
    /* So that its memory is there before the event. */
    memset(unit->line, ' ', sizeof(unit->line));
    unit->pool = engine->pool;
    unit->pod_fd = &engine->pod_fd;
    unit->note = note;
    unit->waves = &engine->waves;
    unit->region = id;
    if (vpm_lookup_id(engine->pool, id, &entry, err) == VPM_OK)
        unit->fixation = vpm_fixation_open(engine->pool, id, err);
    if (!unit->fixation) {
        free(unit);
        return NULL;
    }
    memcpy(unit->name, entry.body.name, sizeof(unit->name));
    unit->worker = choose_worker(engine);
    if (vpm_worker_add(unit) < 0) {
        vpm_fail_errno(err, "cannot prepare region %016" PRIx64, id);
        vpm_fixation_close(unit->fixation);
        free(unit);
        return NULL;
    }
    return unit;
}

static bool under_way(const struct vpm_unit *unit)
{
    return unit->state == UNIT_FIRED || unit->state == UNIT_BUSY;
}

void vpm_unit_close(struct vpm_unit *unit)
{
    struct vpm_worker *worker;

    if (!unit)
        return;
    worker = unit->worker;
    pthread_mutex_lock(&worker->lock);
    __atomic_store_n(&unit->cancelled, true, __ATOMIC_RELAXED);
    if (unit->state == UNIT_ARMED || unit->state == UNIT_HELD)
        vpm_worker_drop_sockets(unit);
    while (under_way(unit)) {
        vpm_worker_wake(worker);
        pthread_cond_wait(&worker->settled, &worker->lock);
    }
    vpm_worker_remove(unit);
    pthread_mutex_unlock(&worker->lock);
    vpm_fixation_close(unit->fixation);
    free(unit);
}

static int copy_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* With the worker's lock held. */
static int arm(struct vpm_unit *unit, const struct vpm_arming *arming,
               struct vpm_error *err)
{
    int qmp = copy_fd(arming->qmp_fd), stream = copy_fd(arming->stream_fd);
    int flags = fcntl(stream, F_GETFL);

    unit->arming = *arming;
    unit->arming.qmp_fd = qmp;
    unit->arming.stream_fd = stream;
    if (qmp < 0 || stream < 0 || flags < 0 ||
        fcntl(stream, F_SETFL, flags | O_NONBLOCK) < 0 ||
        vpm_worker_watch(unit) < 0) {
        vpm_fail_errno(err, "cannot arm region %016" PRIx64, unit->region);
        close(qmp);
        close(stream);
        return err->code;
    }
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
    int rc = vpm_fixation_check_ram(unit->fixation, err);

    if (rc < 0)
        return rc;
    if (arming->priority > VPM_PRIORITY_MAX)
        return vpm_fail(err, VPM_EINVAL, "priority of region %016" PRIx64
                        " is %" PRIu32 "; it must be from 0 to %d",
                        unit->region, arming->priority, VPM_PRIORITY_MAX);
    pthread_mutex_lock(&unit->worker->lock);
    if (unit->state == UNIT_IDLE || unit->state == UNIT_LOST)
        rc = arm(unit, arming, err);
    else
        rc = vpm_fail(err, VPM_EINVAL, "region %016" PRIx64 " is %s",
                      unit->region, unit->state == UNIT_ARMED ?
                      "armed already" : "being fixated");
    pthread_mutex_unlock(&unit->worker->lock);
    return rc;
}

enum vpm_unit_state vpm_unit_state(struct vpm_unit *unit)
{
    enum vpm_unit_state state = VPM_UNIT_IDLE;

    pthread_mutex_lock(&unit->worker->lock);
    if (unit->state == UNIT_ARMED || unit->state == UNIT_HELD)
        state = VPM_UNIT_ARMED;
    else if (under_way(unit))
        state = VPM_UNIT_UNDER_WAY;
    else if (unit->state == UNIT_SETTLED)
        state = VPM_UNIT_SETTLED;
    else if (unit->state == UNIT_LOST)
        state = VPM_UNIT_LOST;
    pthread_mutex_unlock(&unit->worker->lock);
    return state;
}

bool vpm_unit_disarm(struct vpm_unit *unit)
{
    bool idle;

    pthread_mutex_lock(&unit->worker->lock);
    if (unit->state == UNIT_ARMED)
        vpm_worker_drop_sockets(unit);
    if (unit->state == UNIT_ARMED || unit->state == UNIT_LOST)
        unit->state = UNIT_IDLE;
    idle = unit->state == UNIT_IDLE;
    pthread_mutex_unlock(&unit->worker->lock);
    return idle;
}

static int touch_ring(struct vpm_pool *pool, struct vpm_error *err)
{
    uint64_t ring = vpm_ring_offset(pool->file.conf.descriptors);

    if (vpm_map_touch(&pool->file.map, ring, pool->file.map.length - ring) < 0)
        return vpm_fail_errno(err, "cannot write to %s", pool->file.path);
    return VPM_OK;
}

int vpm_unit_touch(struct vpm_unit *unit, bool *done, struct vpm_error *err)
{
    uint64_t until = vpm_now_ns(CLOCK_MONOTONIC) + TOUCH_NS, length = 0;
    int rc = VPM_OK;

    pthread_mutex_lock(&unit->worker->lock);
    *done = under_way(unit);
    if (!*done)
        length = vpm_fixation_length(unit->fixation);
    pthread_mutex_unlock(&unit->worker->lock);
    /* Without the lock: the event may come meanwhile. */
    if (!*done)
        rc = vpm_fixation_touch(unit->fixation, length, until, done, err);
    if (rc == VPM_OK && *done)
        rc = touch_ring(unit->pool, err);
    return rc;
}

/* With the worker's lock held. */
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

/* With all locks held. */
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

/* With all locks held, when all waves are complete. */
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

/* No deadlock: all who take them take them in this order. */
void vpm_engine_lock_all(struct vpm_engine *engine)
{
    for (uint32_t i = 0; i < engine->params.threads; i++)
        pthread_mutex_lock(&engine->workers[i].lock);
}

void vpm_engine_unlock_all(struct vpm_engine *engine)
{
    for (uint32_t i = 0; i < engine->params.threads; i++)
        pthread_mutex_unlock(&engine->workers[i].lock);
}

uint32_t vpm_engine_fire(struct vpm_engine *engine,
                         const struct vpm_event *event)
{
    uint32_t count;

    vpm_engine_lock_all(engine);
    count = fire_all(engine, event);
    set_latest(engine, event);
    vpm_engine_unlock_all(engine);
    for (uint32_t i = 0; count && i < engine->params.threads; i++)
        vpm_worker_wake(&engine->workers[i]);
    return count;
}

bool vpm_unit_fire(struct vpm_unit *unit, const struct vpm_event *event)
{
    bool fired;

    pthread_mutex_lock(&unit->worker->lock);
    fired = fire(unit, event);
    pthread_mutex_unlock(&unit->worker->lock);
    if (fired)
        vpm_worker_wake(unit->worker);
    return fired;
}

int vpm_unit_wait(struct vpm_unit *unit, uint64_t deadline_ns,
                  struct vpm_outcome *outcome, struct vpm_error *err)
{
    struct vpm_worker *worker = unit->worker;
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
