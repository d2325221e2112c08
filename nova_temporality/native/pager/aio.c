/* SPDX-License-Identifier: Apache-2.0 */
/* aio.c -- asynchronous reads */
#include "aio.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

#define ENDS 16

int vpm_aio_open(struct vpm_aio *aio, unsigned most, struct vpm_error *err)
{
    memset(aio, 0, sizeof(*aio));
    aio->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (aio->bell < 0)
        return vpm_fail_errno(err, "cannot make an eventfd");
    if (syscall(SYS_io_setup, most, &aio->context) == 0)
        return VPM_OK;
    vpm_fail_errno(err, "cannot prepare %u asynchronous reads (raise "
                   "fs.aio-max-nr)", most);
    close(aio->bell);
    return err->code;
}

void vpm_aio_close(struct vpm_aio *aio)
{
    syscall(SYS_io_destroy, aio->context);
    close(aio->bell);
}

int vpm_aio_read(struct vpm_aio *aio, int fd, const struct iovec *iov,
                 int count, uint64_t offset, void *opaque)
{
    struct iocb read = {
        .aio_data = (uintptr_t)opaque,
        .aio_lio_opcode = IOCB_CMD_PREADV,
        .aio_fildes = (uint32_t)fd,
        .aio_buf = (uintptr_t)iov,
        .aio_nbytes = (uint64_t)count,
        .aio_offset = (int64_t)offset,
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t)aio->bell,
    };
    struct iocb *reads[] = {&read};

    return syscall(SYS_io_submit, aio->context, 1, reads) == 1 ? 0 : -1;
}

int vpm_aio_reap(struct vpm_aio *aio, struct vpm_aio_end *ends, int most)
{
    struct timespec none = {0};
    struct io_event events[ENDS];
    long got = syscall(SYS_io_getevents, aio->context, 0,
                       most < ENDS ? most : ENDS, events, &none);

    for (long i = 0; i < got; i++)
        ends[i] = (struct vpm_aio_end){
            .opaque = (void *)(uintptr_t)events[i].data,
            .got = (ssize_t)events[i].res,
        };
    return got < 0 ? 0 : (int)got;
}
