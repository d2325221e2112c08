/* SPDX-License-Identifier: Apache-2.0 */
/* reading.h -- reads pages from a swap file, as the pager does, and waits */
#ifndef READING_H
#define READING_H

#include "harness.h"
#include "move.h"

/* Fills the frame of a move from its slot, durably. */
static inline enum vpm_region_error read_move(struct vpm_backing *backing,
                                              const struct vpm_move *move)
{
    ssize_t page_size = backing->ppt.shape.page_size;
    struct iovec iov;

    CHECK(vpm_move_gather(backing, move, 1, &iov) == 1);
    CHECK(preadv(backing->swap_fd, &iov, 1,
                 (off_t)move->slot * page_size) == page_size);
    return vpm_move_check(backing, move, 1);
}

#endif
