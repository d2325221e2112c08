/* SPDX-License-Identifier: Apache-2.0 */
/* net.c -- sends frames with patterns, which somebody returns, and checks them
 *
 * Frames may get lost, as on any network, but not mixed up. */
#include "guest.h"
#include "virtio.h"

#define QUEUE_RECEIVE 0
#define QUEUE_SEND 1
#define DEPTH 32              /* frames at once, each way */
#define NET_HEADER 10         /* virtio's, without merged buffers */
#define FRAME 1514u

/* Of a frame: its bytes after the addresses and a type. */
#define NUMBER_AT 16
#define PATTERN_AT 20
#define WORDS ((FRAME - PATTERN_AT) / 4)

static uint16_t port;
static struct queue receive, send;
static uint8_t header[NET_HEADER];   /* asks for nothing */
static uint8_t headers[QUEUE_LENGTH][NET_HEADER];
static uint8_t *page_of[2][QUEUE_LENGTH];
static uint32_t sent, received;      /* numbers of the last frames */
static int sending, receiving;

void net_init(void)
{
    port = virtio_find(VIRTIO_NET);
    if (!port)
        return;
    queue_init(&receive, port, QUEUE_RECEIVE);
    queue_init(&send, port, QUEUE_SEND);
    virtio_ready(port);
}

static volatile uint32_t *number_of(uint8_t *page)
{
    return (volatile uint32_t *)(page + NUMBER_AT);
}

static void write_frame(uint8_t *page, uint32_t number)
{
    for (uint32_t i = 0; i < 12; i++)
        page[i] = 0xff;              /* to all, from anybody */
    page[12] = 0x88;                 /* a type for experiments */
    page[13] = 0xb5;
    *number_of(page) = number;
    pattern_write(page + PATTERN_AT, WORDS, mix(number, 0));
}

static void check_frame(uint8_t *page)
{
    uint32_t number = *number_of(page);

    if (number <= received || number > sent)
        wrong(WRONG_FRAME, number_of(page), received + 1, number);
    received = number;
    pattern_check(page + PATTERN_AT, WORDS, mix(number, 0), WRONG_FRAME);
    report->frames_received++;
}

static void start_receiving(uint32_t *random)
{
    uint8_t *page = buffer_take(random);
    struct piece pieces[2] = {
        {headers[receive.free], NET_HEADER, true}, {page, PAGE, true},
    };

    *number_of(page) = 0;
    page_of[QUEUE_RECEIVE][queue_put(&receive, pieces, 2)] = page;
    receiving++;
}

static void start_sending(uint32_t *random)
{
    uint8_t *page = buffer_take(random);
    struct piece pieces[2] = {
        {header, NET_HEADER, false}, {page, FRAME, false},
    };

    write_frame(page, ++sent);
    page_of[QUEUE_SEND][queue_put(&send, pieces, 2)] = page;
    sending++;
}

void net_step(uint32_t *random)
{
    uint32_t length;
    int number;

    if (!port)
        return;
    while ((number = queue_get(&receive, &length)) >= 0) {
        if (length != NET_HEADER + FRAME)
            wrong(WRONG_FRAME, &length, NET_HEADER + FRAME, length);
        check_frame(page_of[QUEUE_RECEIVE][number]);
        buffer_give(page_of[QUEUE_RECEIVE][number]);
        receiving--;
    }
    while ((number = queue_get(&send, &length)) >= 0) {
        buffer_give(page_of[QUEUE_SEND][number]);
        sending--;
        report->frames_sent++;
    }
    while (receiving < DEPTH && queue_takes(&receive, 2))
        start_receiving(random);
    if (sending < DEPTH && queue_takes(&send, 2))
        start_sending(random);
}
