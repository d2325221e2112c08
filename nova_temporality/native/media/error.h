/* SPDX-License-Identifier: Apache-2.0 */
/* error.h -- describing errors */
#ifndef VPM_ERROR_H
#define VPM_ERROR_H

#include "vpm.h"

/* Fills *err and returns *code*, so that a caller can return it. */
__attribute__((format(printf, 3, 4)))
int vpm_fail(struct vpm_error *err, int code, const char *format, ...);

/* The same for a system call: the description of errno is added.  Code is
 * VPM_ENOSPC when the file system is full, else VPM_ESYS. */
__attribute__((format(printf, 2, 3)))
int vpm_fail_errno(struct vpm_error *err, const char *format, ...);

/* Room for a size in words. */
struct vpm_size_text {
    char text[32];
};

/* "3 bytes", "12.0 KiB", "2048.0 MiB". */
struct vpm_size_text vpm_size_text(uint64_t size);

#endif
