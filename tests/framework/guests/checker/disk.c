/* SPDX-License-Identifier: Apache-2.0 */
/* disk.c -- writes patterns to a disk and reads them back, many at once
 *
 * An *extent* of the disk has several pages, which lie anywhere in memory.  It
 * is read into other pages than it was written from. */
#include "guest.h"
#include "virtio.h"

#define EXTENTS_MOST 4096u
#define EXTENT_PAGES 4
#define SECTORS_PER_EXTENT (EXTENT_PAGES * PAGE / 512)
#define DEPTH 32              /* requests at once */
#define PIECES (EXTENT_PAGES + 2)

_Static_assert(PIECES <= PIECES_MOST, "every queue has to take them");

#define TYPE_READ 0
#define TYPE_WRITE 1
#define NO_STATUS 0xff

struct request {
    uint32_t type;            /* to here */
    uint32_t reserved;
    uint64_t sector;          /* it is virtio's header */
    uint8_t status;
    uint8_t busy;
    uint16_t number;          /* of the queue's buffer */
    uint32_t extent;
    void *pages[EXTENT_PAGES];
};

static uint16_t port;
static struct queue queue;
static uint32_t extents;
static uint32_t versions[EXTENTS_MOST];  /* 0: never written */
static uint8_t taken[EXTENTS_MOST];
static struct request requests[DEPTH];
static struct request *request_of[QUEUE_LENGTH];

void disk_init(void)
{
    port = virtio_find(VIRTIO_DISK);
    if (!port)
        return;
    extents = in32(port + VIRTIO_CONFIG) / SECTORS_PER_EXTENT;
    if (extents > EXTENTS_MOST)
        extents = EXTENTS_MOST;
    queue_init(&queue, port, 0);
    virtio_ready(port);
}

static uint32_t word_of(uint32_t extent, int page)
{
    return mix(extent * EXTENT_PAGES + (uint32_t)page, ~versions[extent]);
}

static void put(struct request *request)
{
    bool reads = request->type == TYPE_READ;
    struct piece pieces[PIECES] = {
        {&request->type, 16, false},
        [PIECES - 1] = {&request->status, 1, true},
    };

    for (int i = 0; i < EXTENT_PAGES; i++)
        pieces[i + 1] = (struct piece){request->pages[i], PAGE, reads};
    request->status = NO_STATUS;
    request_of[queue_put(&queue, pieces, PIECES)] = request;
}

static void start(struct request *request, uint32_t *random)
{
    uint32_t extent = next_random(random) % extents;

    if (taken[extent])
        return;
    taken[extent] = 1;
    request->busy = 1;
    request->extent = extent;
    request->sector = (uint64_t)extent * SECTORS_PER_EXTENT;
    request->type = versions[extent] && *random & 1024 ? TYPE_READ :
        TYPE_WRITE;
    for (int i = 0; i < EXTENT_PAGES; i++)
        request->pages[i] = buffer_take(random);
    if (request->type == TYPE_WRITE) {
        versions[extent]++;
        for (int i = 0; i < EXTENT_PAGES; i++)
            pattern_write(request->pages[i], PAGE_WORDS, word_of(extent, i));
    }
    put(request);
}

static void finish(struct request *request)
{
    if (request->status != 0)
        wrong(WRONG_DEVICE, &request->status, 0, request->status);
    for (int i = 0; i < EXTENT_PAGES; i++) {
        if (request->type == TYPE_READ)
            pattern_check(request->pages[i], PAGE_WORDS,
                          word_of(request->extent, i), WRONG_DISK);
        buffer_give(request->pages[i]);
    }
    if (request->type == TYPE_READ)
        report->disk_reads++;
    else
        report->disk_writes++;
    taken[request->extent] = 0;
    request->busy = 0;
}

void disk_step(uint32_t *random)
{
    uint32_t length;
    int number;

    if (!port)
        return;
    while ((number = queue_get(&queue, &length)) >= 0)
        finish(request_of[number]);
    if (!queue_takes(&queue, PIECES))
        return;
    for (int i = 0; i < DEPTH; i++) {
        if (!requests[i].busy) {
            start(&requests[i], random);
            return;
        }
    }
}
