/* SPDX-License-Identifier: Apache-2.0 */
/* cpuflush.h -- writing CPU cache lines back to memory */
#ifndef VPM_CPUFLUSH_H
#define VPM_CPUFLUSH_H

#include <stddef.h>

/* "clwb", "clflushopt" or "clflush", the best that this CPU has.  NULL when
 * libvpm knows none: then msync(2) is used, as for ordinary files. */
const char *vpm_cpu_flush_name(void);

/* Starts the write-back of all cache lines of a range. */
void vpm_cpu_flush(const void *addr, size_t length);

/* Waits for all write-backs that this CPU started. */
void vpm_cpu_fence(void);

#endif
