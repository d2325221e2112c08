/* SPDX-License-Identifier: Apache-2.0 */
/* record.h -- records what libvpm does to its files, while it does it
 *
 * Takes the place of the persistence interface.  Everything is done for real
 * on the stage, too.  A new member of struct vpm_persist needs a function in
 * record.c that calls the real one and adds the events that say the same. */
#ifndef RECORD_H
#define RECORD_H

#include "media.h"

#define RECORD_DEPTH 10  /* of calls that identify a site */

struct trace {
    struct event *events;
    int count, room;
};

/* Forgets what *trace* held and records into it until record_stop.  With
 * *sites* every event says from where in the code it came. */
void record_start(struct trace *trace, bool sites);
void record_stop(void);

/* To be called in the function that calls an operation: those that led to it
 * are not part of a site. */
void record_operation(void);

/* An operation has returned. */
void record_done(void);

/* A server writes its memory; how it becomes durable is not libvpm's affair,
 * so here it is at once. */
void record_fill(const char *path, int byte);

/* The same for a part of a mapping. */
void record_memory(uint8_t *addr, int byte, uint64_t length);

/* Where in the code an event came from: addresses of return, the innermost
 * first. */
struct site {
    enum event_kind kind;
    void *calls[RECORD_DEPTH];
};

const struct site *record_site(int site);
int record_sites(void);

void trace_free(struct trace *trace);

#endif
