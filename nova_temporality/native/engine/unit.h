/* SPDX-License-Identifier: Apache-2.0 */
/* unit.h -- the fixation of one pVM, a state machine without a thread
 *
 * A unit belongs to one worker of the engine.  Its state changes with that
 * worker's lock held.  While it is BUSY, the worker's thread uses all the rest
 * of it, without the lock. */
#ifndef VPM_UNIT_H
#define VPM_UNIT_H

#include "json.h"
#include "waves.h"
#include "vpm.h"

struct vpm_worker;

enum unit_state {
    UNIT_IDLE,
    UNIT_ARMED,
    UNIT_FIRED,    /* and its worker has not noticed yet */
    UNIT_BUSY,
    UNIT_HELD,     /* neither armed nor disarmed, see giving.h */
    UNIT_SETTLED,  /* ended; nobody has taken the outcome yet */
    UNIT_LOST,     /* disarmed by its QEMU */
};

/* What a fixation waits for. */
enum unit_phase {
    PHASE_WAVE,     /* pVMs of higher priority */
    PHASE_LOCK,     /* the run lock, which somebody else has */
    PHASE_STOP,     /* that QEMU has stopped the vCPUs */
    PHASE_SAVE,     /* the stream and the answer to "migrate" */
    PHASE_CONFIRM,  /* the answer whether the save is completed */
    PHASE_RETRY,    /* the time to ask that again */
    PHASE_SAVED,    /* the CPU caches, then vpm_unit_commit */
    PHASE_DONE,
};

/* Longest line of QMP that is read.  Answers to the unit's commands are
 * shorter. */
#define UNIT_LINE_MAX 16384

struct vpm_unit {
    struct vpm_worker *worker;
    struct vpm_pool *pool;
    struct vpm_fixation *fixation;
    struct vpm_note *note;
    const int *pod_fd;         /* the engine's */
    struct vpm_waves *waves;   /* the engine's */
    uint64_t region;
    char name[VPM_NAME_MAX + 1];

    /* With the worker's lock held. */
    struct vpm_unit *next;
    enum unit_state state;
    bool cancelled;            /* end as soon as possible; atomic */
    uint32_t slot;             /* of the worker's */
    uint32_t serial;           /* changes with every arming */
    struct vpm_arming arming;  /* with our own copies of the sockets */
    struct vpm_event event;
    bool in_wave;              /* fired with others; */
    uint64_t latest_ns;        /* its wave starts by then */

    /* The worker's thread's, while BUSY. */
    struct vpm_unit *next_busy;
    enum unit_phase phase;
    bool qmp_ready;            /* can be read */
    bool stream_ready;         /* has no more writers; stays so */
    bool proven_before;        /* the state of this epoch was proven */
    bool accepted;             /* QEMU took the command "migrate" */
    bool ended;                /* the stream is complete */
    uint64_t again_ns;         /* when to look again, but in PHASE_STOP and
                                * PHASE_CONFIRM */
    char after[VPM_RUNSTATE_MAX + 1];  /* run state after the stop */
    struct vpm_outcome outcome;

    /* Of the QMP connection, since it was armed. */
    char line[UNIT_LINE_MAX];
    size_t line_length;
    bool line_too_long;
    uint64_t heard;            /* bytes */
};

/* Reads events from QMP while the unit is armed.  False when QEMU has closed
 * the connection, or has written too much.  The worker's lock must be held. */
bool vpm_unit_listen(struct vpm_unit *unit);

/* Begins a fixation; goes on with what is ready or due.  When the phase is
 * PHASE_DONE afterwards, the outcome is complete. */
void vpm_unit_start(struct vpm_unit *unit);
void vpm_unit_step(struct vpm_unit *unit, uint64_t now_ns);

/* Sets the marker of a unit in PHASE_SAVED, unless the caches could not be
 * written back after it got there: *not_back* says why, or is NULL. */
void vpm_unit_commit(struct vpm_unit *unit, const struct vpm_error *not_back);

/* When vpm_unit_step is due, even if nothing becomes ready. */
uint64_t vpm_unit_due_ns(const struct vpm_unit *unit);

#endif
