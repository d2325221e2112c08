/* SPDX-License-Identifier: Apache-2.0 */
/* poolfile.h -- the pool file: CONF, and where TOC and ring are */
#ifndef VPM_POOLFILE_H
#define VPM_POOLFILE_H

#include "layout.h"
#include "map.h"

struct vpm_poolfile {
    int fd;
    struct vpm_map map;
    struct vpm_conf conf;           /* what was read, and checked */
    bool is_damaged;                /* CONF is, and the copy was read */
    char path[VPM_PATH_MAX + 1];
};

/* VPM_EINVAL unless a pool can be made so. */
int vpm_params_check(const struct vpm_pool_params *params,
                     struct vpm_error *err);

/* Where the ring begins in a pool file. */
uint64_t vpm_ring_offset(uint32_t descriptors);

/* Length of a pool file, in bytes. */
uint64_t vpm_poolfile_length(uint32_t descriptors);

/* Makes and writes the pool file under a temporary name, durably, and the copy
 * of CONF, then gives them their names, durably. */
int vpm_poolfile_create(int dir_fd, const struct vpm_pool_params *params,
                        struct vpm_error *err);

/* Opens and maps the pool file and checks CONF, all but the identity of the
 * device.  If CONF is damaged and its copy is not, that is taken.  *dir* is for
 * messages. */
int vpm_poolfile_open(struct vpm_poolfile *file, int dir_fd, const char *dir,
                      bool writable, struct vpm_error *err);
/* Under the pool's lock: replaces CONF, and first its copy; both are durable on
 * return, and one of them is sound at every instant.  0, or -1 with errno, as
 * the next one. */
int vpm_poolfile_replace_conf(struct vpm_poolfile *file, int dir_fd,
                              const struct vpm_conf *conf);

/* Under the pool's lock: reads CONF again, and mends it or its copy if the
 * other one is sound. */
int vpm_poolfile_mend_conf(struct vpm_poolfile *file, int dir_fd);

void vpm_poolfile_close(struct vpm_poolfile *file);

#endif
