/* SPDX-License-Identifier: Apache-2.0 */
/* signals.h -- takes the signals that say that power fails
 *
 * A thread of its own takes them, at the engine's priority, and fires without
 * delay if it was told to.  The latest ones are remembered for clients. */
#ifndef VPM_SIGNALS_H
#define VPM_SIGNALS_H

#include <pthread.h>
#include <signal.h>

#include "protocol.h"
#include "pulse.h"

#define SIGNAL_KINDS 2

/* What is to be done at a signal. */
struct vpm_signal_rule {
    char raised_by[VPM_RAISED_BY_MAX + 1];  /* empty: nothing is fired */
    uint64_t timeout_ns;
};

/* What one process knows of signals, and the next one has to know. */
struct vpm_signals_memory {
    struct vpm_signal_rule rules[SIGNAL_KINDS];
    struct vpm_signal latest[VPM_SIGNALS_MAX];
    uint64_t count;          /* of all signals so far */
    uint64_t told;           /* how many of them some client has heard of; the
                              * main thread's */
};

struct vpm_signals {
    struct vpm_engine *engine;
    int told_fd;             /* eventfd(2), written to at each signal */
    pthread_mutex_t lock;    /* of all that follows; it inherits priority */
    struct vpm_signals_memory memory;
    bool holds;              /* nothing is done at signals */
    uint64_t done;           /* how many had been done when that began */
    int forward_fd;          /* whom they are passed on to; or -1 */
    struct vpm_pulse pulse;  /* of the thread */
};

/* To be called first of all: until then the signals end the process. */
void vpm_signals_block(void);

/* The set of these signals. */
void vpm_signals_fill(sigset_t *set);

void vpm_signals_init(struct vpm_signals *signals, struct vpm_engine *engine,
                      int told_fd);

/* Starts the thread, which ends with the process. */
int vpm_signals_start(struct vpm_signals *signals, uint32_t priority,
                      struct vpm_error *err);

/* Whether this is a number of such a signal. */
bool vpm_signals_has(uint32_t number);

/* Sets what is done at a signal. */
void vpm_signals_rule(struct vpm_signals *signals, uint32_t number,
                      const struct vpm_signal_rule *rule);

/* Does what is to be done at a signal.  Its number must be one that
 * vpm_signals_has. */
void vpm_signals_came(struct vpm_signals *signals,
                      const struct vpm_signal *signal);

/* A signal of now. */
struct vpm_signal vpm_signals_now(uint32_t number, uint32_t pid);

/* From now on nothing is done at signals, until they are released: then what
 * was to be done is done; or until they are forwarded, these and all later
 * ones, to an engine that this is a connection to. */
void vpm_signals_hold(struct vpm_signals *signals);
void vpm_signals_release(struct vpm_signals *signals);
void vpm_signals_forward(struct vpm_signals *signals, int fd);

/* To be called while signals are held; before the thread is started. */
void vpm_signals_export(struct vpm_signals *signals,
                        struct vpm_signals_memory *memory);
void vpm_signals_import(struct vpm_signals *signals,
                        const struct vpm_signals_memory *memory);

/* Copies the first signal after *seen* of them that is remembered; returns how
 * many have been seen then, or 0 when there is no other. */
uint64_t vpm_signals_next(struct vpm_signals *signals, uint64_t seen,
                          struct vpm_signal *found);

/* Whether the thread has worked since the last call, which must be some
 * seconds ago: it works every second. */
bool vpm_signals_work(struct vpm_signals *signals);

#endif
