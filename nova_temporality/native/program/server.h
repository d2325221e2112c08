/* SPDX-License-Identifier: Apache-2.0 */
/* server.h -- the engine's process: serves clients */
#ifndef VPM_SERVER_H
#define VPM_SERVER_H

#include "process.h"

/* To be called before any thread is started: SIGTERM, SIGINT and SIGHUP are
 * read by vpm_server_run. */
int vpm_server_block(struct vpm_process *process, struct vpm_error *err);

/* Becomes the one engine of run_dir, which is made if it is not there.
 * VPM_EEXIST when there is one already. */
int vpm_server_lock(struct vpm_process *process, const char *run_dir,
                    struct vpm_error *err);

/* Begins to listen. */
int vpm_server_listen(struct vpm_process *process, const char *run_dir,
                      struct vpm_error *err);

/* Serves until SIGTERM, and until no fixation is under way then; or until
 * another process has taken over.  At SIGHUP it starts one that does. */
void vpm_server_run(struct vpm_process *process);

#endif
