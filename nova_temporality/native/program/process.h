/* SPDX-License-Identifier: Apache-2.0 */
/* process.h -- all that the engine's process has */
#ifndef VPM_PROCESS_H
#define VPM_PROCESS_H

#include "client.h"

#define CLIENTS_MAX 8

struct vpm_process {
    struct vpm_service service;
    struct vpm_client clients[CLIENTS_MAX];
    char **successor;  /* the command that starts another one; or NULL */
    int lock_fd;       /* only one engine serves a run_dir */
    int listen_fd;
    int spare_fd;      /* given up to refuse a client when there is no other
                        * descriptor left */
    int told_fd;       /* eventfd(2): units have settled, or a signal came */
    int asked_fd;      /* signalfd(2): to end, or to be replaced */
    bool ending;
    uint32_t priority; /* of this thread, when it serves clients; 0: none */
    uint64_t watchdog_ns;
};

#endif
