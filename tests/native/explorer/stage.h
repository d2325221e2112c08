/* SPDX-License-Identifier: Apache-2.0 */
/* stage.h -- the real file system on which libvpm runs and images are put
 *
 * What a medium says is made true below FS, a tmpfs, so that libvpm's own code
 * can recover it.  A file keeps its inode number all the time (pool and states
 * are bound to them): each has a second name in a hidden directory.
 *
 * libvpm is told that the stage is DAX, unless it is told otherwise. */
#ifndef STAGE_H
#define STAGE_H

#include "media.h"
#include "vpm.h"

/* What libvpm is told that the stage is. */
void stage_be(enum vpm_medium told);

/* Forgets everything and makes an empty file system. */
void stage_fresh(void);

/* Describes all that is on the stage; it counts as durable. */
void stage_describe(struct media *media);

/* Makes the stage as *image* says, on which nothing may be pending. */
void stage_put(const struct media *image);

/* The inode of an open file or directory, of a mapping's file, of a file that
 * has just been made; directory AT_FDCWD is FS. */
int stage_inode(int fd);
int stage_mapped(const uint8_t *addr);
uint64_t stage_offset(const uint8_t *addr);  /* in that file */
int stage_adopt(int dir_fd, const char *name);

/* How many inodes there are; forgets those from *count* on. */
int stage_count(void);
void stage_forget(int count);

/* From here on getrandom(2) gives what follows from *seed*, so that the same
 * operations make the same media. */
void stage_seed(uint64_t seed);

/* Whether libvpm's background work is paused from now on. */
void stage_pause(bool paused);

/* Reads a region's file into *bytes*; how many there are, -1 if it is not
 * there. */
ssize_t stage_read(const char *path, uint8_t *bytes, size_t max);

#endif
