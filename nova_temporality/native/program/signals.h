/* SPDX-License-Identifier: Apache-2.0 */
/* signals.h -- takes the signals that say that power fails
 *
 * A thread of its own takes them, at the engine's priority, and fires without
 * delay if it was told to.  The latest ones are remembered for clients. */
#ifndef VPM_SIGNALS_H
#define VPM_SIGNALS_H

#include <pthread.h>

#include "protocol.h"

#define SIGNAL_KINDS 2

/* What is to be done at a signal. */
struct vpm_signal_rule {
    char raised_by[VPM_RAISED_BY_MAX + 1];  /* empty: nothing is fired */
    uint64_t timeout_ns;
};

struct vpm_signals {
    struct vpm_engine *engine;
    int told_fd;             /* eventfd(2), written to at each signal */
    pthread_mutex_t lock;    /* of all that follows; it inherits priority */
    struct vpm_signal_rule rules[SIGNAL_KINDS];
    struct vpm_signal latest[VPM_SIGNALS_MAX];
    uint64_t count;          /* of all signals so far */
    uint64_t beats;          /* how often the thread has worked; atomic */
    uint64_t beats_seen;
};

/* To be called first of all: until then the signals end the process. */
void vpm_signals_block(void);

/* Starts the thread, which ends with the process. */
int vpm_signals_start(struct vpm_signals *signals, struct vpm_engine *engine,
                      uint32_t priority, int told_fd, struct vpm_error *err);

/* Whether this is a number of such a signal. */
bool vpm_signals_has(uint32_t number);

/* Sets what is done at a signal. */
void vpm_signals_rule(struct vpm_signals *signals, uint32_t number,
                      const struct vpm_signal_rule *rule);

/* Does what is to be done at a signal, which came just now. */
void vpm_signals_came(struct vpm_signals *signals, uint32_t number,
                      uint32_t pid);

/* Copies the first signal after *seen* of them that is remembered; returns how
 * many have been seen then, or 0 when there is no other. */
uint64_t vpm_signals_next(struct vpm_signals *signals, uint64_t seen,
                          struct vpm_signal *found);

/* Whether the thread has worked since the last call, which must be some
 * seconds ago: it works every second. */
bool vpm_signals_work(struct vpm_signals *signals);

#endif
