/* SPDX-License-Identifier: Apache-2.0 */
/* core.h -- the inside of a pager: what its threads share
 *
 * A page is in one state, which changes only with the lock held.  What takes
 * long is done without the lock, by the thread that set a state which says
 * so. */
#ifndef VPM_PAGER_CORE_H
#define VPM_PAGER_CORE_H

#include <pthread.h>

#include "aio.h"
#include "move.h"
#include "policy.h"
#include "uffd.h"

#define READINGS 32
#define READ_AHEAD_MOST 32
#define QUEUE_LENGTH 4096
#define STREAMS 4

/* States of a page.  Those marked with * belong to the thread that set them;
 * whether the page is mapped is certain only in the others. */
enum {
    ABSENT,    /* in a slot, or untouched */
    QUEUED,    /* absent, and wanted */
    ENTERING,  /* * being brought in, or mapped */
    MAPPED,
    HIDING,    /* * being unmapped */
    COOL,      /* in its frame, not mapped */
    WRITING,   /* the same, and being written */
    LEAVING,   /* * written, being committed to its slot */
    FAILED,    /* cannot be brought in */
};
#define WANTED 0x80  /* beside HIDING or LEAVING: somebody touched it */

struct fault {
    uint32_t page;
    uint32_t ahead;   /* 0: somebody touched it; else nobody did, and so
                       * many pages are read ahead */
    uint64_t since_ns;
};

/* Pages in a row on their way in, from slots in a row. */
struct reading {
    struct vpm_move moves[READ_AHEAD_MOST];
    int count;        /* 0: none */
    bool ahead;       /* nobody needs any of them yet */
    uint64_t since_ns;
};

/* Faults one after the other. */
struct stream {
    uint32_t next;    /* where the window ends */
    uint32_t window;  /* pages brought in at once */
};

struct vpm_pager {
    struct vpm_backing backing;
    struct vpm_uffd uffd;
    struct vpm_aio aio;
    uint64_t page_size;
    uint32_t batch;               /* pages written at once */
    uint32_t low;                 /* fewer free frames wake the evictor */
    uint32_t high;                /* which stops at so many */
    struct vpm_move *moves;       /* the evictor's, as is the next */
    uint32_t zone;                /* of slots that was swept last */
    const uint64_t *pause;        /* see pause.h; NULL: never */
    void (*end)(void);            /* after a fatal error, or NULL */

    pthread_mutex_t error_lock;   /* of the error in the status, and of: */
    uint64_t said_ns;             /* when an error was said that was not
                                   * fatal; 0: never */
    bool said;                    /* and whether it was the recorded one */
    pthread_mutex_t lock;         /* of all that follows, and of who owns
                                   * what in *backing* */
    pthread_cond_t room;          /* too few frames are free */
    struct vpm_policy_state policy;
    uint8_t *states;              /* of pages */
    struct fault queue[QUEUE_LENGTH];
    uint32_t queue_head;
    uint32_t queue_count;
    struct reading readings[READINGS];
    struct stream streams[STREAMS];
    uint32_t oldest_stream;
};

static inline void lock(struct vpm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
}

static inline void unlock(struct vpm_pager *pager)
{
    pthread_mutex_unlock(&pager->lock);
}

/* Adds to a counter of the status. */
static inline void add(uint64_t *counter, int64_t change)
{
    __atomic_fetch_add(counter, (uint64_t)change, __ATOMIC_RELAXED);
}

static inline struct vpm_ppt_status *status(struct vpm_pager *pager)
{
    return vpm_ppt_status(&pager->backing.ppt);
}

/* -- what all parts do --------------------------------------------------- */

/* Prints a line on stderr, in one write, so that lines of threads do not
 * mix; not at all when nobody takes it: faults must not wait for a log. */
__attribute__((format(printf, 2, 3)))
void vpm_pager_say(struct vpm_pager *pager, const char *format, ...);

/* Records an error in the region's status, and says so, but not again and again
 * when it is not fatal; ends the process when it is fatal and
 * vpm_pager_on_fatal said how. */
void vpm_pager_report(struct vpm_pager *pager, enum vpm_region_error reason,
                      int error, uint32_t page, uint32_t slot);

/* Clears a recorded error that is not fatal: what had failed succeeds now. */
void vpm_pager_recovered(struct vpm_pager *pager,
                         enum vpm_region_error reason);

/* Lets those who wait for pages in a row try again. */
void vpm_pager_wake(struct vpm_pager *pager, uint32_t page, uint32_t pages);

/* Maps frames in a row for pages in a row; 0, or -1 with errno. */
int vpm_pager_show(struct vpm_pager *pager, uint32_t page, uint32_t frame,
                   uint32_t pages);

#endif
