/* SPDX-License-Identifier: Apache-2.0 */
/* persist.h -- the only way in which libvpm changes what survives a crash
 *
 * Every store into NVRAM, every flush and fence, and every operation on the
 * pool's files goes through *vpm_persist*.  Tests put their own there, to
 * stop an operation at any of its steps or to record the steps. */
#ifndef VPM_PERSIST_H
#define VPM_PERSIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* A mapped file. */
struct vpm_map {
    uint8_t *addr;
    size_t length;
    bool memory;  /* stores reach the media by CPU cache flushes; else msync
                   * takes them there */
};

struct vpm_persist {
    /* Stores.  They are certain to be durable when flush and then fence have
     * returned, and may be durable earlier. */
    void (*store)(const struct vpm_map *map, uint64_t offset,
                  const void *from, size_t length);
    /* 8 bytes at a multiple of 8, in one piece. */
    void (*store_word)(const struct vpm_map *map, uint64_t offset,
                       uint64_t value);
    /* read(2) into the map. */
    ssize_t (*read)(const struct vpm_map *map, uint64_t offset, int fd,
                    size_t length);
    /* Starts the write-back of a range. */
    void (*flush)(const struct vpm_map *map, uint64_t offset, size_t length);
    /* Waits until what was flushed in a range is durable.  0 or -1 with
     * errno, as all that follow. */
    int (*fence)(const struct vpm_map *map, uint64_t offset, size_t length);

    /* Files.  Durable after sync of the file, and for names of the
     * directory. */
    int (*mkdir)(int dir, const char *name, mode_t mode);
    int (*create)(int dir, const char *name, mode_t mode);  /* -> fd */
    int (*allocate)(int fd, uint64_t length);
    int (*zero)(int fd, uint64_t offset, uint64_t length);
    int (*chown)(int fd, uid_t uid);
    int (*chmod)(int fd, mode_t mode);
    int (*sync)(int fd);
    int (*rename)(int dir, const char *from, const char *to);
    int (*unlink)(int dir, const char *name, int flags);  /* unlinkat's */
    int (*symlink)(const char *target, int dir, const char *name);
    int (*truncate)(int fd, uint64_t length);

    /* The swap file.  Writes all of it, or fails; datasync makes written data
     * durable. */
    int (*write)(int fd, uint64_t offset, const struct iovec *iov,
                 int count);
    int (*datasync)(int fd);
};

/* The real one. */
extern const struct vpm_persist vpm_persist_real;

/* The one in use.  Tests only: set before any other thread uses libvpm. */
extern const struct vpm_persist *vpm_persist;

/* Makes a range durable: flush and fence.  0, or -1 with errno, as the next
 * two; EIO when the memory is not there, if this process installed a guard
 * (guard.h). */
int vpm_persist_range(const struct vpm_map *map, uint64_t offset,
                      size_t length);

/* Stores bytes and makes them durable. */
int vpm_persist_bytes(const struct vpm_map *map, uint64_t offset,
                      const void *from, size_t length);

/* Stores a word and makes it durable. */
int vpm_persist_word(const struct vpm_map *map, uint64_t offset,
                     uint64_t value);

#endif
