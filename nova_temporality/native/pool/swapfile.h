/* SPDX-License-Identifier: Apache-2.0 */
/* swapfile.h -- the files that only a VPM region has: virtual, ppt, swap
 *
 * The swap file lies elsewhere, in the directory that nvalloc_vpm was given.
 * A symbolic link in the region's directory, durable before the swap file is
 * made and removed after it, says where; so it is never forgotten. */
#ifndef VPM_SWAPFILE_H
#define VPM_SWAPFILE_H

#include "pool.h"

/* VPM_EINVAL unless *dir* may hold swap files: an absolute path of a
 * directory in which only its owner can make files. */
int vpm_swap_dir_check(const char *dir, struct vpm_error *err);

/* Makes all three in the region's directory *dir*, whose ram is there.  Not
 * yet durable: sync *dir*. */
int vpm_swap_create(struct vpm_pool *pool, int dir,
                    const struct vpm_toc_body *body, const char *swap_dir,
                    uid_t uid, struct vpm_error *err);

/* Zeroes the swap file, durably.  One that is not there is none to zero, but
 * its directory must be. */
int vpm_swap_scrub(int regions_fd, const struct vpm_toc_body *body,
                   struct vpm_error *err);

/* Gives the files back their sizes, which a server's user id can change.  Of
 * the swap file not yet durable: scrub it. */
int vpm_swap_restore(int regions_fd, const struct vpm_toc_body *body,
                     struct vpm_error *err);

/* Makes the page table of a scrubbed region anew: every page untouched. */
int vpm_swap_reset(struct vpm_pool *pool, const struct vpm_toc_body *body,
                   struct vpm_error *err);

/* Unlinks what is there of the three.  Of *dir* not yet durable. */
int vpm_swap_remove(int dir, const struct vpm_toc_body *body,
                    struct vpm_error *err);

/* Reads where the swap file is; path[0] is 0 when nothing says so. */
int vpm_swap_path(int regions_fd, uint64_t id, char *path, size_t size);

/* Reads what the region's pager says, from the page table's file. */
int vpm_swap_read_status(struct vpm_pool *pool,
                         const struct vpm_toc_body *body,
                         struct vpm_ppt_status *status,
                         struct vpm_error *err);

#endif
