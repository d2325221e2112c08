/* SPDX-License-Identifier: Apache-2.0 */
/* writes.h -- lets others see which pages of QEMU's memory are written
 *
 * The memory is registered with userfaultfd(2) so that Linux notes writes to
 * it, and handles them by itself (UFFD_FEATURE_WP_ASYNC, Linux 6.7).  Whoever
 * may read /proc/PID/pagemap of this process then takes what was written, by
 * ioctl(2) PAGEMAP_SCAN.  Nothing here waits for anybody, and nothing is done
 * when a page is written. */
#ifndef VPM_WRITES_H
#define VPM_WRITES_H

#include <stddef.h>

/* Environment variable that names the file of the memory. */
#define VPM_PRELOAD_WRITES "TEMPORALITY_WRITES"

/* Have writes to a shared mapping noted, for as long as the process lives.
 * Returns NULL, or what failed; errno says why, and nothing has changed. */
const char *vpm_writes_note(void *base, size_t length);

#endif
