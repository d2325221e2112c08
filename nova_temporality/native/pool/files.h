/* SPDX-License-Identifier: Apache-2.0 */
/* files.h -- the files of a region */
#ifndef VPM_FILES_H
#define VPM_FILES_H

#include "pool.h"

/* Room for the name of a region's directory. */
struct vpm_dir_name {
    char text[17];
};

struct vpm_dir_name vpm_dir_name(uint64_t id);

/* Makes directory and files; all space is reserved and zero.  *swap_dir* is
 * that of a VPM region. */
int vpm_files_create(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     const char *swap_dir, struct vpm_error *err);

/* Zeroes state, ram and swap durably, the state first.  Files that are not
 * there are none to zero. */
int vpm_files_scrub(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    struct vpm_error *err);

/* Zeroes what was ever written to an open file; not yet durable.  0, or -1
 * with errno. */
int vpm_files_zero_data(int fd);

/* Reserves the bytes of a file from *from* to *size*, durably.  0, or -1 with
 * errno. */
int vpm_files_reserve(const struct vpm_pool *pool, int fd, uint64_t from,
                      uint64_t size);

/* Gives files of a live region back what somebody cut off, and makes a page
 * table anew. */
int vpm_files_restore_size(struct vpm_pool *pool,
                           const struct vpm_toc_body *body,
                           struct vpm_error *err);

/* Unlinks files and directory, as far as they are there, durably. */
int vpm_files_remove(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     struct vpm_error *err);

/* VPM_ECORRUPT when the directory has files that libvpm did not make. */
int vpm_files_known(int regions_fd, const struct vpm_toc_body *body,
                    struct vpm_error *err);

/* Opens a region's directory, or a file in it; no symbolic links.  -1 with
 * errno. */
int vpm_files_open_dir(int regions_fd, uint64_t id);
int vpm_files_open(int regions_fd, uint64_t id, const char *name, int flags);

#endif
