/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h -- CONF, in the pool file, and its copy beside that */
#ifndef VPM_CONF_H
#define VPM_CONF_H

#include <stdbool.h>

#include "layout.h"

/* Gives CONF the checksum that fits. */
void vpm_conf_seal(struct vpm_conf *conf);

/* What is wrong with the block, whatever it says; VPM_EFOREIGN or VPM_ECORRUPT.
 * *path* is for the message. */
int vpm_conf_check(const struct vpm_conf *conf, const char *path,
                   struct vpm_error *err);

/* Reads the copy; whether there is a sound one.  *inode* is the pool file's, to
 * which it must belong. */
bool vpm_conf_read_copy(int dir_fd, uint64_t inode, struct vpm_conf *conf);

/* Replaces the copy; durable when the directory is synced.  0, or -1 with
 * errno, as the next one. */
int vpm_conf_write_copy(int dir_fd, const struct vpm_conf *conf);

/* Writes CONF into the pool file, durably.  The copy must be durable. */
int vpm_conf_write(int pool_fd, const struct vpm_conf *conf);

#endif
