/* SPDX-License-Identifier: Apache-2.0 */
/* uffd.c -- a range of addresses whose missing pages are reported */
#include "uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"

#define MESSAGES 16

int vpm_uffd_new(void)
{
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    int fd;

    if (device < 0)
        return (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
    close(device);
    return fd;
}

static int enable(int fd)
{
    struct uffdio_api api = {
        .api = UFFD_API,
        .features = UFFD_FEATURE_EVENT_REMAP,
    };

    return ioctl(fd, UFFDIO_API, &api);
}

static int watch(const struct vpm_uffd *uffd, void *addr, uint64_t length)
{
    struct uffdio_register missing = {
        .range = {.start = (uintptr_t)addr, .len = length},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };

    return ioctl(uffd->fd, UFFDIO_REGISTER, &missing);
}

int vpm_uffd_open(struct vpm_uffd *uffd, void *base, uint64_t length,
                  uint64_t staging_length, struct vpm_error *err)
{
    *uffd = (struct vpm_uffd){
        .fd = vpm_uffd_new(),
        .base = base,
        .length = length,
        .staging_length = staging_length,
    };
    if (uffd->fd < 0)
        return vpm_fail_errno(err, "cannot use userfaultfd: give the server's "
                              "user access to /dev/userfaultfd");
    uffd->staging = mmap(NULL, staging_length, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (uffd->staging == MAP_FAILED || enable(uffd->fd) < 0 ||
        watch(uffd, base, length) < 0 ||
        watch(uffd, uffd->staging, staging_length) < 0)
        return vpm_fail_errno(err, "cannot watch %" PRIu64 " bytes of memory "
                              "with userfaultfd (Linux 5.11 or later is "
                              "needed)", length);
    return VPM_OK;
}

int vpm_uffd_read(struct vpm_uffd *uffd, uint64_t *offsets, int most)
{
    struct uffd_msg messages[MESSAGES];
    ssize_t got;
    int count = 0;

    if (most > MESSAGES)
        most = MESSAGES;
    got = read(uffd->fd, messages, (size_t)most * sizeof(*messages));
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    for (int i = 0; i < got / (ssize_t)sizeof(*messages); i++)
        if (messages[i].event == UFFD_EVENT_PAGEFAULT)
            offsets[count++] = messages[i].arg.pagefault.address -
                (uintptr_t)uffd->base;
    return count;
}

/* Not mmap(3): the preload library has put its own there. */
int vpm_uffd_show(struct vpm_uffd *uffd, uint64_t offset, uint64_t length,
                  int ram_fd, uint64_t ram_offset)
{
    return syscall(SYS_mmap, uffd->base + offset, length,
                   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd,
                   ram_offset) == -1 ? -1 : 0;
}

int vpm_uffd_hide(struct vpm_uffd *uffd, uint64_t offset, uint64_t length)
{
    return mremap(uffd->staging, length, length, MREMAP_MAYMOVE |
                  MREMAP_FIXED | MREMAP_DONTUNMAP, uffd->base + offset) ==
        MAP_FAILED ? -1 : 0;
}

int vpm_uffd_wake(struct vpm_uffd *uffd, uint64_t offset, uint64_t length)
{
    struct uffdio_range range = {
        .start = (uintptr_t)uffd->base + offset,
        .len = length,
    };

    return ioctl(uffd->fd, UFFDIO_WAKE, &range);
}

void vpm_uffd_forget(struct vpm_uffd *uffd)
{
    syscall(SYS_munmap, uffd->base, uffd->length);
    syscall(SYS_munmap, uffd->staging, uffd->staging_length);
    close(uffd->fd);
}
