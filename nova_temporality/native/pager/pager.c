/* SPDX-License-Identifier: Apache-2.0 */
/* pager.c -- lets a process use a VPM region's memory as if all were there */
#include "pager.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backing.h"
#include "error.h"
#include "policy.h"
#include "uffd.h"

#define WORKERS 8
#define STACK_SIZE ((size_t)256 << 10)
#define QUEUE_LENGTH 4096
#define STREAMS 4
#define READ_AHEAD_MOST 32
#define READ_AHEAD_BYTES (1u << 20)
#define BATCH_MOST 1024
#define BATCH_BYTES (4u << 20)
#define INLINE_ZERO_MOST (64u << 10)

/* A fault that waits for so long is reported. */
#define STUCK_NS ((uint64_t)5 * 1000000000)

/* Before the evictor tries again: what failed; and what all were using. */
#define FAILED_PAUSE_NS 200000000
#define IDLE_PAUSE_NS 500000

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

/* Faults one after the other. */
struct stream {
    uint32_t next;    /* where the window ends */
    uint32_t window;  /* pages brought in at once */
};

struct vpm_pager {
    struct vpm_backing backing;
    struct vpm_uffd uffd;
    uint64_t page_size;
    uint32_t batch;               /* pages written at once */
    uint32_t low;                 /* fewer free frames wake the evictor */
    uint32_t high;                /* which stops at so many */
    struct vpm_move *moves;       /* the evictor's */
    void (*end)(void);            /* after a fatal error, or NULL */

    pthread_mutex_t lock;         /* of all that follows, and of who owns
                                   * what in *backing* */
    pthread_cond_t work;          /* faults are queued and frames are free */
    pthread_cond_t room;          /* too few frames are free */
    struct vpm_policy_state policy;
    uint8_t *states;              /* of pages */
    uint32_t *pages;              /* of frames */
    struct fault queue[QUEUE_LENGTH];
    uint32_t queue_head;
    uint32_t queue_count;
    struct fault working[WORKERS];
    int workers;
    struct stream streams[STREAMS];
    uint32_t oldest_stream;
};

static void handle_fault(struct vpm_pager *pager, uint32_t page);

/* -- small things -------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_ns(uint64_t ns)
{
    const struct timespec pause = {.tv_nsec = (long)ns};

    nanosleep(&pause, NULL);
}

static void lock(struct vpm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
}

static void unlock(struct vpm_pager *pager)
{
    pthread_mutex_unlock(&pager->lock);
}

static void count(uint64_t *counter, int64_t change)
{
    __atomic_fetch_add(counter, (uint64_t)change, __ATOMIC_RELAXED);
}

static struct vpm_ppt_status *status(struct vpm_pager *pager)
{
    return vpm_ppt_status(&pager->backing.ppt);
}

/* One write, so that lines of threads do not mix. */
__attribute__((format(printf, 2, 3)))
static void say(struct vpm_pager *pager, const char *format, ...)
{
    char text[512];
    int used = snprintf(text, sizeof(text), "vpm: region %016" PRIx64 ": ",
                        pager->backing.ppt.header.region_id);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, sizeof(text) - (size_t)used - 1, format, args);
    va_end(args);
    strcat(text, "\n");
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;  /* there is nobody to tell */
}

static void report(struct vpm_pager *pager, enum vpm_region_error reason,
                   int error, uint32_t page, uint32_t slot)
{
    static const char *const words[] = {
        [VPM_REGION_SWAP_IN] = "cannot be read from the swap file",
        [VPM_REGION_BAD_SLOT] = "is torn or foreign in the swap file",
        [VPM_REGION_SWAP_OUT] = "cannot be written to the swap file",
        [VPM_REGION_BAD_ENTRY] = "has a damaged page table entry",
        [VPM_REGION_MAPPING] = "cannot be mapped",
        [VPM_REGION_UNMAPPING] = "cannot be unmapped",
    };
    void (*end)(void) = __atomic_load_n(&pager->end, __ATOMIC_ACQUIRE);

    vpm_ppt_set_error(&pager->backing.ppt, reason, error, page, slot);
    say(pager, "page %" PRIu32 " (slot %" PRIu32 ") %s%s%s", page, slot,
        words[reason], error ? ": " : "", error ? strerror(error) : "");
    if (end && vpm_region_error_is_fatal(reason))
        end();
}

static void wake(struct vpm_pager *pager, uint32_t page, uint32_t pages)
{
    vpm_uffd_wake(&pager->uffd, page * pager->page_size,
                  pages * pager->page_size);
}

static int show(struct vpm_pager *pager, uint32_t page, uint32_t frame,
                uint32_t pages)
{
    return vpm_uffd_show(&pager->uffd, page * pager->page_size,
                         pages * pager->page_size, pager->backing.ram_fd,
                         frame * pager->page_size);
}

/* -- bringing in --------------------------------------------------------- */

/* Nobody gets it. */
static void give_up(struct vpm_pager *pager, const struct vpm_move *move,
                    enum vpm_region_error reason, int error)
{
    report(pager, reason, error, move->page, move->slot);
    lock(pager);
    pager->states[move->page] = FAILED;
    unlock(pager);
}

/* Neighbours in neighbouring frames need one mapping. */
static uint32_t wished_frame(struct vpm_pager *pager, uint32_t page)
{
    struct vpm_ppt_entry before;

    if (page > 0 && !vpm_ppt_get(&pager->backing.ppt, page - 1, &before) &&
        before.frame != VPM_NONE)
        return before.frame + 1;
    return page % (uint32_t)pager->backing.ppt.shape.frames;
}

/* Locked. */
static uint32_t take_frame(struct vpm_pager *pager, uint32_t wish,
                           bool *zero)
{
    uint32_t frame = vpm_frame_take(&pager->backing, wish, zero);

    if (pager->backing.free_frames < pager->low)
        pthread_cond_signal(&pager->room);
    return frame;
}

/* Maps pages in a row, as few mappings as possible. */
static int show_moves(struct vpm_pager *pager, const struct vpm_move *moves,
                      int most)
{
    for (int from = 0, to; from < most; from = to) {
        to = from + 1;
        while (to < most && moves[to].frame == moves[to - 1].frame + 1)
            to++;
        if (show(pager, moves[from].page, moves[from].frame,
                 (uint32_t)(to - from)) < 0)
            return -1;
    }
    return 0;
}

/* The frames of *moves*, pages in a row, are filled. */
static void enter(struct vpm_pager *pager, const struct vpm_move *moves,
                  int most)
{
    bool shown = vpm_move_in(&pager->backing, moves, most) == 0 &&
        show_moves(pager, moves, most) == 0;
    int error = errno;

    lock(pager);
    for (int i = 0; i < most; i++) {
        pager->pages[moves[i].frame] = moves[i].page;
        pager->states[moves[i].page] = shown ? MAPPED : FAILED;
        vpm_policy_enter(&pager->policy, moves[i].frame, moves[i].page);
        if (moves[i].slot != VPM_NONE)
            count(&status(pager)->in_swap, -1);
    }
    unlock(pager);
    count(&status(pager)->in_memory, most);
    if (shown)
        wake(pager, moves[0].page, (uint32_t)most);
    else
        report(pager, VPM_REGION_MAPPING, error, moves[0].page,
               moves[0].slot);
}

static void enter_zero(struct vpm_pager *pager, struct vpm_move *move,
                       bool zero)
{
    if (!zero && vpm_move_zero(&pager->backing, move->frame) < 0)
        give_up(pager, move, VPM_REGION_MAPPING, errno);
    else
        enter(pager, move, 1);
}

/* -- faults -------------------------------------------------------------- */

/* Locked.  When there is no room, whoever waits tries again, later. */
static bool enqueue(struct vpm_pager *pager, uint32_t page, uint32_t ahead)
{
    uint32_t at = (pager->queue_head + pager->queue_count) % QUEUE_LENGTH;

    if (pager->queue_count == QUEUE_LENGTH)
        return false;
    pager->queue[at] = (struct fault){page, ahead, now_ns()};
    pager->queue_count++;
    pager->states[page] = QUEUED;
    if (pager->backing.free_frames > 0)
        pthread_cond_signal(&pager->work);
    else
        pthread_cond_signal(&pager->room);
    return true;
}

/* Its frame is as it was. */
static void refault(struct vpm_pager *pager, struct vpm_move *move)
{
    if (show(pager, move->page, move->frame, 1) < 0) {
        give_up(pager, move, VPM_REGION_MAPPING, errno);
        return;
    }
    lock(pager);
    pager->states[move->page] = MAPPED;
    unlock(pager);
    count(&status(pager)->refaults, 1);
    wake(pager, move->page, 1);
}

/* Locked; returns unlocked. */
static void fault_absent(struct vpm_pager *pager, struct vpm_move *move)
{
    bool zero = false;
    bool queued;

    if (move->slot == VPM_NONE && pager->page_size <= INLINE_ZERO_MOST)
        move->frame = take_frame(pager, wished_frame(pager, move->page),
                                 &zero);
    if (move->frame != VPM_NONE) {
        pager->states[move->page] = ENTERING;
        unlock(pager);
        enter_zero(pager, move, zero);
        return;
    }
    queued = enqueue(pager, move->page, 0);
    unlock(pager);
    if (!queued)
        wake(pager, move->page, 1);
}

static void handle_fault(struct vpm_pager *pager, uint32_t page)
{
    struct vpm_move move = {.page = page};
    struct vpm_ppt_entry entry;
    const char *fault;

    lock(pager);
    fault = vpm_ppt_get(&pager->backing.ppt, page, &entry);
    move.frame = entry.frame;
    move.slot = entry.slot;
    switch (pager->states[page]) {
    case ABSENT:
    case COOL:
    case WRITING:
        if (fault) {
            unlock(pager);
            give_up(pager, &move, VPM_REGION_BAD_ENTRY, 0);
        } else if (pager->states[page] == ABSENT) {
            fault_absent(pager, &move);
        } else {
            pager->states[page] = ENTERING;
            unlock(pager);
            refault(pager, &move);
        }
        return;
    case HIDING:
    case LEAVING:
        pager->states[page] |= WANTED;
        break;
    case MAPPED:
        unlock(pager);
        wake(pager, page, 1);
        return;
    case FAILED:
        unlock(pager);
        report(pager, VPM_REGION_MAPPING, 0, page, entry.slot);
        return;
    default:
        break;  /* whoever has it wakes those who wait */
    }
    unlock(pager);
}

static void *reader(void *opaque)
{
    struct vpm_pager *pager = opaque;
    uint64_t offsets[16];
    int got;

    while ((got = vpm_uffd_read(&pager->uffd, offsets, 16)) >= 0) {
        count(&status(pager)->faults, got);
        for (int i = 0; i < got; i++)
            handle_fault(pager, (uint32_t)(offsets[i] / pager->page_size));
    }
    got = errno;
    say(pager, "faults cannot be read: %s", strerror(got));
    report(pager, VPM_REGION_MAPPING, got, VPM_NONE, VPM_NONE);
    return NULL;
}

/* -- workers ------------------------------------------------------------- */

/* Locked.  How many pages to bring in for a fault on *page*: more when faults
 * come one after the other, in the window of a stream or right after it. */
static uint32_t read_ahead(struct vpm_pager *pager, uint32_t page)
{
    uint32_t most = READ_AHEAD_BYTES / (uint32_t)pager->page_size;
    struct stream *stream = pager->streams;

    if (most > READ_AHEAD_MOST)
        most = READ_AHEAD_MOST;
    while (stream < pager->streams + STREAMS &&
           stream->next - page > stream->window)
        stream++;
    if (stream == pager->streams + STREAMS) {
        stream = &pager->streams[pager->oldest_stream++ % STREAMS];
        stream->window = 1;
    } else if (2 * stream->window <= most) {
        stream->window = stream->window ? 2 * stream->window : 1;
    }
    stream->next = page + stream->window;
    return stream->window;
}

/* Locked.  Whether a page can be read ahead, and from which slot. */
static bool can_read_ahead(struct vpm_pager *pager, uint32_t page,
                           uint32_t *slot)
{
    struct vpm_ppt_entry entry;

    if (page >= pager->backing.ppt.shape.pages ||
        pager->states[page] != ABSENT ||
        pager->backing.free_frames <= pager->low ||
        vpm_ppt_get(&pager->backing.ppt, page, &entry))
        return false;
    *slot = entry.slot;
    return entry.slot != VPM_NONE;
}

/* Locked. */
static void take_move(struct vpm_pager *pager, struct vpm_move *move,
                      uint32_t wish, bool *zero)
{
    move->frame = take_frame(pager, wish, zero);
    pager->states[move->page] = ENTERING;
}

/* Locked.  Takes frames for a fault, and for the pages after it as long as
 * they lie in the slots after it.  What of the window lies elsewhere is left to
 * another worker.  Returns how many, 0 when the fault's entry is damaged. */
static int take_run(struct vpm_pager *pager, const struct fault *fault,
                    struct vpm_move *moves, bool *zero)
{
    uint32_t window = fault->ahead;
    uint32_t page = fault->page;
    struct vpm_ppt_entry entry;
    uint32_t most = 1, slot;

    if (window == 0)
        window = read_ahead(pager, page);
    moves[0] = (struct vpm_move){.page = page, .slot = VPM_NONE};
    if (vpm_ppt_get(&pager->backing.ppt, page, &entry))
        return 0;
    moves[0].slot = entry.slot;
    take_move(pager, &moves[0], wished_frame(pager, page), zero);
    if (entry.slot == VPM_NONE)
        return 1;
    while (most < window && can_read_ahead(pager, page + most, &slot) &&
           slot == entry.slot + most) {
        moves[most].page = page + most;
        moves[most].slot = slot;
        take_move(pager, &moves[most], moves[most - 1].frame + 1, NULL);
        most++;
    }
    if (most < window && can_read_ahead(pager, page + most, &slot))
        enqueue(pager, page + most, window - most);
    return (int)most;
}

/* Pages that were only to be read ahead. */
static void put_back(struct vpm_pager *pager, const struct vpm_move *moves,
                     int most)
{
    lock(pager);
    for (int i = 0; i < most; i++) {
        vpm_frame_give(&pager->backing, moves[i].frame);
        pager->states[moves[i].page] = ABSENT;
    }
    unlock(pager);
    if (most > 0)
        wake(pager, moves[0].page, (uint32_t)most);
}

/* *ahead*: nobody needs any of them yet.  Who does meanwhile, tries again. */
static void swap_in(struct vpm_pager *pager, struct vpm_move *moves, int most,
                    bool ahead)
{
    int failed;
    enum vpm_region_error reason = vpm_move_read(&pager->backing, moves,
                                                 most, &failed);

    if (reason && ahead) {
        put_back(pager, moves, most);
        return;
    }
    if (reason && most > 1) {
        put_back(pager, moves + 1, most - 1);
        most = 1;
        reason = vpm_move_read(&pager->backing, moves, most, &failed);
    }
    if (reason) {
        int error = reason == VPM_REGION_SWAP_IN ? errno : 0;

        lock(pager);
        vpm_frame_give(&pager->backing, moves[0].frame);
        unlock(pager);
        give_up(pager, moves, reason, error);
        return;
    }
    enter(pager, moves, most);
    count(&status(pager)->swap_ins, most);
}

static void *worker(void *opaque)
{
    struct vpm_pager *pager = opaque;
    struct vpm_move moves[READ_AHEAD_MOST];
    struct fault *working;

    lock(pager);
    working = &pager->working[pager->workers++];
    for (;;) {
        bool zero = false;
        int most;

        working->since_ns = 0;
        while (pager->queue_count == 0 || pager->backing.free_frames == 0)
            pthread_cond_wait(&pager->work, &pager->lock);
        *working = pager->queue[pager->queue_head];
        pager->queue_head = (pager->queue_head + 1) % QUEUE_LENGTH;
        pager->queue_count--;
        most = take_run(pager, working, moves, &zero);
        unlock(pager);
        if (most == 0)
            give_up(pager, moves, VPM_REGION_BAD_ENTRY, 0);
        else if (moves[0].slot == VPM_NONE)
            enter_zero(pager, moves, zero);
        else
            swap_in(pager, moves, most, working->ahead > 0);
        lock(pager);
    }
    return NULL;
}

/* -- evictor ------------------------------------------------------------- */

/* Those that are not written come first, so that slots and pages of the others
 * are in the same order. */
static int by_page(const void *a, const void *b)
{
    const struct vpm_move *one = a, *other = b;

    if (one->clean != other->clean)
        return one->clean ? -1 : 1;
    return one->page < other->page ? -1 : one->page > other->page;
}

/* Locked.  Takes what shall cool: those that are mapped into *moves*. */
static int take_victims(struct vpm_pager *pager, struct vpm_move *moves)
{
    uint32_t target = vpm_policy_cooling_target(&pager->policy) +
        pager->batch;
    uint32_t looked = 0;
    int most = 0;

    while (pager->policy.cooling.count + (uint32_t)most < target &&
           most < (int)pager->batch && looked++ < pager->policy.frames) {
        uint32_t frame = vpm_policy_victim(&pager->policy);
        uint8_t *state;

        if (frame == VPM_NONE)
            break;
        state = &pager->states[pager->pages[frame]];
        if (*state == COOL) {
            vpm_policy_cool(&pager->policy, frame);
        } else if (*state == MAPPED) {
            *state = HIDING;
            moves[most++] = (struct vpm_move){
                .page = pager->pages[frame], .frame = frame,
            };
        } else {
            vpm_policy_stay(&pager->policy, frame);
        }
    }
    return most;
}

/* Unmaps pages in a row; returns how many. */
static int hide_run(struct vpm_pager *pager, const struct vpm_move *moves,
                    int most)
{
    int run = 1;

    while (run < most && moves[run].page == moves[run - 1].page + 1 &&
           (uint64_t)(run + 1) * pager->page_size <=
           pager->uffd.staging_length)
        run++;
    if (vpm_uffd_hide(&pager->uffd, moves[0].page * pager->page_size,
                      (uint64_t)run * pager->page_size) < 0)
        return -1;
    return run;
}

/* Unlocked.  A page that is wanted is mapped again, and so stays. */
static void hidden(struct vpm_pager *pager, const struct vpm_move *moves,
                   int most, int state)
{
    for (int i = 0; i < most; i++) {
        uint8_t *now = &pager->states[moves[i].page];
        bool wanted;

        lock(pager);
        wanted = *now & WANTED;
        *now = (uint8_t)state;
        if (state == COOL)
            vpm_policy_cool(&pager->policy, moves[i].frame);
        else
            vpm_policy_stay(&pager->policy, moves[i].frame);
        unlock(pager);
        if (wanted)
            handle_fault(pager, moves[i].page);
    }
}

/* Unmaps what shall cool; returns how many, or -1. */
static int cool_down(struct vpm_pager *pager)
{
    struct vpm_move *moves = pager->moves;
    int most, done = 0, run = 0;

    lock(pager);
    most = take_victims(pager, moves);
    unlock(pager);
    qsort(moves, (size_t)most, sizeof(*moves), by_page);
    for (; done < most; done += run) {
        run = hide_run(pager, moves + done, most - done);
        if (run < 0)
            break;
        hidden(pager, moves + done, run, COOL);
    }
    if (done == most)
        return most;
    report(pager, VPM_REGION_UNMAPPING, errno, moves[done].page, VPM_NONE);
    hidden(pager, moves + done, most - done, MAPPED);
    return -1;
}

/* Locked.  Takes what cooled long enough and was not used again. */
static int take_cooled(struct vpm_pager *pager, struct vpm_move *moves)
{
    uint32_t target = vpm_policy_cooling_target(&pager->policy);
    int most = 0;

    if (pager->backing.free_frames == 0)
        target = 0;
    while (most < (int)pager->batch &&
           pager->policy.cooling.count > target) {
        uint32_t frame = vpm_policy_cooled(&pager->policy);
        uint32_t page = pager->pages[frame];
        struct vpm_ppt_entry entry;

        if (pager->states[page] != COOL ||
            vpm_ppt_get(&pager->backing.ppt, page, &entry)) {
            vpm_policy_stay(&pager->policy, frame);
            continue;
        }
        pager->states[page] = WRITING;
        moves[most++] = (struct vpm_move){
            .page = page, .frame = frame, .old_slot = entry.slot,
        };
    }
    return most;
}

/* A row of slots for a row of pages, so that they can be read ahead. */
static void take_slots(struct vpm_pager *pager, struct vpm_move *moves,
                       int most)
{
    lock(pager);
    for (int i = 0; i < most; i++)
        if (!moves[i].clean)
            moves[i].slot = vpm_slot_take(&pager->backing);
    unlock(pager);
}

/* Locked. */
static void give_slot(struct vpm_pager *pager, const struct vpm_move *move)
{
    if (!move->clean)
        vpm_slot_give(&pager->backing, move->slot);
}

/* Those that were written and not used again leave, and come first. */
static int take_leaving(struct vpm_pager *pager, struct vpm_move *moves,
                        int most)
{
    int leaving = 0;

    lock(pager);
    for (int i = 0; i < most; i++) {
        if (pager->states[moves[i].page] == WRITING) {
            pager->states[moves[i].page] = LEAVING;
            moves[leaving++] = moves[i];
        } else {
            give_slot(pager, &moves[i]);
            vpm_policy_stay(&pager->policy, moves[i].frame);
        }
    }
    unlock(pager);
    return leaving;
}

/* Locked. */
static void left(struct vpm_pager *pager, const struct vpm_move *move)
{
    vpm_frame_give(&pager->backing, move->frame);
    if (!move->clean && move->old_slot != VPM_NONE)
        vpm_slot_give(&pager->backing, move->old_slot);
    vpm_policy_leave(&pager->policy, move->page);
    count(move->clean ? &status(pager)->clean_outs :
          &status(pager)->swap_outs, 1);
    count(&status(pager)->in_memory, -1);
    count(&status(pager)->in_swap, 1);
}

static void leave(struct vpm_pager *pager, struct vpm_move *moves, int most)
{
    bool committed = vpm_move_out(&pager->backing, moves, most) == 0;

    if (!committed)
        report(pager, VPM_REGION_SWAP_OUT, errno, moves[0].page,
               moves[0].slot);
    lock(pager);
    for (int i = 0; i < most; i++) {
        uint8_t *state = &pager->states[moves[i].page];

        moves[i].wanted = *state & WANTED;
        *state = committed ? ABSENT : FAILED;
        if (committed)
            left(pager, &moves[i]);
    }
    pthread_cond_broadcast(&pager->work);
    unlock(pager);
    for (int i = 0; i < most; i++)
        if (moves[i].wanted)
            handle_fault(pager, moves[i].page);
}

/* The disk refused: all frames are as they were, and are written anew, for
 * nobody knows what became of the rest. */
static void write_failed(struct vpm_pager *pager, struct vpm_move *moves,
                         int most)
{
    report(pager, VPM_REGION_SWAP_OUT, errno, moves[0].page, moves[0].slot);
    lock(pager);
    for (int i = 0; i < most; i++) {
        uint8_t *state = &pager->states[moves[i].page];

        give_slot(pager, &moves[i]);
        if (*state == WRITING)
            *state = COOL;
        vpm_policy_cool(&pager->policy, moves[i].frame);
    }
    unlock(pager);
}

/* Moves a batch out; returns how many pages were looked at, or -1 when
 * something failed. */
static int evict(struct vpm_pager *pager)
{
    struct vpm_move *moves = pager->moves;
    int cooling = cool_down(pager);
    int most;

    if (cooling < 0)
        return -1;
    lock(pager);
    most = take_cooled(pager, moves);
    unlock(pager);
    vpm_move_digest(&pager->backing, moves, most);
    qsort(moves, (size_t)most, sizeof(*moves), by_page);
    take_slots(pager, moves, most);
    if (vpm_move_write(&pager->backing, moves, most) < 0) {
        write_failed(pager, moves, most);
        return -1;
    }
    leave(pager, moves, take_leaving(pager, moves, most));
    return cooling + most;
}

static void *evictor(void *opaque)
{
    struct vpm_pager *pager = opaque;

    lock(pager);
    for (;;) {
        while (pager->backing.free_frames >= pager->low)
            pthread_cond_wait(&pager->room, &pager->lock);
        do {
            int done;

            unlock(pager);
            done = evict(pager);
            if (done <= 0)
                pause_ns(done < 0 ? FAILED_PAUSE_NS : IDLE_PAUSE_NS);
            lock(pager);
        } while (pager->backing.free_frames < pager->high);
    }
    return NULL;
}

/* -- watchdog ------------------------------------------------------------ */

/* Locked. */
static struct fault oldest_fault(const struct vpm_pager *pager)
{
    struct fault oldest = {VPM_NONE, 0, UINT64_MAX};

    if (pager->queue_count > 0)
        oldest = pager->queue[pager->queue_head];
    for (int i = 0; i < WORKERS; i++)
        if (pager->working[i].since_ns &&
            pager->working[i].since_ns < oldest.since_ns)
            oldest = pager->working[i];
    return oldest;
}

static void *watchdog(void *opaque)
{
    struct vpm_pager *pager = opaque;

    for (;;) {
        struct fault oldest;
        uint32_t queued, room;
        uint64_t now;

        sleep(1);
        lock(pager);
        oldest = oldest_fault(pager);
        queued = pager->queue_count;
        room = pager->backing.free_frames;
        unlock(pager);
        now = now_ns();
        if (oldest.page != VPM_NONE && now > oldest.since_ns + STUCK_NS)
            say(pager, "a fault on page %" PRIu32 " at address %p waits for "
                "%" PRIu64 " s; %" PRIu32 " faults are queued, %" PRIu32
                " frames are free", oldest.page, (void *)(
                    pager->uffd.base + oldest.page * pager->page_size),
                (now - oldest.since_ns) / 1000000000, queued, room);
    }
    return NULL;
}

/* -- starting ------------------------------------------------------------ */

/* Pages of earlier runs are in their frames, and shown when touched. */
static void found_page(void *opaque, uint32_t page,
                       struct vpm_ppt_entry entry)
{
    struct vpm_pager *pager = opaque;

    if (entry.frame == VPM_NONE) {
        status(pager)->in_swap++;
        return;
    }
    status(pager)->in_memory++;
    pager->states[page] = COOL;
    pager->pages[entry.frame] = page;
    vpm_policy_enter(&pager->policy, entry.frame, page);
}

static int make_tables(struct vpm_pager *pager, struct vpm_error *err)
{
    const struct vpm_shape *shape = &pager->backing.ppt.shape;
    uint64_t batch = shape->frames / 16;

    pager->page_size = shape->page_size;
    if (batch > BATCH_BYTES / pager->page_size)
        batch = BATCH_BYTES / pager->page_size;
    if (batch > BATCH_MOST)
        batch = BATCH_MOST;
    pager->batch = (uint32_t)batch;
    pager->low = pager->batch;
    pager->high = 2 * pager->batch;
    pager->moves = calloc(batch, sizeof(*pager->moves));
    pager->states = calloc(shape->pages, sizeof(*pager->states));
    pager->pages = calloc(shape->frames, sizeof(*pager->pages));
    if (!pager->moves || !pager->states || !pager->pages ||
        vpm_policy_init(&pager->policy, shape->policy,
                        (uint32_t)shape->frames, (uint32_t)shape->pages) < 0)
        return vpm_fail_errno(err, "cannot start a pager for %s",
                              pager->backing.path);
    return VPM_OK;
}

static int start_thread(struct vpm_pager *pager, void *(*run)(void *),
                        const char *name)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attr, run, pager);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        pthread_setname_np(thread, name);
    return rc;
}

/* Signals are for the process's own threads. */
static int start_threads(struct vpm_pager *pager, struct vpm_error *err)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = start_thread(pager, reader, "vpm-reader");
    if (rc == 0)
        rc = start_thread(pager, evictor, "vpm-evictor");
    if (rc == 0)
        rc = start_thread(pager, watchdog, "vpm-watchdog");
    for (int i = 0; rc == 0 && i < WORKERS; i++)
        rc = start_thread(pager, worker, "vpm-worker");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = rc;
    return rc ? vpm_fail_errno(err, "cannot start the pager's threads") :
        VPM_OK;
}

static int prepare(struct vpm_pager *pager, void *base, uint64_t length,
                   struct vpm_error *err)
{
    const struct vpm_shape *shape = &pager->backing.ppt.shape;
    int rc = VPM_OK;

    if (length != shape->virtual_size)
        rc = vpm_fail(err, VPM_EINVAL, "the memory of %s is %" PRIu64
                      " bytes, not %" PRIu64, pager->backing.path,
                      shape->virtual_size, length);
    if (rc == VPM_OK)
        rc = vpm_shape_check_host(shape, err);
    if (rc == VPM_OK)
        rc = make_tables(pager, err);
    if (rc < 0)
        return rc;
    status(pager)->in_memory = 0;
    status(pager)->in_swap = 0;
    vpm_ppt_clear_error(&pager->backing.ppt);
    rc = vpm_backing_scan(&pager->backing, found_page, pager, err);
    if (rc == VPM_OK)
        rc = vpm_uffd_open(&pager->uffd, base, length,
                           pager->batch * pager->page_size, err);
    return rc;
}

struct vpm_pager *vpm_pager_start(const char *dir, void *base,
                                  uint64_t length, struct vpm_error *err)
{
    struct vpm_pager *pager = calloc(1, sizeof(*pager));

    if (!pager) {
        vpm_fail_errno(err, "cannot start a pager for %s", dir);
        return NULL;
    }
    pthread_mutex_init(&pager->lock, NULL);
    pthread_cond_init(&pager->work, NULL);
    pthread_cond_init(&pager->room, NULL);
    if (vpm_backing_open(&pager->backing, dir, err) < 0) {
        free(pager);
        return NULL;
    }
    if (prepare(pager, base, length, err) < 0) {
        vpm_policy_free(&pager->policy);
        free(pager->moves);
        free(pager->states);
        free(pager->pages);
        vpm_backing_close(&pager->backing);
        free(pager);
        return NULL;
    }
    /* Threads that did start keep what they use. */
    return start_threads(pager, err) < 0 ? NULL : pager;
}

void vpm_pager_on_fatal(struct vpm_pager *pager, void (*end)(void))
{
    __atomic_store_n(&pager->end, end, __ATOMIC_RELEASE);
}

void vpm_pager_forget(struct vpm_pager *pager)
{
    vpm_uffd_forget(&pager->uffd);
    vpm_backing_close(&pager->backing);
}
