/* SPDX-License-Identifier: Apache-2.0 */
/* loop_fs.h -- a real file system in a file, on a loop device
 *
 * What only its page cache has is lost when it is shut down, as in a power
 * cut. */
#ifndef LOOP_FS_H
#define LOOP_FS_H

#include "harness.h"

#define DISK FS "/disk"

/* Makes a file system of this kind ("ext4", "xfs") and mounts it on DISK.
 * Zero, after saying so, where loop devices cannot be had: the test is left
 * out then. */
int loop_mount(const char *kind);

/* Unmounts it; the file stays in FS. */
void loop_unmount(void);

/* Shuts it down without its log, and mounts it again. */
void loop_cut_power(void);

#endif
