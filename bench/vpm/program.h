/* SPDX-License-Identifier: Apache-2.0 */
/* program.h -- what the programs of this folder have in common */
#ifndef BENCH_VPM_PROGRAM_H
#define BENCH_VPM_PROGRAM_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SCATTER 2654435761u  /* a prime: spreads neighbours */

/* Ends the program; errno tells why. */
static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
            strerror(errno));
    exit(1);
}

/* CLOCK_MONOTONIC in nanoseconds. */
static inline uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
