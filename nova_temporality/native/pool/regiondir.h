/* SPDX-License-Identifier: Apache-2.0 */
/* regiondir.h -- a region's directory, and what all files of regions have in
 * common */
#ifndef VPM_REGIONDIR_H
#define VPM_REGIONDIR_H

#include "handle.h"

/* Room for the name of a region's directory. */
struct vpm_dir_name {
    char text[17];
};

struct vpm_dir_name vpm_dir_name(uint64_t id);

/* Opens a region's directory, or a file in it; no symbolic links.  -1 with
 * errno.  Never waits: a file may belong to a server's user id, which can take
 * a lease (fcntl(2)) that delays whoever opens it by 45 s.  EAGAIN then. */
int vpm_dir_open(int regions_fd, uint64_t id);
int vpm_dir_open_file(int regions_fd, uint64_t id, const char *name,
                      int flags);

/* Makes an empty file that belongs to a user id (0: to the caller).  A file
 * descriptor, or -1 with errno; then the file may be there. */
int vpm_dir_new_file(int dir, const char *name, uid_t uid);

/* Finishes what was begun with a new file: makes it durable unless *rc* is
 * -1, tells its inode number, and closes it.  0, or -1 with errno. */
int vpm_dir_finish_file(int fd, int rc, uint64_t *inode);

/* Reserves the bytes of a file from *from* to *size*; not yet durable.  0, or
 * -1 with errno. */
int vpm_dir_reserve(const struct vpm_pool *pool, int fd, uint64_t from,
                    uint64_t size);

/* Gives a file exactly that size, and back what is reserved beyond it, as its
 * owner can do that; what is cut off is zeroed durably before.  The size is not
 * yet durable.  0, or -1 with errno. */
int vpm_dir_set_size(int fd, uint64_t size);

/* The most that a file with so many bytes should take: a file system may need
 * some space beside them. */
uint64_t vpm_dir_most_space(uint64_t size);

/* As vpm_dir_set_size, and reserves again what is missing, all of it durably. */
int vpm_dir_restore(const struct vpm_pool *pool, int fd, uint64_t size);

/* Zeroes what was ever written to an open file from offset *from* on; not yet
 * durable.  0, or -1 with errno. */
int vpm_dir_zero_data(int fd, uint64_t from);

#endif
