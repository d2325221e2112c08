/* SPDX-License-Identifier: Apache-2.0 */
/* explore.h -- all that crashes can make of a recorded sequence
 *
 * Crash points are before every fence and sync, after every operation and at
 * the end.  What a crash between them could leave is among what it can leave
 * at the next of them, since nothing is certain before a fence or sync.
 *
 * At each point all choices among what is pending are tried where there are
 * at most *exhaustive*; else nothing, everything, each unit alone, each unit
 * alone missing, and *samples* random ones (seeded, so the same every time).
 *
 * A state is an image of the media, distinct within its scenario.  It is
 * recovered by the scenario's code and checked.  If recovery changed
 * something, it is recorded, and cut as well: at all its crash points for the
 * first state of each crash point, at one that is drawn for the others. */
#ifndef EXPLORE_H
#define EXPLORE_H

#include "media.h"
#include "record.h"
#include "scenario.h"

struct limits {
    uint32_t exhaustive;
    uint32_t samples;
    bool recovery;        /* cut recoveries */
    bool first_only;      /* stop at the first violation */
    bool quiet;           /* do not print violations */
};

struct tally {
    uint64_t states;      /* that were checked; of them */
    uint64_t recoveries;  /* after a crash during recovery */
    uint64_t points;      /* of the recorded sequence */
    uint64_t violations;
    char first[1024];     /* what explore_replay needs for the first one */
};

/* *base* is what the trace starts from.  *label* names the scenario, and the
 * mutation of the trace if there is one, for --replay. */
void explore(const struct scenario *scenario, const char *label,
             const struct media *base, const struct trace *trace,
             const struct limits *limits, struct tally *tally);

/* Tries the one state that *path* says, and tells about every step; path is
 * POINT:UNIT=OPTION,... and after a ; that of the recovery.  Whether it is a
 * violation. */
bool explore_replay(const struct scenario *scenario,
                    const struct media *base, const struct trace *trace,
                    const char *path);

/* The first thing that vpm_pool_check finds, or NULL. */
const char *explore_unsound(void);

#endif
