/* SPDX-License-Identifier: Apache-2.0 */
/* pause.h -- background work that waits while power may fail
 *
 * A file in the pool's directory says until when (CLOCK_BOOTTIME).  Only the
 * pool's owner writes to it; pagers, which run as servers' user ids, map it
 * for reading.  It is volatile: nothing that has to be right after a crash
 * depends on it, and it is never flushed. */
#ifndef VPM_PAUSE_H
#define VPM_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

#define VPM_PAUSE_FILE "pause"

/* Whether a pause until then is on.  One that would be longer than
 * VPM_PAUSE_MAX_NS is of an earlier boot of the host, and over. */
bool vpm_pause_holds(uint64_t until_ns);

/* What the file in the pool's directory *dir* says: 0 if it is not there. */
uint64_t vpm_pause_read(int dir);

/* Maps it, for a pager of the region with directory *region*; NULL if it is
 * not there.  Stays mapped.  To be loaded atomically. */
const uint64_t *vpm_pause_map(const char *region);

#endif
