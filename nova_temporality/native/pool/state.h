/* SPDX-License-Identifier: Apache-2.0 */
/* state.h -- state files, and what proves them */
#ifndef VPM_STATE_H
#define VPM_STATE_H

#include "handle.h"
#include "toc.h"

/* What a state must belong to. */
struct vpm_state_subject {
    const struct vpm_conf *conf;
    const struct vpm_entry *entry;
    uint64_t ram_inode;
    uint64_t ram_size;
};

/* Fills in a subject from the region's ram file.  VPM_EUNPROVEN when that
 * cannot be examined. */
int vpm_state_subject(int regions_fd, const struct vpm_conf *conf,
                      const struct vpm_entry *entry,
                      struct vpm_state_subject *subject,
                      struct vpm_error *err);

/* Proves the *length* bytes of a state file: VPM_OK, or VPM_EUNPROVEN with
 * the reason. */
int vpm_state_prove(const struct vpm_state_subject *subject,
                    const uint8_t *file, uint64_t length,
                    struct vpm_state_info *info, struct vpm_error *err);

/* Whether a state file's header is sound and of an earlier epoch: what a crash
 * between a new epoch and the clearing of the marker leaves. */
bool vpm_state_is_stale(const struct vpm_entry *entry, const uint8_t *file);

/* Reads a state file, as much of it as its header says that there is.
 * VPM_EUNPROVEN, and errno, when that is not possible: a media error, EIO, is
 * one of this region alone then. */
int vpm_state_read(int regions_fd, const struct vpm_toc_body *body,
                   struct vpm_map *copy, struct vpm_error *err);

/* Clears the marker durably, if there is a file to hold one. */
int vpm_state_clear(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    struct vpm_error *err);

#endif
