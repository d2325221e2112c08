/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h -- surviving memory that is mapped and not there
 *
 * A line of NVRAM that is poisoned, or a file that is cut off, is SIGBUS for
 * whoever touches its mapping.  Within a guard that is an error like any
 * other, so it is the trouble of one region.  Outside of one, and in a process
 * that did not install it (QEMU), the signal does what it did before. */
#ifndef VPM_GUARD_H
#define VPM_GUARD_H

#include <stddef.h>

/* Has this process survive it, from now on; may be repeated.  A thread must
 * not block SIGBUS. */
void vpm_guard_install(void);

/* Calls *access*, and returns what it returns; -1 with errno EIO when it met
 * memory that is not there.  It is left where it was then, so it must not take
 * a lock or allocate.  Costs no system call. */
int vpm_guard(int (*access)(void *opaque), void *opaque);

/* Copies from a mapping: 0, or -1 with errno EIO. */
int vpm_guard_copy(void *to, const void *from, size_t length);

#endif
