/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h -- the engine's face: its workers and units (see vpm.h)
 *
 * What a caller changes of a unit it changes under the lock of the unit's
 * worker.  Only vpm_engine_lock_all takes the locks of several workers. */
#ifndef VPM_ENGINE_H
#define VPM_ENGINE_H

#include "worker.h"

struct vpm_engine {
    struct vpm_pool *pool;
    struct vpm_engine_params params;
    int pod_fd;                 /* see struct vpm_worker; atomic */
    int told_fd;                /* likewise */
    uint32_t next_worker;       /* that a new unit is given to; atomic */
    struct vpm_waves waves;
    struct vpm_worker workers[];
};

/* Takes, and gives back, the locks of all workers. */
void vpm_engine_lock_all(struct vpm_engine *engine);
void vpm_engine_unlock_all(struct vpm_engine *engine);

#endif
