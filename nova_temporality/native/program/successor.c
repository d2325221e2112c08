/* SPDX-License-Identifier: Apache-2.0 */
/* successor.c -- starts the process that takes the place of this one */
#include "successor.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "signals.h"

/* It begins as any process, but the signals of power stay blocked: they would
 * end it. */
void vpm_successor_start(char **command)
{
    const struct sched_param ordinary = {.sched_priority = 0};
    posix_spawnattr_t attributes;
    sigset_t mask;
    pid_t pid;
    int rc;

    vpm_signals_fill(&mask);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSCHEDULER |
                             POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setschedpolicy(&attributes, SCHED_OTHER);
    posix_spawnattr_setschedparam(&attributes, &ordinary);
    posix_spawnattr_setsigmask(&attributes, &mask);
    /* Nobody waits for its end. */
    signal(SIGCHLD, SIG_IGN);
    rc = posix_spawnp(&pid, command[0], NULL, &attributes, command, environ);
    posix_spawnattr_destroy(&attributes);
    if (rc)
        vpm_log("cannot start %s: %s", command[0], strerrordesc_np(rc));
}
