/* SPDX-License-Identifier: Apache-2.0 */
/* reader.c -- the thread that waits for faults and for the disk */
#include "reader.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "enter.h"
#include "faults.h"
#include "touch.h"

#define MESSAGES 16
#define READ_AHEAD_BYTES (1u << 20)

/* -- reading ------------------------------------------------------------- */

/* How many pages to bring in for a fault on *page*: more when faults come one
 * after the other, in the window of a stream or right after it.  The lock must
 * be held. */
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

/* Whether a page can be read ahead, and from which slot.  The lock must be
 * held. */
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

/* The lock must be held. */
static void take_move(struct vpm_pager *pager, struct vpm_move *move,
                      uint32_t preferred)
{
    move->frame = vpm_enter_take_frame(pager, preferred, NULL);
    pager->states[move->page] = ENTERING;
}

/* Takes frames for a fault, and for the pages after it as long as they lie in
 * the slots after it.  Pages of the window that lie elsewhere are left to
 * another reading.  Returns how many frames, 0 when the fault's entry is
 * damaged.  The lock must be held. */
static int take_run(struct vpm_pager *pager, const struct fault *fault,
                    struct vpm_move *moves)
{
    uint32_t window = fault->ahead;
    uint32_t page = fault->page;
    struct vpm_ppt_entry entry;
    uint32_t count = 1, slot;

    if (window == 0)
        window = read_ahead(pager, page);
    moves[0] = (struct vpm_move){.page = page, .slot = VPM_NONE};
    if (vpm_ppt_get(&pager->backing.ppt, page, &entry))
        return 0;
    if (entry.slot == VPM_NONE)
        return vpm_touch_take(pager, page, moves);
    moves[0].slot = entry.slot;
    take_move(pager, &moves[0], vpm_enter_preferred_frame(pager, page));
    while (count < window && can_read_ahead(pager, page + count, &slot) &&
           slot == entry.slot + count) {
        moves[count].page = page + count;
        moves[count].slot = slot;
        take_move(pager, &moves[count], moves[count - 1].frame + 1);
        count++;
    }
    if (count < window && can_read_ahead(pager, page + count, &slot))
        vpm_faults_enqueue(pager, page + count, window - count);
    return (int)count;
}

/* Gives the frames of pages back that were only to be read ahead. */
static void put_back(struct vpm_pager *pager, const struct vpm_move *moves,
                     int count)
{
    lock(pager);
    for (int i = 0; i < count; i++) {
        vpm_frame_give(&pager->backing, moves[i].frame);
        pager->states[moves[i].page] = ABSENT;
    }
    unlock(pager);
    if (count > 0)
        vpm_pager_wake(pager, moves[0].page, (uint32_t)count);
}

static void read_ended(struct vpm_pager *pager, struct reading *reading,
                       ssize_t got);

static void start_read(struct vpm_pager *pager, struct reading *reading)
{
    struct iovec iov[READ_AHEAD_MOST];
    int count = vpm_move_gather(&pager->backing, reading->moves,
                                reading->count, iov);

    if (vpm_aio_read(&pager->aio, pager->backing.swap_fd, iov, count,
                     reading->moves[0].slot * pager->page_size, reading) < 0)
        read_ended(pager, reading, -errno);
}

static void end_reading(struct vpm_pager *pager, struct reading *reading)
{
    lock(pager);
    reading->count = 0;
    unlock(pager);
}

/* Pages that were read ahead become absent; who waits for one of them tries
 * again.  The fault itself is read once more, alone, at once. */
static void read_failed(struct vpm_pager *pager, struct reading *reading,
                        enum vpm_region_error reason, int error)
{
    struct vpm_move *moves = reading->moves;

    if (reading->ahead) {
        put_back(pager, moves, reading->count);
        end_reading(pager, reading);
        return;
    }
    if (reading->count > 1) {
        put_back(pager, moves + 1, reading->count - 1);
        reading->count = 1;
        start_read(pager, reading);
        return;
    }
    lock(pager);
    vpm_frame_give(&pager->backing, moves[0].frame);
    unlock(pager);
    vpm_enter_fail(pager, moves, reason, error);
    end_reading(pager, reading);
}

static void read_ended(struct vpm_pager *pager, struct reading *reading,
                       ssize_t got)
{
    ssize_t wanted = reading->count * (ssize_t)pager->page_size;
    enum vpm_region_error reason;

    if (got != wanted) {
        read_failed(pager, reading, VPM_REGION_SWAP_IN,
                    got < 0 ? (int)-got : EIO);
        return;
    }
    reason = vpm_move_check(&pager->backing, reading->moves, reading->count);
    if (reason) {
        read_failed(pager, reading, reason,
                    reason == VPM_REGION_SWAP_IN ? errno : 0);
        return;
    }
    vpm_enter_map(pager, reading->moves, reading->count);
    add(&status(pager)->swap_ins, reading->count);
    end_reading(pager, reading);
}

/* The lock must be held. */
static struct reading *free_reading(struct vpm_pager *pager)
{
    for (int i = 0; i < READINGS; i++)
        if (pager->readings[i].count == 0)
            return &pager->readings[i];
    return NULL;
}

/* Starts to serve the fault that waits longest.  False if there is none, or no
 * frame, or no reading. */
static bool serve_fault(struct vpm_pager *pager)
{
    struct reading *reading;
    struct fault fault;

    lock(pager);
    reading = free_reading(pager);
    if (pager->queue_count == 0 || pager->backing.free_frames == 0 ||
        !reading) {
        unlock(pager);
        return false;
    }
    fault = pager->queue[pager->queue_head];
    pager->queue_head = (pager->queue_head + 1) % QUEUE_LENGTH;
    pager->queue_count--;
    reading->count = take_run(pager, &fault, reading->moves);
    reading->since_ns = fault.since_ns;
    reading->ahead = fault.ahead > 0;
    unlock(pager);
    if (reading->count == 0) {
        vpm_enter_fail(pager, reading->moves, VPM_REGION_BAD_ENTRY, 0);
    } else if (reading->moves[0].slot == VPM_NONE) {
        vpm_touch_enter(pager, reading->moves, reading->count);
        end_reading(pager, reading);
    } else {
        start_read(pager, reading);
    }
    return true;
}

static void serve_queue(struct vpm_pager *pager)
{
    while (serve_fault(pager))
        continue;
}

/* -- reader -------------------------------------------------------------- */

static int read_faults(struct vpm_pager *pager)
{
    uint64_t offsets[MESSAGES];
    int got = vpm_uffd_read(&pager->uffd, offsets, MESSAGES);

    if (got > 0)
        add(&status(pager)->faults, got);
    for (int i = 0; i < got; i++)
        vpm_faults_answer(pager, (uint32_t)(offsets[i] / pager->page_size));
    return got;
}

static void read_ends(struct vpm_pager *pager)
{
    struct vpm_aio_end ends[MESSAGES];
    eventfd_t rung;
    int got;

    eventfd_read(pager->aio.bell, &rung);
    do {
        got = vpm_aio_reap(&pager->aio, ends, MESSAGES);
        for (int i = 0; i < got; i++)
            read_ended(pager, ends[i].opaque, ends[i].got);
    } while (got == MESSAGES);
}

void *vpm_reader_run(void *opaque)
{
    struct vpm_pager *pager = opaque;
    struct pollfd ready[] = {
        {.fd = pager->uffd.fd, .events = POLLIN},
        {.fd = pager->aio.bell, .events = POLLIN},
    };
    int got = 0;

    while (got >= 0) {
        serve_queue(pager);
        if (poll(ready, 2, -1) < 0)
            continue;
        if (ready[0].revents)
            got = read_faults(pager);
        /* Keep the disk busy while the reads that ended are handled. */
        serve_queue(pager);
        if (ready[1].revents)
            read_ends(pager);
    }
    got = errno;
    vpm_pager_say(pager, "faults cannot be read: %s", strerror(got));
    vpm_pager_report(pager, VPM_REGION_MAPPING, got, VPM_NONE, VPM_NONE);
    return NULL;
}
