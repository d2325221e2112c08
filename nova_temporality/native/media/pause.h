/* SPDX-License-Identifier: Apache-2.0 */
/* pause.h -- background work that waits while power may fail
 *
 * A file in the pool's directory says until when (CLOCK_BOOTTIME).  Only the
 * pool's owner writes to it; pagers, which run with servers' user ids, map it
 * for reading.  It is never flushed: nothing depends on it after a crash. */
#ifndef VPM_PAUSE_H
#define VPM_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

#define VPM_PAUSE_FILE "pause"

/* Whether a pause until then is on.  A time that is further away than
 * VPM_PAUSE_MAX_NS is of an earlier boot of the host: that pause is over. */
bool vpm_pause_holds(uint64_t until_ns);

/* Reads the file in the pool's directory *dir*; 0 if it is not there. */
uint64_t vpm_pause_read(int dir);

/* Maps the file, for a pager of the region with directory *region*; NULL if it
 * is not there.  Stays mapped.  The word is to be loaded atomically. */
const uint64_t *vpm_pause_map(const char *region);

#endif
