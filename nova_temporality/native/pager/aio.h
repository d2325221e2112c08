/* SPDX-License-Identifier: Apache-2.0 */
/* aio.h -- asynchronous reads (io_submit(2))
 *
 * io_uring(7) would do as well, and is switched off on many hosts
 * (kernel.io_uring_disabled).  A file that was not opened with O_DIRECT is
 * read while it is submitted. */
#ifndef VPM_AIO_H
#define VPM_AIO_H

#include <linux/aio_abi.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "vpm.h"

struct vpm_aio {
    aio_context_t context;
    int bell;              /* an eventfd(2) that rings when a read ended */
};

/* A read that ended. */
struct vpm_aio_end {
    void *opaque;          /* of its vpm_aio_read */
    ssize_t got;           /* bytes, or -errno */
};

/* Prepares for at most *most* reads at once. */
int vpm_aio_open(struct vpm_aio *aio, unsigned most, struct vpm_error *err);
void vpm_aio_close(struct vpm_aio *aio);

/* Starts a read; *iov* may go, what it points to must stay.  0, or -1 with
 * errno. */
int vpm_aio_read(struct vpm_aio *aio, int fd, const struct iovec *iov,
                 int count, uint64_t offset, void *opaque);

/* Takes at most *most* reads that ended, without waiting; returns how many. */
int vpm_aio_reap(struct vpm_aio *aio, struct vpm_aio_end *ends, int most);

#endif
