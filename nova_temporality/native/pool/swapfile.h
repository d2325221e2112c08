/* SPDX-License-Identifier: Apache-2.0 */
/* swapfile.h -- the swap file of a VPM region
 *
 * It lies on a disk, in the directory that nvalloc_vpm was given.  A symbolic
 * link in the region's directory says where.  The link is durable before the
 * swap file is made, and removed after it, so no swap file is ever forgotten.
 * *dir* is a descriptor of the region's directory everywhere. */
#ifndef VPM_SWAPFILE_H
#define VPM_SWAPFILE_H

#include <sys/types.h>

#include "handle.h"

/* VPM_EINVAL unless *path* may hold swap files: an absolute path of a
 * directory in which only its owner can make files. */
int vpm_swapfile_check_dir(const char *path, struct vpm_error *err);

/* Makes link and file, durably, and tells the file's inode number.  With *keep*
 * a file that is there already is taken as it is. */
int vpm_swapfile_create(int dir, const struct vpm_toc_body *body,
                        const char *swap_dir, uid_t uid, bool keep,
                        uint64_t *inode, struct vpm_error *err);

/* Zeroes the file, durably.  A file that is missing is skipped, but its
 * directory must be there. */
int vpm_swapfile_scrub(int dir, const struct vpm_toc_body *body,
                       struct vpm_error *err);

/* Empties the file of a freed region as vpm_drain does (drain.h). */
int vpm_swapfile_drain(struct vpm_pool *pool, int dir,
                       const struct vpm_toc_body *body, bool urgent,
                       bool *left, struct vpm_error *err);

/* Gives the file back its size, which a server's user id can change; not yet
 * durable: scrub it. */
int vpm_swapfile_restore(int dir, const struct vpm_toc_body *body,
                         struct vpm_error *err);

/* Unlinks the file, durably.  The link stays. */
int vpm_swapfile_remove(int dir, const struct vpm_toc_body *body,
                        struct vpm_error *err);

/* Tells the file's inode number.  0, or -1 with errno. */
int vpm_swapfile_inode(int dir, uint64_t *inode);

/* Reads where the file is, for the region with this id; path[0] is 0 when
 * nothing says so.  0, or -1 with errno. */
int vpm_swapfile_path(int regions_fd, uint64_t id, char *path, size_t size);

#endif
