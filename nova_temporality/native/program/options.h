/* SPDX-License-Identifier: Apache-2.0 */
/* options.h -- the command line of the engine's process */
#ifndef VPM_OPTIONS_H
#define VPM_OPTIONS_H

#include "vpm.h"

#define OPTIONS_CPUS_MAX 1024

struct vpm_options {
    const char *pool;
    const char *run_dir;
    char **successor;  /* what follows "--": the command that starts a process
                        * to take the place of this one; or NULL */
    struct vpm_engine_params params;
    uint32_t cpus[OPTIONS_CPUS_MAX];
};

/* Reads the command line.  *options* must stay where it is. */
int vpm_options_read(int argc, char **argv, struct vpm_options *options,
                     struct vpm_error *err);

#endif
