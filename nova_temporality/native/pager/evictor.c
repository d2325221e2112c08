/* SPDX-License-Identifier: Apache-2.0 */
/* evictor.c -- the thread that keeps frames free */
#include "evictor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "faults.h"
#include "pause.h"

/* Waits before the evictor tries again: after a failure, and when all pages
 * were in use. */
#define FAILED_PAUSE_NS 200000000
#define IDLE_PAUSE_NS 500000

/* Pages that are looked at, and slots that are freed, at once. */
#define SWEPT_AT_ONCE 1024
#define SPARE_AT_ONCE 64

/* Clean pages, which are not written, come first, so that slots and pages of
 * the others are in the same order. */
static int by_page(const void *a, const void *b)
{
    const struct vpm_move *one = a, *other = b;

    if (one->clean != other->clean)
        return one->clean ? -1 : 1;
    return one->page < other->page ? -1 : one->page > other->page;
}

static void pause_ns(uint64_t ns)
{
    const struct timespec pause = {.tv_nsec = (long)ns};

    nanosleep(&pause, NULL);
}

/* The page after the last one of a cluster. */
static uint32_t cluster_end(const struct vpm_pager *pager, uint32_t cluster)
{
    uint64_t end = (uint64_t)(cluster + 1) * pager->policy.span;
    uint64_t pages = pager->backing.ppt.shape.pages;

    return (uint32_t)(end < pages ? end : pages);
}

/* Takes the pages of a cluster that are mapped, and the unmapped ones between
 * them, so that one unmapping does for all.  The lock must be held. */
static int take_cluster(struct vpm_pager *pager, uint32_t cluster,
                        struct vpm_move *moves)
{
    uint32_t end = cluster_end(pager, cluster);
    int used = 0, count = 0, run = 0;

    for (uint32_t page = cluster * pager->policy.span; page < end; page++) {
        uint8_t state = pager->states[page];
        bool between = used > run && (state == ABSENT || state == COOL);

        if (state == MAPPED || between)
            moves[used++] = (struct vpm_move){.page = page, .was = state};
        else
            used = run = count;
        if (state == MAPPED)
            count = used;
    }
    for (int i = 0; i < count; i++)
        pager->states[moves[i].page] = HIDING;
    return count;
}

/* Takes pages that shall cool.  The lock must be held. */
static int take_victims(struct vpm_pager *pager, struct vpm_move *moves)
{
    int count = 0;

    while (count < (int)pager->batch && pager->policy.cooling.count <
           vpm_policy_cooling_target(&pager->policy) + pager->batch) {
        uint32_t cluster = vpm_policy_victim(&pager->policy);

        if (cluster == VPM_NONE)
            break;
        count += take_cluster(pager, cluster, moves + count);
    }
    return count;
}

/* Unmaps pages in a row; returns how many. */
static int hide_run(struct vpm_pager *pager, const struct vpm_move *moves,
                    int count)
{
    int run = 1;

    while (run < count && moves[run].page == moves[run - 1].page + 1 &&
           (uint64_t)(run + 1) * pager->page_size <=
           pager->uffd.staging_length)
        run++;
    if (vpm_uffd_hide(&pager->uffd, moves[0].page * pager->page_size,
                      (uint64_t)run * pager->page_size) < 0)
        return -1;
    return run;
}

/* Answers a fault that came while the page was being worked on. */
static void handle_wanted(struct vpm_pager *pager, uint32_t page)
{
    vpm_faults_answer(pager, page);
    eventfd_write(pager->aio.bell, 1);
}

/* The pages that were mapped are cool now, if *done*; else all are as they
 * were. */
static void hidden(struct vpm_pager *pager, struct vpm_move *moves, int count,
                   bool done)
{
    lock(pager);
    for (int i = 0; i < count; i++) {
        uint8_t *state = &pager->states[moves[i].page];

        moves[i].wanted = *state & WANTED;
        *state = done && moves[i].was == MAPPED ? COOL : moves[i].was;
    }
    unlock(pager);
    for (int i = 0; i < count; i++)
        if (moves[i].wanted)
            handle_wanted(pager, moves[i].page);
}

/* Unmaps pages that shall cool; returns how many, or -1. */
static int cool_down(struct vpm_pager *pager)
{
    struct vpm_move *moves = pager->moves;
    int count, done = 0, run = 0;

    lock(pager);
    count = take_victims(pager, moves);
    unlock(pager);
    qsort(moves, (size_t)count, sizeof(*moves), by_page);
    for (; done < count; done += run) {
        run = hide_run(pager, moves + done, count - done);
        if (run < 0)
            break;
        hidden(pager, moves + done, run, true);
    }
    if (done == count && count > 0)
        vpm_pager_recovered(pager, VPM_REGION_UNMAPPING);
    if (done == count)
        return count;
    vpm_pager_report(pager, VPM_REGION_UNMAPPING, errno, moves[done].page,
                     VPM_NONE);
    hidden(pager, moves + done, count - done, false);
    return -1;
}

/* Puts a cluster back into a queue if a page of it is still in memory.  The
 * lock must be held. */
static void settle(struct vpm_pager *pager, uint32_t cluster)
{
    uint32_t end = cluster_end(pager, cluster);

    for (uint32_t page = cluster * pager->policy.span; page < end; page++)
        if (pager->states[page] == MAPPED || pager->states[page] == COOL ||
            pager->states[page] == ENTERING) {
            vpm_policy_stay(&pager->policy, cluster);
            return;
        }
}

/* The lock must be held. */
static void settle_all(struct vpm_pager *pager, const struct vpm_move *moves,
                       int count)
{
    for (int i = 0; i < count; i++)
        settle(pager, moves[i].page / pager->policy.span);
}

/* Takes the pages of a cluster that were not used again.  The lock must be
 * held. */
static int take_cool_pages(struct vpm_pager *pager, uint32_t cluster,
                           struct vpm_move *moves)
{
    uint32_t end = cluster_end(pager, cluster);
    int count = 0;

    for (uint32_t page = cluster * pager->policy.span; page < end; page++) {
        struct vpm_ppt_entry entry;

        if (pager->states[page] != COOL ||
            vpm_ppt_get(&pager->backing.ppt, page, &entry))
            continue;
        pager->states[page] = WRITING;
        moves[count++] = (struct vpm_move){
            .page = page, .frame = entry.frame, .old_slot = entry.slot,
        };
    }
    if (count == 0)
        settle(pager, cluster);
    return count;
}

/* Takes pages that cooled long enough and were not used again.  The lock must
 * be held. */
static int take_cooled(struct vpm_pager *pager, struct vpm_move *moves)
{
    uint32_t looked = pager->policy.cooling.count;
    int count = 0;

    while (count < (int)pager->batch && looked-- > 0 &&
           (pager->backing.free_frames == 0 || pager->policy.cooling.count >
            vpm_policy_cooling_target(&pager->policy)))
        count += take_cool_pages(pager, vpm_policy_cooled(&pager->policy),
                                moves + count);
    return count;
}

/* Takes pages in memory, from *page* on, that have a slot in the zone beside
 * their frame; sets *page* to where it stopped.  The lock must be held. */
static int take_spare(struct vpm_pager *pager, uint32_t zone, uint32_t *page,
                      struct vpm_move *moves)
{
    const struct vpm_ppt *ppt = &pager->backing.ppt;
    uint32_t end = *page + SWEPT_AT_ONCE;
    int count = 0;

    if (end > ppt->shape.pages)
        end = (uint32_t)ppt->shape.pages;
    for (; *page < end && count < SPARE_AT_ONCE; ++*page) {
        struct vpm_ppt_entry entry;

        if ((pager->states[*page] == MAPPED ||
             pager->states[*page] == COOL) &&
            !vpm_ppt_get(ppt, *page, &entry) && entry.slot != VPM_NONE &&
            vpm_slot_zone(&pager->backing, entry.slot) == zone)
            moves[count++] = (struct vpm_move){
                .page = *page, .frame = entry.frame, .slot = entry.slot,
            };
    }
    return count;
}

/* Frees slots of pages that are in memory, too, so that the pages that are
 * written next find slots in a row.  Only the evictor changes the entry of
 * such a page. */
static int sweep(struct vpm_pager *pager, uint32_t zone)
{
    struct vpm_move moves[SPARE_AT_ONCE];

    for (uint32_t page = 0; page < pager->backing.ppt.shape.pages;) {
        int count;

        lock(pager);
        count = take_spare(pager, zone, &page, moves);
        unlock(pager);
        if (count > 0 && vpm_move_drop(&pager->backing, moves, count) < 0)
            return -1;
        lock(pager);
        for (int i = 0; i < count; i++)
            vpm_slot_give(&pager->backing, moves[i].slot);
        unlock(pager);
    }
    return 0;
}

/* Sweeps a zone before slots are taken from it.  If that fails, the slots that
 * are free are taken all the same. */
static void sweep_next(struct vpm_pager *pager)
{
    uint32_t zone = vpm_slot_zone(&pager->backing,
                                  pager->backing.slot_cursor);

    if (zone != pager->zone && sweep(pager, zone) == 0)
        pager->zone = zone;
}

/* Takes a row of slots for a row of pages, so that they can be read ahead. */
static void take_slots(struct vpm_pager *pager, struct vpm_move *moves,
                       int count)
{
    lock(pager);
    for (int i = 0; i < count; i++)
        if (!moves[i].clean)
            moves[i].slot = vpm_slot_take(&pager->backing);
    unlock(pager);
}

/* The lock must be held. */
static void give_slot(struct vpm_pager *pager, const struct vpm_move *move)
{
    if (!move->clean)
        vpm_slot_give(&pager->backing, move->slot);
}

/* Moves those pages to the front that were written and not used again: they
 * leave.  Returns how many. */
static int take_leaving(struct vpm_pager *pager, struct vpm_move *moves,
                        int count)
{
    int leaving = 0;

    lock(pager);
    for (int i = 0; i < count; i++) {
        if (pager->states[moves[i].page] == WRITING) {
            pager->states[moves[i].page] = LEAVING;
            moves[leaving++] = moves[i];
        } else {
            give_slot(pager, &moves[i]);
            settle(pager, moves[i].page / pager->policy.span);
        }
    }
    unlock(pager);
    return leaving;
}

/* Accounts for a page that left.  The lock must be held. */
static void left(struct vpm_pager *pager, const struct vpm_move *move)
{
    vpm_frame_give(&pager->backing, move->frame);
    if (!move->clean && move->old_slot != VPM_NONE)
        vpm_slot_give(&pager->backing, move->old_slot);
    vpm_policy_leave(&pager->policy, move->page);
    add(move->clean ? &status(pager)->clean_outs :
          &status(pager)->swap_outs, 1);
    add(&status(pager)->in_memory, -1);
    add(&status(pager)->in_swap, 1);
}

static void leave(struct vpm_pager *pager, struct vpm_move *moves, int count)
{
    bool committed = vpm_move_out(&pager->backing, moves, count) == 0;
    bool awaited;

    if (!committed)
        vpm_pager_report(pager, VPM_REGION_SWAP_OUT, errno, moves[0].page,
                         moves[0].slot);
    else if (count > 0 && !moves[count - 1].clean)
        vpm_pager_recovered(pager, VPM_REGION_SWAP_OUT);
    lock(pager);
    for (int i = 0; i < count; i++) {
        uint8_t *state = &pager->states[moves[i].page];

        moves[i].wanted = *state & WANTED;
        *state = committed ? ABSENT : FAILED;
        if (committed)
            left(pager, &moves[i]);
    }
    settle_all(pager, moves, count);
    awaited = pager->queue_count > 0;
    unlock(pager);
    if (awaited)
        eventfd_write(pager->aio.bell, 1);
    for (int i = 0; i < count; i++)
        if (moves[i].wanted)
            handle_wanted(pager, moves[i].page);
}

/* All frames are intact and are written again later, to other slots: nobody
 * knows which of them were written. */
static void write_failed(struct vpm_pager *pager, struct vpm_move *moves,
                         int count)
{
    vpm_pager_report(pager, VPM_REGION_SWAP_OUT, errno, moves[0].page,
                     moves[0].slot);
    lock(pager);
    for (int i = 0; i < count; i++) {
        uint8_t *state = &pager->states[moves[i].page];

        give_slot(pager, &moves[i]);
        if (*state == WRITING)
            *state = COOL;
    }
    settle_all(pager, moves, count);
    unlock(pager);
}

/* Moves a batch out; returns how many pages were worked on, or -1 when
 * something failed. */
static int evict(struct vpm_pager *pager)
{
    struct vpm_move *moves = pager->moves;
    int cooling = cool_down(pager);
    int count;

    if (cooling < 0)
        return -1;
    lock(pager);
    count = take_cooled(pager, moves);
    unlock(pager);
    vpm_move_digest(&pager->backing, moves, count);
    qsort(moves, (size_t)count, sizeof(*moves), by_page);
    /* Clean ones come first. */
    if (count > 0 && !moves[count - 1].clean)
        sweep_next(pager);
    take_slots(pager, moves, count);
    if (vpm_move_write(&pager->backing, moves, count) < 0) {
        write_failed(pager, moves, count);
        return -1;
    }
    leave(pager, moves, take_leaving(pager, moves, count));
    return cooling + count;
}

/* Whether *wanted* frames are free; while background work is paused, whether
 * faults need no more frames than are free.  The lock must be held. */
static bool has_room(const struct vpm_pager *pager, uint32_t wanted)
{
    if (pager->pause && vpm_pause_holds(__atomic_load_n(pager->pause,
                                                        __ATOMIC_RELAXED)))
        return pager->backing.free_frames > 0 || pager->queue_count == 0;
    return pager->backing.free_frames >= wanted;
}

void *vpm_evictor_run(void *opaque)
{
    struct vpm_pager *pager = opaque;

    lock(pager);
    for (;;) {
        while (has_room(pager, pager->low))
            pthread_cond_wait(&pager->room, &pager->lock);
        do {
            int done;

            unlock(pager);
            done = evict(pager);
            if (done <= 0)
                pause_ns(done < 0 ? FAILED_PAUSE_NS : IDLE_PAUSE_NS);
            lock(pager);
        } while (!has_room(pager, pager->high));
    }
    return NULL;
}
