/* SPDX-License-Identifier: Apache-2.0 */
/* service.h -- does what clients ask for
 *
 * Requests come from another process and may be anything: everything is checked
 * before it is used. */
#ifndef VPM_SERVICE_H
#define VPM_SERVICE_H

#include "devices.h"
#include "message.h"
#include "roster.h"
#include "signals.h"

struct vpm_service {
    struct vpm_pool *pool;
    struct vpm_engine *engine;
    struct vpm_roster roster;
    struct vpm_signals signals;
    struct vpm_devices devices;
    uint32_t threads;
    int pod_fd;                /* of the POD driver, or -1 */
    struct vpm_error lost;     /* see vpm_engine_open */
};

/* A message with descriptors. */
struct vpm_asked {
    struct vpm_request request;
    struct vpm_fds fds;
};

/* Whether a request keeps to the rules of protocol.h; if not, *err* says which
 * one it breaks.  Its version must have been checked before. */
bool vpm_service_accepts(const struct vpm_asked *asked, struct vpm_error *err);

/* Does what an accepted request asks for.  The descriptors stay the caller's,
 * and so does *answer_fd*, which is sent with the answer if it is not -1. */
void vpm_service_do(struct vpm_service *service,
                    const struct vpm_asked *asked, struct vpm_answer *answer,
                    int *answer_fd);

#endif
