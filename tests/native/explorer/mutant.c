/* SPDX-License-Identifier: Apache-2.0 */
/* mutant.c -- recorded sequences with one thing taken out of the code */
#include "mutant.h"

#include "harness.h"

static bool makes_durable(const struct event *event)
{
    return event->kind == EVENT_FENCE || event->kind == EVENT_SYNC;
}

static bool can_drop(const struct event *event)
{
    return event->site >= 0 &&
        (makes_durable(event) || event->kind == EVENT_FLUSH);
}

/* Events after the last but one fence or sync before *at*: there the word
 * goes.  -1 when an operation began since. */
static int early(const struct trace *trace, int at)
{
    int durable = 0;

    while (at > 0) {
        const struct event *event = &trace->events[at - 1];

        if (event->kind == EVENT_DONE)
            break;
        if (makes_durable(event) && ++durable == 2)
            break;
        at--;
    }
    return durable ? at : -1;
}

/* The word, its flush and its fence. */
static bool commits(const struct trace *trace, int at)
{
    return at + 2 < trace->count && trace->events[at].word &&
        trace->events[at].site >= 0 &&
        trace->events[at + 1].kind == EVENT_FLUSH &&
        trace->events[at + 2].kind == EVENT_FENCE;
}

bool mutant_possible(const struct trace *trace, int at,
                     enum mutation mutation)
{
    if (mutation == MUTATION_DROP)
        return can_drop(&trace->events[at]);
    return commits(trace, at) && early(trace, at) >= 0;
}

static void drop(struct trace *mutant, int site)
{
    int kept = 0;

    for (int i = 0; i < mutant->count; i++)
        if (mutant->events[i].site != site)
            mutant->events[kept++] = mutant->events[i];
    mutant->count = kept;
}

static void move(struct trace *mutant, int at)
{
    struct event *events = mutant->events;
    int to = early(mutant, at);
    struct event words[3];

    memcpy(words, events + at, sizeof(words));
    memmove(events + to + 3, events + to,
            (size_t)(at - to) * sizeof(*events));
    memcpy(events + to, words, sizeof(words));
}

void mutant_make(const struct trace *trace, int at, enum mutation mutation,
                 struct trace *mutant)
{
    size_t size = (size_t)trace->count * sizeof(*trace->events);

    mutant->count = mutant->room = trace->count;
    mutant->events = malloc(size);
    CHECK(mutant->events);
    memcpy(mutant->events, trace->events, size);
    if (mutation == MUTATION_DROP)
        drop(mutant, trace->events[at].site);
    else
        move(mutant, at);
}
