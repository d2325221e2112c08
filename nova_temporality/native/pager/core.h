/* SPDX-License-Identifier: Apache-2.0 */
/* core.h -- a pager inside: what its threads share
 *
 * A page is in one state, and changes it under the lock.  What takes long is
 * done unlocked, by the thread that set a state which says so. */
#ifndef VPM_PAGER_CORE_H
#define VPM_PAGER_CORE_H

#include <pthread.h>
#include <time.h>

#include "aio.h"
#include "backing.h"
#include "policy.h"
#include "uffd.h"

#define READINGS 32
#define READ_AHEAD_MOST 32
#define QUEUE_LENGTH 4096
#define STREAMS 4

/* Of a page.  What is said of mappings holds when nobody works on the page:
 * the states marked with * belong to the thread that set them. */
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
    uint32_t ahead;   /* nobody touched it; so many pages are read ahead */
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

    pthread_mutex_t error_lock;   /* of the error in the status */
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

static inline uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void lock(struct vpm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
}

static inline void unlock(struct vpm_pager *pager)
{
    pthread_mutex_unlock(&pager->lock);
}

/* Changes one of the status's counters. */
static inline void count(uint64_t *counter, int64_t change)
{
    __atomic_fetch_add(counter, (uint64_t)change, __ATOMIC_RELAXED);
}

static inline struct vpm_ppt_status *status(struct vpm_pager *pager)
{
    return vpm_ppt_status(&pager->backing.ppt);
}

/* -- core.c -------------------------------------------------------------- */

/* A line on stderr, in one write, so that lines of threads do not mix. */
__attribute__((format(printf, 2, 3)))
void vpm_pager_say(struct vpm_pager *pager, const char *format, ...);

/* Records an error in the region's status, and says so; ends the process when
 * it is fatal and vpm_pager_on_fatal said how. */
void vpm_pager_report(struct vpm_pager *pager, enum vpm_region_error reason,
                      int error, uint32_t page, uint32_t slot);

/* What was recorded as an error, and is not fatal, has succeeded now. */
void vpm_pager_recovered(struct vpm_pager *pager,
                         enum vpm_region_error reason);

/* Lets those who wait for pages in a row try again. */
void vpm_pager_wake(struct vpm_pager *pager, uint32_t page, uint32_t pages);

/* Maps frames in a row for pages in a row; 0, or -1 with errno. */
int vpm_pager_show(struct vpm_pager *pager, uint32_t page, uint32_t frame,
                   uint32_t pages);

/* -- faults.c ------------------------------------------------------------ */

/* Answers a fault, or leaves it to whoever has the page or to the reader's
 * queue.  Any thread but the one that has the page. */
void vpm_pager_fault(struct vpm_pager *pager, uint32_t page);

/* Locked.  Puts a fault into the queue; false when it is full, and then
 * whoever waits tries again, later.  *ahead* as in struct fault. */
bool vpm_pager_enqueue(struct vpm_pager *pager, uint32_t page,
                       uint32_t ahead);

/* Locked.  The frame that a page should have: neighbours in neighbouring
 * frames need one mapping. */
uint32_t vpm_pager_wished_frame(struct vpm_pager *pager, uint32_t page);

/* Locked.  As vpm_frame_take; wakes the evictor when few are left. */
uint32_t vpm_pager_take_frame(struct vpm_pager *pager, uint32_t wish,
                              bool *zero);

/* Names and maps the filled frames of *moves*, pages in a row. */
void vpm_pager_enter(struct vpm_pager *pager, const struct vpm_move *moves,
                     int most);

/* Nobody gets the page. */
void vpm_pager_give_up(struct vpm_pager *pager, const struct vpm_move *move,
                       enum vpm_region_error reason, int error);

/* -- touch.c ------------------------------------------------------------- */

/* Locked.  Takes frames for a page that was never touched and, while plenty
 * are free, for its neighbours of which the same is true.  Writes at most
 * VPM_CLUSTER_MOST *moves*, pages in a row; returns how many, 0 if no frame
 * is free. */
int vpm_pager_take_untouched(struct vpm_pager *pager, uint32_t page,
                             struct vpm_move *moves);

/* Makes their frames zero, names and maps them. */
void vpm_pager_enter_untouched(struct vpm_pager *pager,
                               struct vpm_move *moves, int most);

/* -- threads ------------------------------------------------------------- */

void *vpm_pager_reader(void *pager);
void *vpm_pager_evictor(void *pager);
void *vpm_pager_watchdog(void *pager);

#endif
