/* SPDX-License-Identifier: Apache-2.0 */
/* preload.h -- puts the pager into a stock QEMU, by LD_PRELOAD
 *
 * The library interposes mmap(2), madvise(2) and munmap(2), and exports
 * nothing else.  When the process maps the file "virtual" of the region that
 * the environment names, it gets anonymous memory with a pager instead.  QEMU
 * is given that file as its memory's (memory-backend-file, share=on).  When it
 * maps the file that another variable names (writes.h), it gets that file, and
 * writes to it are noted.  Without the variables, and for every other file,
 * nothing happens.
 *
 * QEMU also advises the kernel about its memory, and unmaps it when it ends;
 * both would disturb the pager.  Advice that only tunes is accepted and
 * ignored; advice that would give memory away (ballooning, discarding)
 * fails. */
#ifndef VPM_PRELOAD_H
#define VPM_PRELOAD_H

/* Environment variable that names a region's directory. */
#define VPM_PRELOAD_REGION "TEMPORALITY_VPM"

#endif
