/* SPDX-License-Identifier: Apache-2.0 */
/* files.h -- the files of a region */
#ifndef VPM_FILES_H
#define VPM_FILES_H

#include "handle.h"

/* Makes the directory; not yet durable. */
int vpm_files_create_dir(struct vpm_pool *pool,
                         const struct vpm_toc_body *body,
                         struct vpm_error *err);

/* Makes the directory durable, and the files; all space is reserved and zero.
 * *swap_dir* is that of a VPM region.  With *keep_swap* a swap file that is
 * there already is taken as it is. */
int vpm_files_create(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     const char *swap_dir, bool keep_swap,
                     struct vpm_error *err);

/* Zeroes state, ram and swap, the state first; only the last is durable then:
 * restore their sizes.  Files that are missing are skipped. */
int vpm_files_scrub(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    struct vpm_error *err);

/* Empties all that a server can have written to in a freed region's files, the
 * state first, as vpm_drain does (drain.h). */
int vpm_files_drain(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    bool urgent, bool *left, struct vpm_error *err);

/* Gives files of a live region, which was scrubbed, exactly the size and the
 * space that they had, whatever somebody did to them, and makes a page table
 * anew; durably, what was scrubbed included. */
int vpm_files_restore_size(struct vpm_pool *pool,
                           const struct vpm_toc_body *body,
                           struct vpm_error *err);

/* Unlinks files and directory, as far as they are there, durably. */
int vpm_files_remove(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     struct vpm_error *err);

/* VPM_ECORRUPT when the directory has files that libvpm did not make. */
int vpm_files_known(int regions_fd, const struct vpm_toc_body *body,
                    struct vpm_error *err);

#endif
