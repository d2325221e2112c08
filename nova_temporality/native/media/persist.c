/* SPDX-License-Identifier: Apache-2.0 */
/* persist.c -- the only way in which libvpm changes what survives a crash */
#include "persist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpuflush.h"
#include "guard.h"

static void real_store(const struct vpm_map *map, uint64_t offset,
                       const void *from, size_t length)
{
    memcpy(map->addr + offset, from, length);
}

static void real_store_word(const struct vpm_map *map, uint64_t offset,
                            uint64_t value)
{
    __atomic_store_n((uint64_t *)(void *)(map->addr + offset), value,
                     __ATOMIC_RELEASE);
}

static ssize_t real_read(const struct vpm_map *map, uint64_t offset, int fd,
                         size_t length)
{
    return read(fd, map->addr + offset, length);
}

static void real_flush(const struct vpm_map *map, uint64_t offset,
                       size_t length)
{
    if (map->memory)
        vpm_cpu_flush(map->addr + offset, length);
}

static int real_fence(const struct vpm_map *map, uint64_t offset,
                      size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t start = offset & ~(uint64_t)(page - 1);

    if (map->memory) {
        vpm_cpu_fence();
        return 0;
    }
    return msync(map->addr + start, offset + length - start, MS_SYNC);
}

/* The mode is set again, because the umask took from it. */
static int real_mkdir(int dir, const char *name, mode_t mode)
{
    if (mkdirat(dir, name, mode) < 0)
        return -1;
    return fchmodat(dir, name, mode, 0);
}

static int real_create(int dir, const char *name, mode_t mode)
{
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
                    O_CLOEXEC, mode);

    if (fd >= 0 && fchmod(fd, mode) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int real_allocate(int fd, uint64_t length)
{
    int rc;

    do {
        rc = fallocate(fd, 0, 0, (off_t)length);
    } while (rc < 0 && errno == EINTR);
    return rc;
}

static int real_zero(int fd, uint64_t offset, uint64_t length)
{
    static const uint8_t zeros[64 << 10];
    struct iovec iov[16];

    while (length > 0) {
        uint64_t left = length;
        int count = 0;
        ssize_t done;

        while (left > 0 && count < 16) {
            iov[count].iov_base = (void *)zeros;
            iov[count].iov_len = left < sizeof(zeros) ? left : sizeof(zeros);
            left -= iov[count++].iov_len;
        }
        done = pwritev(fd, iov, count, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        offset += (uint64_t)done;
        length -= (uint64_t)done;
    }
    return 0;
}

static int real_chown(int fd, uid_t uid)
{
    return fchown(fd, uid, (gid_t)-1);
}

static int real_chmod(int fd, mode_t mode)
{
    return fchmod(fd, mode);
}

static int real_sync(int fd)
{
    return fsync(fd);
}

static int real_rename(int dir, const char *from, const char *to)
{
    return renameat(dir, from, dir, to);
}

static int real_unlink(int dir, const char *name, int flags)
{
    return unlinkat(dir, name, flags);
}

static int real_symlink(const char *target, int dir, const char *name)
{
    return symlinkat(target, dir, name);
}

static int real_truncate(int fd, uint64_t length)
{
    return ftruncate(fd, (off_t)length);
}

/* The file's space is reserved, so a short write means that the disk failed.
 */
static int real_write(int fd, uint64_t offset, const struct iovec *iov,
                      int count)
{
    ssize_t length = 0;
    ssize_t done;

    for (int i = 0; i < count; i++)
        length += (ssize_t)iov[i].iov_len;
    do {
        done = pwritev(fd, iov, count, (off_t)offset);
    } while (done < 0 && errno == EINTR);
    if (done >= 0 && done != length)
        errno = EIO;
    return done == length ? 0 : -1;
}

static int real_datasync(int fd)
{
    return fdatasync(fd);
}

const struct vpm_persist vpm_persist_real = {
    .store = real_store,
    .store_word = real_store_word,
    .read = real_read,
    .flush = real_flush,
    .fence = real_fence,
    .mkdir = real_mkdir,
    .create = real_create,
    .allocate = real_allocate,
    .zero = real_zero,
    .chown = real_chown,
    .chmod = real_chmod,
    .sync = real_sync,
    .rename = real_rename,
    .unlink = real_unlink,
    .symlink = real_symlink,
    .truncate = real_truncate,
    .write = real_write,
    .datasync = real_datasync,
};

const struct vpm_persist *vpm_persist = &vpm_persist_real;

/* What is stored, if something is, and made durable. */
struct change {
    const struct vpm_map *map;
    uint64_t offset;
    size_t length;
    const void *bytes;
    const uint64_t *word;
};

static int make(void *opaque)
{
    const struct change *change = opaque;

    if (change->bytes)
        vpm_persist->store(change->map, change->offset, change->bytes,
                           change->length);
    if (change->word)
        vpm_persist->store_word(change->map, change->offset, *change->word);
    vpm_persist->flush(change->map, change->offset, change->length);
    return vpm_persist->fence(change->map, change->offset, change->length);
}

int vpm_persist_range(const struct vpm_map *map, uint64_t offset,
                      size_t length)
{
    struct change change = {
        .map = map, .offset = offset, .length = length,
    };

    return vpm_guard(make, &change);
}

int vpm_persist_bytes(const struct vpm_map *map, uint64_t offset,
                      const void *from, size_t length)
{
    struct change change = {
        .map = map, .offset = offset, .length = length, .bytes = from,
    };

    return vpm_guard(make, &change);
}

int vpm_persist_word(const struct vpm_map *map, uint64_t offset,
                     uint64_t value)
{
    struct change change = {
        .map = map, .offset = offset, .length = sizeof(value), .word = &value,
    };

    return vpm_guard(make, &change);
}
