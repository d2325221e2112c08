/* SPDX-License-Identifier: Apache-2.0 */
/* giving.c -- units go from one engine to another, armed as they are */
#include "giving.h"

#include <string.h>

/* With all locks held. */
static void for_each(struct vpm_engine *engine, enum unit_state state,
                     void (*act)(struct vpm_unit *unit))
{
    for (uint32_t i = 0; i < engine->params.threads; i++)
        for (struct vpm_unit *unit = engine->workers[i].units; unit;
             unit = unit->next)
            if (unit->state == state)
                act(unit);
}

static bool is_idle(struct vpm_engine *engine)
{
    for (uint32_t i = 0; i < engine->params.threads; i++)
        for (struct vpm_unit *unit = engine->workers[i].units; unit;
             unit = unit->next)
            if (unit->state == UNIT_FIRED || unit->state == UNIT_BUSY)
                return false;
    return true;
}

static void hold(struct vpm_unit *unit)
{
    vpm_worker_unwatch(unit);
    unit->state = UNIT_HELD;
}

bool vpm_engine_hold(struct vpm_engine *engine)
{
    bool idle;

    vpm_engine_lock_all(engine);
    idle = is_idle(engine);
    if (idle)
        for_each(engine, UNIT_ARMED, hold);
    vpm_engine_unlock_all(engine);
    return idle;
}

static void drop(struct vpm_unit *unit)
{
    vpm_worker_drop_sockets(unit);
    unit->state = UNIT_IDLE;
}

/* What happened to the sockets meanwhile is noticed at once. */
static void release(struct vpm_unit *unit)
{
    unit->state = UNIT_ARMED;
    if (vpm_worker_watch(unit) < 0)
        vpm_worker_lose(unit);
}

void vpm_engine_release(struct vpm_engine *engine)
{
    vpm_engine_lock_all(engine);
    for_each(engine, UNIT_HELD, release);
    vpm_engine_unlock_all(engine);
}

void vpm_engine_drop(struct vpm_engine *engine)
{
    vpm_engine_lock_all(engine);
    for_each(engine, UNIT_HELD, drop);
    vpm_engine_unlock_all(engine);
}

void vpm_unit_export(struct vpm_unit *unit, struct vpm_given *given)
{
    given->state = vpm_unit_state(unit);
    given->arming = unit->arming;
    given->outcome = unit->outcome;
    given->heard = unit->heard;
    given->line_too_long = unit->line_too_long;
    given->line_length = (uint32_t)unit->line_length;
    memcpy(given->line, unit->line, unit->line_length);
}

static enum unit_state state_of(const struct vpm_given *given)
{
    switch (given->state) {
    case VPM_UNIT_ARMED:
        return UNIT_HELD;
    case VPM_UNIT_SETTLED:
        return UNIT_SETTLED;
    case VPM_UNIT_LOST:
        return UNIT_LOST;
    default:
        return UNIT_IDLE;
    }
}

void vpm_unit_import(struct vpm_unit *unit, const struct vpm_given *given,
                     struct vpm_note *note)
{
    pthread_mutex_lock(&unit->worker->lock);
    unit->note = note;
    unit->arming = given->arming;
    unit->outcome = given->outcome;
    unit->heard = given->heard;
    unit->line_too_long = given->line_too_long;
    unit->line_length = given->line_length;
    memcpy(unit->line, given->line, given->line_length);
    unit->phase = PHASE_LOCK;
    unit->state = state_of(given);
    pthread_mutex_unlock(&unit->worker->lock);
}
