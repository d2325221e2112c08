/* SPDX-License-Identifier: Apache-2.0 */
/* paged.h -- the files that only a VPM region has: virtual, ppt and swap */
#ifndef VPM_PAGED_H
#define VPM_PAGED_H

#include "handle.h"

/* Makes all three in the region's directory *dir*, in which ram is already;
 * with *keep_swap* but the swap file, if that is there.
 * The directory itself is not yet durable: sync *dir*. */
int vpm_paged_create(struct vpm_pool *pool, int dir,
                     const struct vpm_toc_body *body, const char *swap_dir,
                     uid_t uid, bool keep_swap, struct vpm_error *err);

/* Zeroes the swap file, durably. */
int vpm_paged_scrub(int regions_fd, const struct vpm_toc_body *body,
                    struct vpm_error *err);

/* Empties the swap file of a freed region as vpm_drain does (drain.h). */
int vpm_paged_drain(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    bool urgent, bool *left, struct vpm_error *err);

/* Gives virtual and swap back their sizes, which a server's user id can
 * change.  Of the swap file not yet durable: scrub it. */
int vpm_paged_restore(int regions_fd, const struct vpm_toc_body *body,
                      struct vpm_error *err);

/* Makes the page table of a scrubbed region anew: every page untouched. */
int vpm_paged_reset(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    struct vpm_error *err);

/* Unlinks what is there of the three.  *dir* is not yet durable then. */
int vpm_paged_remove(int dir, const struct vpm_toc_body *body,
                     struct vpm_error *err);

/* Reads what the region's pager says, from the page table's file. */
int vpm_paged_read_status(struct vpm_pool *pool,
                          const struct vpm_toc_body *body,
                          struct vpm_ppt_status *status,
                          struct vpm_error *err);

#endif
