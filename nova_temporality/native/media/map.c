/* SPDX-License-Identifier: Apache-2.0 */
/* map.c -- mapping a pool's files */
#include "map.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cpuflush.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  /* Linux 5.14 */
#endif

/* Only DAX accepts MAP_SYNC. */
static void *map_sync(int fd, size_t length)
{
    return mmap(NULL, length, PROT_READ | PROT_WRITE,
                MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
}

enum vpm_medium vpm_map_medium(int fd)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct statfs fs;
    void *addr;

    if (fstatfs(fd, &fs) < 0)
        return VPM_MEDIUM_UNKNOWN;
    if (fs.f_type == TMPFS_MAGIC)
        return VPM_MEDIUM_TMPFS;
    addr = map_sync(fd, page);
    if (addr == MAP_FAILED)
        return VPM_MEDIUM_FILE;
    munmap(addr, page);
    return VPM_MEDIUM_DAX;
}

int vpm_map_open(struct vpm_map *map, int fd, size_t length, bool writable)
{
    struct statfs fs;
    void *addr = MAP_FAILED;

    if (fstatfs(fd, &fs) < 0)
        return -1;
    map->length = length;
    map->memory = fs.f_type == TMPFS_MAGIC;
    if (writable) {
        addr = map_sync(fd, length);
        map->memory |= addr != MAP_FAILED;
    }
    if (addr == MAP_FAILED)
        addr = mmap(NULL, length, PROT_READ | (writable ? PROT_WRITE : 0),
                    MAP_SHARED, fd, 0);
    if (addr == MAP_FAILED)
        return -1;
    map->addr = addr;
    map->memory &= vpm_cpu_flush_name() != NULL;
    return 0;
}

int vpm_map_blank(struct vpm_map *map, size_t length)
{
    void *addr = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                      MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (addr == MAP_FAILED)
        return -1;
    *map = (struct vpm_map){.addr = addr, .length = length};
    return 0;
}

int vpm_map_fill(struct vpm_map *map, int fd, size_t from, size_t to)
{
    ssize_t got;

    do {
        got = pread(fd, map->addr + from, to - from, (off_t)from);
        if (got > 0)
            from += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? -1 : 0;
}

void vpm_map_close(struct vpm_map *map)
{
    if (map->addr)
        munmap(map->addr, map->length);
    memset(map, 0, sizeof(*map));
}

int vpm_map_touch(const struct vpm_map *map, uint64_t offset, size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t start = offset & ~(uint64_t)(page - 1), end = offset + length;

    if (madvise(map->addr + start, end - start, MADV_POPULATE_WRITE) == 0)
        return 0;
    if (errno != EINVAL)
        return -1;
    /* An older kernel: at least have the pages present for reading. */
    for (; start < end; start += page)
        *(volatile const uint8_t *)(map->addr + start);
    return 0;
}
