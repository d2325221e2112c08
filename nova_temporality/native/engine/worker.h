/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h -- a thread of the engine, which serves its share of the units
 *
 * A worker waits, by epoll(7), for the sockets of its units and for an eventfd
 * that says that some were fired.  Its lock inherits priority: whoever arms a
 * unit holds it for some microseconds, and may be preempted meanwhile. */
#ifndef VPM_WORKER_H
#define VPM_WORKER_H

#include <pthread.h>

#include "pulse.h"
#include "unit.h"
#include "waves.h"

struct vpm_worker {
    const int *pod_fd;          /* the engine's; -1: caches need no writing
                                 * back; atomic */
    const int *told_fd;         /* the engine's; -1: nobody wants to know when
                                 * a unit has settled or is lost; atomic */
    struct vpm_waves *waves;    /* the engine's */
    struct vpm_worker *all;     /* the engine's workers, this one included */
    uint32_t count;             /* of them */
    pthread_t thread;
    bool started;
    struct vpm_pulse pulse;
    int epoll_fd;
    int wake_fd;

    pthread_mutex_t lock;
    pthread_cond_t settled;     /* of CLOCK_MONOTONIC */
    struct vpm_unit *units;     /* under the lock, as are the next */
    struct vpm_unit **slots;    /* where a unit is found by epoll's data */
    uint32_t slot_count;
    uint32_t serial;            /* of the latest arming */
    bool ending;

    struct vpm_unit *busy;      /* the thread's own */
};

/* Prepares a worker.  What others have not set must be zero. */
void vpm_worker_init(struct vpm_worker *worker);

/* Starts the thread.  The engine's members must be set before. */
int vpm_worker_start(struct vpm_worker *worker, struct vpm_error *err);

/* Ends the thread, if it was started, and frees what it used.  All its units
 * must have been closed. */
void vpm_worker_end(struct vpm_worker *worker);

/* Has the thread look at its units. */
void vpm_worker_wake(struct vpm_worker *worker);

/* Takes a unit on.  0, or -1 with errno. */
int vpm_worker_add(struct vpm_unit *unit);

/* Forgets a unit.  The worker's lock must be held. */
void vpm_worker_remove(struct vpm_unit *unit);

/* Waits for the sockets of a unit that is being armed, and gives it a new
 * serial number.  The worker's lock must be held.  0, or -1 with errno; then
 * it waits for neither of them. */
int vpm_worker_watch(struct vpm_unit *unit);

/* Waits for a unit's sockets no more.  The worker's lock must be held. */
void vpm_worker_unwatch(struct vpm_unit *unit);

/* Closes a unit's sockets.  The worker's lock must be held. */
void vpm_worker_drop_sockets(struct vpm_unit *unit);

/* Disarms a unit whose QEMU cannot be spoken to any more, and tells.  The
 * worker's lock must be held. */
void vpm_worker_lose(struct vpm_unit *unit);

#endif
