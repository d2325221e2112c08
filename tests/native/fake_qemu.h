/* SPDX-License-Identifier: Apache-2.0 */
/* fake_qemu.h -- QEMUs for tests of the engine, each played by a thread */
#ifndef FAKE_QEMU_H
#define FAKE_QEMU_H

#include <pthread.h>

#include "harness.h"

#define SECOND ((uint64_t)1000000000)

/* How a QEMU behaves. */
enum manner {
    SOUND,
    HANGS,            /* does not answer */
    HANGS_SAVING,     /* does not save */
    NEVER_COMPLETES,
    DIES_SAVING,      /* closes everything in the midst of the stream */
    CANNOT_FLUSH,     /* fails after the stream, saying why */
    SAYS_NOTHING,     /* fails with an empty stream */
    REFUSES,          /* the command "migrate" */
    REFUSES_SNAPSHOT,
    BABBLES,          /* events, long lines and nonsense between answers */
    TALKS_TOO_MUCH,   /* a stream that does not fit */
    SLOW_TO_COMPLETE, /* says "active" for a while */
    COMPLETES_FIRST,  /* when all others have been asked whether they did, */
    COMPLETES_LATER,  /* which they did while caches are written back */
};

struct fake {
    enum manner manner;
    const char *runstate;  /* that it reports at first, */
    const char *after;     /* and after "stop" */
    int qmp, stream;       /* its ends */
    int lock;
    int asked;
    uint32_t priority;
    char seen[4096];       /* all commands */
    pthread_t thread;
    struct vpm_region_info region;
    struct vpm_note *note;
    struct vpm_unit *unit;
};

extern struct vpm_pool *pool;
extern struct vpm_engine *engine;
extern uint64_t hold_up_ns;  /* of the next engine */

/* For COMPLETES_FIRST and COMPLETES_LATER: how many of the latter there are,
 * have been asked, have answered; and how often caches were written back, as
 * the test counts it. */
extern int later, later_asked, later_answered;
extern int write_backs;

/* Waits until another thread has made *count* at least *least*. */
void wait_until(int *count, int least);

/* Makes a pool, and an engine with so many threads; frees both. */
void set_up(uint32_t threads);
void tear_down(void);

/* Makes a region and a unit for a QEMU; frees them. */
void make(struct fake *fake, const char *name, enum manner manner);
void drop(struct fake *fake);

/* Starts the QEMU's thread and arms its unit. */
void arm(struct fake *fake, uint32_t route);

/* Waits for the end of the thread, whose sockets the engine has closed. */
void end_qemu(struct fake *fake);

/* An event of now, with a deadline. */
struct vpm_event event(uint64_t patience_ns);

/* Waits for the end of a fixation. */
struct vpm_outcome wait_for(struct fake *fake);

/* Fixates one QEMU, from arming to the end. */
struct vpm_outcome fixate_one(struct fake *fake, uint32_t route,
                              uint64_t patience_ns);

bool proven(const struct fake *fake);

/* Has a QEMU write to its QMP connection: *text*; much of no use. */
void say(struct fake *fake, const char *text);
void babble(struct fake *fake);

#endif
