/* SPDX-License-Identifier: Apache-2.0 */
/* pager.h -- lets a process use a VPM region's memory as if all were there
 *
 * Three threads: the *reader* answers faults, reads what they need from the
 * swap file and waits for the disk and for faults in one place; the *evictor*
 * keeps frames free; the *watchdog* reports faults that wait too long.
 *
 * The reader never waits for the others: it takes one lock, which nobody
 * holds while changing mappings, doing I/O or making anything durable.
 *
 * When a page that somebody needs cannot be had, the error is recorded durably
 * in the region's status (vpm_region_stats) and printed on stderr.  Nobody
 * ever sees wrong memory: the process is ended, if vpm_pager_on_fatal says
 * how, else whoever touched the page waits for ever. */
#ifndef VPM_PAGER_H
#define VPM_PAGER_H

#include "vpm.h"

struct vpm_pager;

/* Starts a pager for the region with directory *dir* on *length* bytes of
 * anonymous memory at *base*, which it owns from then on.  Pages of earlier
 * runs are found again.  NULL on failure; then *base* may not be used.  A
 * pager ends with its process. */
struct vpm_pager *vpm_pager_start(const char *dir, void *base,
                                  uint64_t length, struct vpm_error *err);

/* Has *end* called, by some thread, as soon as there is a fatal error.  To be
 * called before anybody uses the memory. */
void vpm_pager_on_fatal(struct vpm_pager *pager, void (*end)(void));

/* In the child after a fork(2): takes the memory away. */
void vpm_pager_forget(struct vpm_pager *pager);

#endif
