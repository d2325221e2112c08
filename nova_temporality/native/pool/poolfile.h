/* SPDX-License-Identifier: Apache-2.0 */
/* poolfile.h -- the pool file: CONF, TOC and the place of the ring */
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

/* One TOC entry, checked. */
struct vpm_slot {
    uint32_t index;
    enum vpm_toc_tag tag;
    uint64_t epoch;                 /* valid when live */
    struct vpm_toc_body body;       /* valid unless free */
};

/* VPM_EINVAL unless *name* is 1 to VPM_NAME_MAX printable ASCII characters
 * without '/'. */
int vpm_name_check(const char *name, struct vpm_error *err);

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

/* Reads an entry, without any lock, while others may change it: VPM_OK, or
 * VPM_ECORRUPT with place and reason. */
int vpm_toc_read(const struct vpm_poolfile *file, uint32_t index,
                 struct vpm_slot *slot, struct vpm_error *err);

/* Writes the body of a free entry and epoch 0, durably; still free. */
int vpm_toc_write(const struct vpm_poolfile *file,
                  const struct vpm_toc_body *body, struct vpm_error *err);

/* Changes the state of an entry, durably and in one piece. */
int vpm_toc_commit(const struct vpm_poolfile *file,
                   const struct vpm_toc_body *body, enum vpm_toc_tag tag,
                   struct vpm_error *err);

/* Changes the epoch of a live entry, durably and in one piece. */
int vpm_toc_set_epoch(const struct vpm_poolfile *file,
                      const struct vpm_toc_body *body, uint64_t epoch,
                      struct vpm_error *err);

#endif
