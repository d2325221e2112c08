/* SPDX-License-Identifier: Apache-2.0 */
/* backing.c -- an open VPM region as a pager has it: opening, owning */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitmap.h"
#include "error.h"

/* -- opening ------------------------------------------------------------- */

static int open_table(struct vpm_backing *backing, int dir,
                      struct vpm_error *err)
{
    backing->ppt_fd = openat(dir, VPM_PPT_FILE, O_RDWR | O_NOFOLLOW |
                             O_CLOEXEC);
    if (backing->ppt_fd < 0)
        return vpm_fail_errno(err, "cannot open %s", backing->path);
    if (flock(backing->ppt_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ?
            vpm_fail(err, VPM_EINVAL, "%s is in use by another pager",
                     backing->path) :
            vpm_fail_errno(err, "cannot lock %s", backing->path);
    return vpm_ppt_open(&backing->ppt, backing->ppt_fd, backing->path, true,
                        err);
}

/* Checks that it is the very file, and as long as it has to be. */
static int check_file(struct vpm_backing *backing, int fd, const char *name,
                      uint64_t inode, uint64_t size, struct vpm_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return vpm_fail_errno(err, "cannot examine %s beside %s", name,
                              backing->path);
    if (!S_ISREG(st.st_mode) || st.st_ino != inode ||
        (uint64_t)st.st_size != size)
        return vpm_fail(err, VPM_ECORRUPT, "%s beside %s is not the file that "
                        "belongs to it: inode %ju with %jd bytes instead of "
                        "inode %" PRIu64 " with %" PRIu64, name,
                        backing->path, (uintmax_t)st.st_ino,
                        (intmax_t)st.st_size, inode, size);
    return VPM_OK;
}

static int open_ram(struct vpm_backing *backing, int dir,
                    struct vpm_error *err)
{
    int rc;

    backing->ram_fd = openat(dir, VPM_RAM_FILE, O_RDWR | O_NOFOLLOW |
                             O_CLOEXEC);
    if (backing->ram_fd < 0)
        return vpm_fail_errno(err, "cannot open %s beside %s", VPM_RAM_FILE,
                              backing->path);
    rc = check_file(backing, backing->ram_fd, VPM_RAM_FILE,
                    backing->ppt.header.ram_inode,
                    backing->ppt.shape.nvram_size, err);
    if (rc == VPM_OK && vpm_map_open(&backing->frames, backing->ram_fd,
                                     backing->ppt.shape.nvram_size, true) < 0)
        rc = vpm_fail_errno(err, "cannot map %s beside %s", VPM_RAM_FILE,
                            backing->path);
    return rc;
}

/* With O_DIRECT: pages that are out must not fill the page cache.  Not every
 * file system has it. */
static int open_swap(struct vpm_backing *backing, int dir,
                     struct vpm_error *err)
{
    backing->swap_fd = openat(dir, VPM_SWAP_LINK, O_RDWR | O_DIRECT |
                              O_CLOEXEC);
    if (backing->swap_fd < 0 && errno == EINVAL)
        backing->swap_fd = openat(dir, VPM_SWAP_LINK, O_RDWR | O_CLOEXEC);
    if (backing->swap_fd < 0)
        return vpm_fail_errno(err, "cannot open the swap file of %s",
                              backing->path);
    return check_file(backing, backing->swap_fd, VPM_SWAP_LINK,
                      backing->ppt.header.swap_inode,
                      backing->ppt.shape.slots *
                      backing->ppt.shape.page_size, err);
}

static int make_bitmaps(struct vpm_backing *backing, struct vpm_error *err)
{
    const struct vpm_shape *shape = &backing->ppt.shape;

    backing->used_frames = calloc(VPM_BITMAP_WORDS(shape->frames), 8);
    backing->zero_frames = calloc(VPM_BITMAP_WORDS(shape->frames), 8);
    backing->used_slots = calloc(VPM_BITMAP_WORDS(shape->slots), 8);
    if (!backing->used_frames || !backing->zero_frames ||
        !backing->used_slots)
        return vpm_fail_errno(err, "cannot open %s", backing->path);
    return VPM_OK;
}

/* As long as no page was ever touched, nothing can have changed a frame since
 * it was allocated or scrubbed. */
static void count_frames(struct vpm_backing *backing)
{
    const struct vpm_shape *shape = &backing->ppt.shape;
    bool untouched = true;

    for (uint64_t i = 0; i < VPM_BITMAP_WORDS(shape->slots); i++)
        untouched &= backing->used_slots[i] == 0;
    backing->free_frames = (uint32_t)shape->frames;
    for (uint32_t i = 0; i < shape->frames; i++)
        backing->free_frames -= vpm_bit_get(backing->used_frames, i);
    if (untouched && backing->free_frames == shape->frames)
        memset(backing->zero_frames, 0xff,
               VPM_BITMAP_WORDS(shape->frames) * 8);
}

int vpm_backing_open(struct vpm_backing *backing, const char *dir,
                     struct vpm_error *err)
{
    /* A server's user may enter it, and not list it. */
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc;

    memset(backing, 0, sizeof(*backing));
    backing->ppt_fd = backing->ram_fd = backing->swap_fd = -1;
    snprintf(backing->path, sizeof(backing->path), "%s/%s", dir,
             VPM_PPT_FILE);
    if (dir_fd < 0)
        return vpm_fail_errno(err, "cannot open %s", dir);
    rc = open_table(backing, dir_fd, err);
    if (rc == VPM_OK)
        rc = open_ram(backing, dir_fd, err);
    if (rc == VPM_OK)
        rc = open_swap(backing, dir_fd, err);
    close(dir_fd);
    if (rc == VPM_OK)
        rc = make_bitmaps(backing, err);
    if (rc < 0)
        vpm_backing_close(backing);
    return rc;
}

int vpm_backing_scan(struct vpm_backing *backing,
                     void (*found)(void *opaque, uint32_t page,
                                   struct vpm_ppt_entry entry),
                     void *opaque, struct vpm_error *err)
{
    int rc = vpm_ppt_scan(&backing->ppt, backing->path, backing->used_frames,
                          backing->used_slots, found, opaque, err);

    if (rc == VPM_OK)
        count_frames(backing);
    return rc;
}

void vpm_backing_close(struct vpm_backing *backing)
{
    free(backing->used_frames);
    free(backing->zero_frames);
    free(backing->used_slots);
    vpm_map_close(&backing->frames);
    vpm_ppt_close(&backing->ppt);
    if (backing->swap_fd >= 0)
        close(backing->swap_fd);
    if (backing->ram_fd >= 0)
        close(backing->ram_fd);
    if (backing->ppt_fd >= 0)
        close(backing->ppt_fd);
}

/* -- owning -------------------------------------------------------------- */

/* The first clear bit from *start* on, going round; one must be clear. */
static uint32_t next_clear(const uint64_t *bitmap, uint64_t bits,
                           uint32_t start)
{
    uint64_t at = start < bits ? start : 0;

    for (;;) {
        uint64_t clear = ~bitmap[at / 64] >> at % 64;

        if (clear)
            at += (uint64_t)__builtin_ctzll(clear);
        else
            at = (at / 64 + 1) * 64;
        if (clear && at < bits)
            return (uint32_t)at;
        if (at >= bits)
            at = 0;
    }
}

uint32_t vpm_frame_take(struct vpm_backing *backing, uint32_t preferred,
                        bool *zero)
{
    uint64_t frames = backing->ppt.shape.frames;
    uint32_t frame = preferred;

    if (backing->free_frames == 0)
        return VPM_NONE;
    if (preferred >= frames || vpm_bit_get(backing->used_frames, preferred)) {
        frame = next_clear(backing->used_frames, frames,
                           backing->frame_cursor);
        backing->frame_cursor = frame + 1;
    }
    if (zero)
        *zero = vpm_bit_get(backing->zero_frames, frame);
    vpm_bit_set(backing->used_frames, frame);
    backing->free_frames--;
    return frame;
}

void vpm_frame_give(struct vpm_backing *backing, uint32_t frame)
{
    vpm_bit_clear(backing->used_frames, frame);
    vpm_bit_clear(backing->zero_frames, frame);
    backing->free_frames++;
}

uint32_t vpm_slot_take(struct vpm_backing *backing)
{
    uint32_t slot = next_clear(backing->used_slots, backing->ppt.shape.slots,
                               backing->slot_cursor);

    backing->slot_cursor = slot + 1;
    vpm_bit_set(backing->used_slots, slot);
    return slot;
}

void vpm_slot_give(struct vpm_backing *backing, uint32_t slot)
{
    vpm_bit_clear(backing->used_slots, slot);
}

uint32_t vpm_slot_zone(const struct vpm_backing *backing, uint32_t slot)
{
    return (uint32_t)((uint64_t)slot * 8 / backing->ppt.shape.slots) % 8;
}
