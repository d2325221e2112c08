/* SPDX-License-Identifier: Apache-2.0 */
/* ppt.h -- the persistent page table of a VPM region
 *
 * For whoever moves a page, the order that never loses it:
 *
 *   out:  write the slot, datasync the swap file; set the slot's word, fence;
 *         set the entry to the slot alone, fence; then reuse the frame
 *   in:   fill the frame, flush it, fence; set the entry to the frame (the
 *         slot may stay beside it), fence; then map the frame; reuse a slot
 *         only after the entry that named it is durably gone */
#ifndef VPM_PPT_H
#define VPM_PPT_H

#include <stdbool.h>

#include "map.h"
#include "shape.h"

#define VPM_NONE UINT32_MAX  /* no frame, no slot */

struct vpm_ppt {
    struct vpm_map map;
    struct vpm_shape shape;
    struct vpm_ppt_header header;   /* a checked copy */
};

struct vpm_ppt_entry {
    uint32_t frame;
    uint32_t slot;
};

/* Inodes of the files that belong together. */
struct vpm_ppt_files {
    uint64_t ram_inode;
    uint64_t virtual_inode;
    uint64_t swap_inode;
};

struct vpm_shape vpm_body_shape(const struct vpm_toc_body *body);

/* Writes header and empty tables into a file that is all zero, durably. */
int vpm_ppt_format(int fd, const struct vpm_conf *conf,
                   const struct vpm_toc_body *body,
                   const struct vpm_ppt_files *files, struct vpm_error *err);

/* Maps the file, if it is to be written, and checks its header; *path* is for
 * messages.  The entries are not examined.  If it is not to be written, *ppt*
 * is a copy: a server's user id can truncate the file, and that is SIGBUS for
 * whoever has it mapped. */
int vpm_ppt_open(struct vpm_ppt *ppt, int fd, const char *path,
                 bool writable, struct vpm_error *err);
void vpm_ppt_close(struct vpm_ppt *ppt);

/* VPM_ECORRUPT unless the table is that of this region. */
int vpm_ppt_belongs(const struct vpm_ppt *ppt, const struct vpm_conf *conf,
                    const struct vpm_toc_body *body, const char *path,
                    struct vpm_error *err);

/* Decodes an entry: NULL, or what is impossible about it. */
const char *vpm_ppt_get(const struct vpm_ppt *ppt, uint32_t page,
                        struct vpm_ppt_entry *entry);

/* Stores and flushes an entry; durable after vpm_ppt_fence_entries. */
void vpm_ppt_set(const struct vpm_ppt *ppt, uint32_t page,
                 struct vpm_ppt_entry entry);
int vpm_ppt_fence_entries(const struct vpm_ppt *ppt);

/* The same for the word of a slot: what it is for a page with this data. */
uint64_t vpm_ppt_slot_word(const struct vpm_ppt *ppt, uint32_t page,
                           const void *data);
uint64_t vpm_ppt_get_slot(const struct vpm_ppt *ppt, uint32_t slot);
void vpm_ppt_set_slot(const struct vpm_ppt *ppt, uint32_t slot,
                      uint64_t word);
int vpm_ppt_fence_slots(const struct vpm_ppt *ppt);

/* Reads every entry and calls *found* (or NULL) for each page that was
 * touched. VPM_ECORRUPT when an entry is impossible, or two pages own one
 * frame or slot, with place and reason.  *frames* and *slots* are bitmaps, all
 * clear before, with what is owned set after. */
int vpm_ppt_scan(const struct vpm_ppt *ppt, const char *path,
                 uint64_t *frames, uint64_t *slots,
                 void (*found)(void *opaque, uint32_t page,
                               struct vpm_ppt_entry entry),
                 void *opaque, struct vpm_error *err);

/* Where counters are kept; updated with relaxed atomic operations. */
struct vpm_ppt_status *vpm_ppt_status(const struct vpm_ppt *ppt);

bool vpm_region_error_is_fatal(uint32_t error);

/* Reads a pager's status without trusting the file: a server's user id can
 * truncate it at any time, so it is not mapped. */
int vpm_ppt_read_status(int fd, const struct vpm_conf *conf,
                        const struct vpm_toc_body *body, const char *path,
                        struct vpm_ppt_status *status, struct vpm_error *err);

/* Records an error durably.  The first error stays, but the first fatal one
 * replaces it.  One thread at a time may call this and the next two. */
void vpm_ppt_set_error(const struct vpm_ppt *ppt,
                       enum vpm_region_error reason, int error,
                       uint32_t page, uint32_t slot);

/* Clears the error if it is this one; whether it was. */
bool vpm_ppt_clear_error(const struct vpm_ppt *ppt,
                         enum vpm_region_error reason);

/* Clears any error, when another pager starts. */
void vpm_ppt_clear_errors(const struct vpm_ppt *ppt);

#endif
