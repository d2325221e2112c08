/* SPDX-License-Identifier: Apache-2.0 */
/* map.h -- mapping a pool's files */
#ifndef VPM_MAP_H
#define VPM_MAP_H

#include "persist.h"
#include "vpm.h"

/* Maps the first *length* bytes of *fd* shared, for writing too when
 * *writable*.  On DAX the mapping is synchronous: stores that were flushed
 * need no fsync.  0, or -1 with errno. */
int vpm_map_open(struct vpm_map *map, int fd, size_t length, bool writable);

/* Makes room for a copy of *length* bytes, all zero, with *map* like a map of
 * a file: such a copy needs no guard, whatever happens to the file.  Fills in
 * what the file has of *from* to *to*; what it has not stays zero.  0, or -1
 * with errno. */
int vpm_map_blank(struct vpm_map *map, size_t length);
int vpm_map_fill(struct vpm_map *map, int fd, size_t from, size_t to);

/* Unmaps; harmless on a map that is all zero. */
void vpm_map_close(struct vpm_map *map);

/* Makes the pages of a range present, for writing, without changing them.
 * Writing to them is no fault then, until they are written back.  0, or -1 with
 * errno. */
int vpm_map_touch(const struct vpm_map *map, uint64_t offset, size_t length);

/* On what *fd*, open for writing, lies; VPM_MEDIUM_UNKNOWN with errno. */
enum vpm_medium vpm_map_medium(int fd);

#endif
