/* SPDX-License-Identifier: Apache-2.0 */
/* regiondir.c -- a region's directory, and what all files of regions have in
 * common */
#include "regiondir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct vpm_dir_name vpm_dir_name(uint64_t id)
{
    struct vpm_dir_name name;

    snprintf(name.text, sizeof(name.text), "%016" PRIx64, id);
    return name;
}

int vpm_dir_open(int regions_fd, uint64_t id)
{
    return openat(regions_fd, vpm_dir_name(id).text,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int vpm_dir_open_file(int regions_fd, uint64_t id, const char *name,
                      int flags)
{
    int dir = vpm_dir_open(regions_fd, id);
    int fd, saved;

    if (dir < 0)
        return -1;
    fd = openat(dir, name, flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    saved = errno;
    close(dir);
    errno = saved;
    return fd;
}

/* tmpfs has its pages then.  Elsewhere reserved extents become written ones,
 * so that a later fault changes no metadata. */
int vpm_dir_reserve(const struct vpm_pool *pool, int fd, uint64_t from,
                    uint64_t size)
{
    if (vpm_persist->allocate(fd, size) < 0)
        return -1;
    if (pool->medium != VPM_MEDIUM_TMPFS &&
        vpm_persist->zero(fd, from, size - from) < 0)
        return -1;
    return 0;
}

/* Zeroes what was ever written.  Holes, and extents that were reserved but
 * not written, hold nothing of the region. */
int vpm_dir_zero_data(int fd, uint64_t from)
{
    off_t start = (off_t)from, end;

    for (;;) {
        start = lseek(fd, start, SEEK_DATA);
        if (start < 0)
            return errno == ENXIO ? 0 : -1;
        end = lseek(fd, start, SEEK_HOLE);
        if (end < 0)
            return -1;
        if (vpm_persist->zero(fd, (uint64_t)start,
                              (uint64_t)(end - start)) < 0)
            return -1;
        start = end;
    }
}

int vpm_dir_set_size(int fd, uint64_t size)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -1;
    if ((uint64_t)st.st_size > size &&
        (vpm_dir_zero_data(fd, size) < 0 || vpm_persist->sync(fd) < 0))
        return -1;
    if ((uint64_t)st.st_size == size && (uint64_t)st.st_blocks * 512 <= size)
        return 0;
    return vpm_persist->truncate(fd, size);
}

uint64_t vpm_dir_most_space(uint64_t size)
{
    return size + size / 64 + ((uint64_t)1 << 20);
}

/* Writes zeros where nothing was ever written. */
static int fill_holes(int fd, uint64_t size)
{
    off_t end = 0, start;

    for (;;) {
        start = lseek(fd, end, SEEK_HOLE);
        if (start < 0 || (uint64_t)start >= size)
            return start < 0 && errno != ENXIO ? -1 : 0;
        end = lseek(fd, start, SEEK_DATA);
        if (end < 0 && errno != ENXIO)
            return -1;
        if (end < 0 || (uint64_t)end > size)
            end = (off_t)size;
        if (vpm_persist->zero(fd, (uint64_t)start,
                              (uint64_t)(end - start)) < 0)
            return -1;
    }
}

int vpm_dir_restore(const struct vpm_pool *pool, int fd, uint64_t size)
{
    bool is_tmpfs = pool->medium == VPM_MEDIUM_TMPFS;
    struct stat st;

    if (vpm_dir_set_size(fd, size) < 0 || fstat(fd, &st) < 0)
        return -1;
    if (((uint64_t)st.st_size < size || (uint64_t)st.st_blocks * 512 < size) &&
        vpm_persist->allocate(fd, size) < 0)
        return -1;
    if (!is_tmpfs && fill_holes(fd, size) < 0)
        return -1;
    return vpm_persist->sync(fd);
}

int vpm_dir_new_file(int dir, const char *name, uid_t uid)
{
    int fd = vpm_persist->create(dir, name, 0600);
    int saved;

    if (fd < 0 || !uid || vpm_persist->chown(fd, uid) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int vpm_dir_finish_file(int fd, int rc, uint64_t *inode)
{
    struct stat st;
    int saved;

    if (rc == 0)
        rc = vpm_persist->sync(fd);
    if (rc == 0)
        rc = fstat(fd, &st);
    if (rc == 0)
        *inode = st.st_ino;
    saved = errno;
    close(fd);
    errno = saved;
    return rc;
}
