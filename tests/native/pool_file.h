/* SPDX-License-Identifier: Apache-2.0 */
/* pool_file.h -- changing the pool file, and being refused then */
#ifndef POOL_FILE_H
#define POOL_FILE_H

#include "harness.h"

#define POOL_FILE POOL "/pool"

/* The pool cannot be opened, with this code and reason, and vpm_pool_check
 * finds something. */
void refused(int code, const char *reason);

/* Writes CONF, with a checksum that fits; to the pool file, or to another. */
void write_conf(struct vpm_conf *conf);
void write_conf_to(const char *path, struct vpm_conf *conf);

#endif
