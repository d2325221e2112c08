/* SPDX-License-Identifier: Apache-2.0 */
/* engine_at.c -- makes temporality-engine die, or a QEMU hang, at a step
 *
 * Linked with the program.  ENGINE_DIES_AT and QEMU_HANGS_AT are numbers of
 * enum vpm_step. */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "vpm.h"

static int dies_at, hangs_at;

static void at_step(uint32_t step, uint64_t region, uint32_t pid)
{
    static bool hung;

    (void)region;
    if ((int)step == dies_at)
        kill(getpid(), SIGKILL);
    if ((int)step == hangs_at && !__atomic_exchange_n(&hung, true,
                                                      __ATOMIC_RELAXED))
        kill((pid_t)pid, SIGSTOP);
}

static int number(const char *name)
{
    const char *text = getenv(name);

    return text ? atoi(text) : 0;
}

__attribute__((constructor))
static void prepare(void)
{
    dies_at = number("ENGINE_DIES_AT");
    hangs_at = number("QEMU_HANGS_AT");
    vpm_engine_set_probe(at_step);
}
