/* SPDX-License-Identifier: Apache-2.0 */
/* server.h -- the engine's process: serves clients until SIGTERM */
#ifndef VPM_SERVER_H
#define VPM_SERVER_H

#include "client.h"

#define CLIENTS_MAX 8

struct vpm_server {
    struct vpm_service service;
    struct vpm_client clients[CLIENTS_MAX];
    int lock_fd;       /* only one engine serves a run_dir */
    int listen_fd;
    int told_fd;       /* eventfd(2): units have settled, or a signal came */
    int end_fd;        /* signalfd(2) */
    uint64_t watchdog_ns;
};

/* To be called before any thread is started: SIGTERM and SIGINT are read by
 * vpm_server_run. */
int vpm_server_block(struct vpm_server *server, struct vpm_error *err);

/* Becomes the one engine of run_dir, which is made if it is not there.
 * VPM_EEXIST when there is one already. */
int vpm_server_lock(struct vpm_server *server, const char *run_dir,
                    struct vpm_error *err);

/* Begins to listen. */
int vpm_server_listen(struct vpm_server *server, const char *run_dir,
                      struct vpm_error *err);

/* Serves until SIGTERM, and until no fixation is under way then. */
void vpm_server_run(struct vpm_server *server);

#endif
