/* SPDX-License-Identifier: Apache-2.0 */
/* writes.c -- lets others see which pages of QEMU's memory are written */
#include "writes.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "uffd.h"

/* Headers of Linux 6.1, which Debian 12 has, lack these. */
#define WP_UNPOPULATED ((uint64_t)1 << 13)
#define WP_ASYNC ((uint64_t)1 << 15)

static const char *close_after(int fd, const char *what)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return what;
}

const char *vpm_writes_note(void *base, size_t length)
{
    struct uffdio_api api = {
        .api = UFFD_API,
        .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
            UFFD_FEATURE_WP_HUGETLBFS_SHMEM | WP_UNPOPULATED | WP_ASYNC,
    };
    struct uffdio_register writes = {
        .range = {.start = (uintptr_t)base, .len = length},
        .mode = UFFDIO_REGISTER_MODE_WP,
    };
    int fd = vpm_uffd_new();

    if (fd < 0)
        return "its user may not open /dev/userfaultfd";
    if (ioctl(fd, UFFDIO_API, &api) < 0)
        return close_after(fd, "Linux 6.7 or later is needed");
    if (ioctl(fd, UFFDIO_REGISTER, &writes) < 0)
        return close_after(fd, "its memory cannot be registered");
    /* It stays open: closing it would end the registration. */
    return NULL;
}
