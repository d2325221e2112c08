/* SPDX-License-Identifier: Apache-2.0 */
/* mutant.h -- recorded sequences with one thing taken out of the code
 *
 * What an operation does not make durable it still does, so leaving a flush,
 * a fence or a sync out of the code is the same as leaving it out of the
 * record.  A site is a place in the code together with the calls that lead
 * to it: all that one site recorded is left out at once.
 *
 * Order: a word that commits something is moved, with its flush and fence,
 * before what was made durable just before it. */
#ifndef MUTANT_H
#define MUTANT_H

#include "record.h"

enum mutation {
    MUTATION_NONE,
    MUTATION_DROP,
    MUTATION_EARLY,
};

/* Whether event *at* can be mutated so. */
bool mutant_possible(const struct trace *trace, int at,
                     enum mutation mutation);

/* A copy that shares the events' bytes; free(mutant->events). */
void mutant_make(const struct trace *trace, int at, enum mutation mutation,
                 struct trace *mutant);

#endif
