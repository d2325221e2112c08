/* SPDX-License-Identifier: Apache-2.0 */
/* crash.c -- stopping libvpm at any of its persistence steps */
#include "crash.h"

#include <unistd.h>

#include "careful.h"

static long stop_at = -1;
static long steps;

static int last_step(void)
{
    return steps++ == stop_at;
}

static void step(void)
{
    if (last_step())
        _exit(CRASHED);
}

static void crash_store(const struct vpm_map *map, uint64_t offset,
                        const void *from, size_t length)
{
    if (last_step()) {
        vpm_persist_real.store(map, offset, from, length / 2);
        _exit(CRASHED);
    }
    vpm_persist_real.store(map, offset, from, length);
}

static void crash_store_word(const struct vpm_map *map, uint64_t offset,
                             uint64_t value)
{
    step();
    vpm_persist_real.store_word(map, offset, value);
}

static ssize_t crash_read(const struct vpm_map *map, uint64_t offset, int fd,
                          size_t length)
{
    if (last_step()) {
        vpm_persist_real.read(map, offset, fd, length / 2);
        _exit(CRASHED);
    }
    return vpm_persist_real.read(map, offset, fd, length);
}

static void crash_flush(const struct vpm_map *map, uint64_t offset,
                        size_t length)
{
    step();
    vpm_persist_real.flush(map, offset, length);
}

static int crash_fence(const struct vpm_map *map, uint64_t offset,
                       size_t length)
{
    step();
    return vpm_persist_real.fence(map, offset, length);
}

static int crash_mkdir(int dir, const char *name, mode_t mode)
{
    step();
    return vpm_persist_real.mkdir(dir, name, mode);
}

static int crash_create(int dir, const char *name, mode_t mode)
{
    step();
    return vpm_persist_real.create(dir, name, mode);
}

static int crash_allocate(int fd, uint64_t length)
{
    step();
    return vpm_persist_real.allocate(fd, length);
}

static int crash_zero(int fd, uint64_t offset, uint64_t length)
{
    if (last_step()) {
        vpm_persist_real.zero(fd, offset, length / 2);
        _exit(CRASHED);
    }
    return vpm_persist_real.zero(fd, offset, length);
}

static int crash_chown(int fd, uid_t uid)
{
    step();
    return vpm_persist_real.chown(fd, uid);
}

static int crash_chmod(int fd, mode_t mode)
{
    step();
    return vpm_persist_real.chmod(fd, mode);
}

static int crash_sync(int fd)
{
    step();
    return vpm_persist_real.sync(fd);
}

static int crash_rename(int dir, const char *from, const char *to)
{
    step();
    return vpm_persist_real.rename(dir, from, to);
}

static int crash_unlink(int dir, const char *name, int flags)
{
    step();
    return vpm_persist_real.unlink(dir, name, flags);
}

static int crash_symlink(const char *target, int dir, const char *name)
{
    step();
    return vpm_persist_real.symlink(target, dir, name);
}

static int crash_truncate(int fd, uint64_t length)
{
    step();
    return careful_truncate(fd, length);
}

static int crash_write(int fd, uint64_t offset, const struct iovec *iov,
                       int count)
{
    if (last_step()) {
        const struct iovec half = {iov[0].iov_base, iov[0].iov_len / 2};

        vpm_persist_real.write(fd, offset, &half, 1);
        _exit(CRASHED);
    }
    return vpm_persist_real.write(fd, offset, iov, count);
}

static int crash_datasync(int fd)
{
    step();
    return vpm_persist_real.datasync(fd);
}

static const struct vpm_persist crash_persist = {
    .store = crash_store,
    .store_word = crash_store_word,
    .read = crash_read,
    .flush = crash_flush,
    .fence = crash_fence,
    .mkdir = crash_mkdir,
    .create = crash_create,
    .allocate = crash_allocate,
    .zero = crash_zero,
    .chown = crash_chown,
    .chmod = crash_chmod,
    .sync = crash_sync,
    .rename = crash_rename,
    .unlink = crash_unlink,
    .symlink = crash_symlink,
    .truncate = crash_truncate,
    .write = crash_write,
    .datasync = crash_datasync,
};

void crash_at(long step)
{
    stop_at = step;
    steps = 0;
    vpm_persist = &crash_persist;
}

