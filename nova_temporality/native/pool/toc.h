/* SPDX-License-Identifier: Apache-2.0 */
/* toc.h -- the pool file: TOC, the table of contents */
#ifndef VPM_TOC_H
#define VPM_TOC_H

#include "poolfile.h"

/* One TOC entry, checked. */
struct vpm_entry {
    uint32_t index;
    enum vpm_toc_tag tag;
    uint64_t epoch;                 /* valid when live */
    struct vpm_toc_body body;       /* valid unless free */
};

/* VPM_EINVAL unless *name* is 1 to VPM_NAME_MAX printable ASCII characters
 * without '/'. */
int vpm_name_check(const char *name, struct vpm_error *err);

/* Reads an entry, without any lock, while others may change it: VPM_OK, or
 * VPM_ECORRUPT with place and reason. */
int vpm_toc_read(const struct vpm_poolfile *file, uint32_t index,
                 struct vpm_entry *entry, struct vpm_error *err);

/* An entry of a live region in the bytes that it has on the media, and back:
 * VPM_ECORRUPT when it cannot be one of this pool. */
void vpm_toc_pack(const struct vpm_entry *entry,
                  uint8_t bytes[sizeof(struct vpm_toc_entry)]);
int vpm_toc_unpack(const struct vpm_poolfile *file,
                   const uint8_t bytes[sizeof(struct vpm_toc_entry)],
                   struct vpm_entry *entry, struct vpm_error *err);

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
