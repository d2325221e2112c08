/* SPDX-License-Identifier: Apache-2.0 */
/* poolfile.h -- the pool file: CONF, and where TOC and ring are */
#ifndef VPM_POOLFILE_H
#define VPM_POOLFILE_H

#include "layout.h"
#include "map.h"

struct vpm_poolfile {
    int fd;
    struct vpm_map map;
    struct vpm_conf conf;           /* a checked copy; it never changes */
    char path[VPM_PATH_MAX + 1];
};

/* VPM_EINVAL unless a pool can be made so. */
int vpm_params_check(const struct vpm_pool_params *params,
                     struct vpm_error *err);

/* Where the ring begins in a pool file. */
uint64_t vpm_ring_offset(uint32_t descriptors);

/* Length of a pool file, in bytes. */
uint64_t vpm_poolfile_length(uint32_t descriptors);

/* Makes and writes the pool file under a temporary name, durably, then gives
 * it its name, durably. */
int vpm_poolfile_create(int dir_fd, const struct vpm_pool_params *params,
                        struct vpm_error *err);

/* Opens and maps the pool file and checks CONF, all but the identity of the
 * device.  *dir* is for messages. */
int vpm_poolfile_open(struct vpm_poolfile *file, int dir_fd, const char *dir,
                      bool writable, struct vpm_error *err);
void vpm_poolfile_close(struct vpm_poolfile *file);

#endif
