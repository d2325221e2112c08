/* SPDX-License-Identifier: Apache-2.0 */
/* virtio.c -- legacy virtio devices on PCI, polled */
#include "virtio.h"

#include "guest.h"

#define VENDOR 0x1af4

/* PCI configuration space */
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define SLOTS 32
#define COMMAND 0x04
#define COMMAND_IO 1
#define COMMAND_MASTER 4
#define BAR0 0x10

/* Registers */
#define GUEST_FEATURES 0x04
#define QUEUE_ADDRESS 0x08
#define QUEUE_SIZE 0x0c
#define QUEUE_SELECT 0x0e
#define QUEUE_NOTIFY 0x10
#define STATUS 0x12
#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER 2
#define STATUS_DRIVER_OK 4

#define FLAG_NEXT 1
#define FLAG_WRITE 2
#define NO_INTERRUPT 1

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

struct available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[];
};

struct used {
    uint16_t flags;
    uint16_t index;
    struct {
        uint32_t id;
        uint32_t length;
    } ring[];
};

/* Of the largest queue that QEMU can have: its descriptors, what is available
 * and, from the next page on, what was used. */
#define SIZE_MOST 1024
#define RINGS_MOST (8 * PAGE)

static uint8_t rings[3][RINGS_MOST] __attribute__((aligned(4096)));
static int queues;

static uint32_t config_read(uint32_t slot, uint32_t offset)
{
    out32(CONFIG_ADDRESS, 0x80000000u | slot << 11 | offset);
    return in32(CONFIG_DATA);
}

static void config_write(uint32_t slot, uint32_t offset, uint32_t value)
{
    out32(CONFIG_ADDRESS, 0x80000000u | slot << 11 | offset);
    out32(CONFIG_DATA, value);
}

static uint16_t enable(uint32_t slot)
{
    uint16_t port = config_read(slot, BAR0) & 0xfffc;

    config_write(slot, COMMAND, COMMAND_IO | COMMAND_MASTER);
    out8(port + STATUS, 0);
    out8(port + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    out32(port + GUEST_FEATURES, 0);
    return port;
}

uint16_t virtio_find(uint16_t device_id)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (config_read(slot, 0) == ((uint32_t)device_id << 16 | VENDOR))
            return enable(slot);
    return 0;
}

void queue_init(struct queue *queue, uint16_t port, uint16_t number)
{
    uint32_t at = (uint32_t)rings[queues++];
    uint32_t size, available_at, used_at;

    out16(port + QUEUE_SELECT, number);
    size = in16(port + QUEUE_SIZE);
    if (size < PIECES_MOST || size > SIZE_MOST)
        wrong(WRONG_DEVICE, queue, PIECES_MOST, size);
    available_at = at + size * sizeof(struct descriptor);
    used_at = available_at + sizeof(struct available) + size * 2;
    used_at = (used_at + PAGE - 1) / PAGE * PAGE;
    *queue = (struct queue){
        .port = port, .number = number, .size = size,
        .free_count = size < QUEUE_LENGTH ? size : QUEUE_LENGTH,
        .descriptors = (struct descriptor *)at,
        .available = (struct available *)available_at,
        .used = (struct used *)used_at,
    };
    for (uint16_t i = 0; i < queue->free_count; i++)
        queue->descriptors[i].next = i + 1;
    queue->available->flags = NO_INTERRUPT;
    out32(port + QUEUE_ADDRESS, at / PAGE);
}

void virtio_ready(uint16_t port)
{
    out8(port + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER |
         STATUS_DRIVER_OK);
}

bool queue_takes(const struct queue *queue, uint16_t count)
{
    return queue->free_count >= count;
}

uint16_t queue_put(struct queue *queue, const struct piece *pieces,
                   int count)
{
    struct available *available = queue->available;
    uint16_t head = queue->free, index = available->index;

    for (int i = 0; i < count; i++) {
        struct descriptor *one = &queue->descriptors[queue->free];

        one->address = (uint32_t)pieces[i].address;
        one->length = pieces[i].length;
        one->flags = (pieces[i].device_writes ? FLAG_WRITE : 0) |
            (i + 1 < count ? FLAG_NEXT : 0);
        queue->free = one->next;
    }
    queue->free_count -= count;
    available->ring[index % queue->size] = head;
    __atomic_store_n(&available->index, index + 1, __ATOMIC_SEQ_CST);
    out16(queue->port + QUEUE_NOTIFY, queue->number);
    return head;
}

static void give_back(struct queue *queue, uint16_t head)
{
    struct descriptor *descriptors = queue->descriptors;
    uint16_t last = head;

    for (queue->free_count++; descriptors[last].flags & FLAG_NEXT;
         queue->free_count++)
        last = descriptors[last].next;
    descriptors[last].next = queue->free;
    queue->free = head;
}

int queue_get(struct queue *queue, uint32_t *length)
{
    struct used *used = queue->used;
    uint32_t id;

    if (__atomic_load_n(&used->index, __ATOMIC_ACQUIRE) == queue->seen)
        return -1;
    id = used->ring[queue->seen % queue->size].id;
    if (id >= QUEUE_LENGTH)
        wrong(WRONG_DEVICE, used, QUEUE_LENGTH, id);
    *length = used->ring[queue->seen % queue->size].length;
    queue->seen++;
    give_back(queue, (uint16_t)id);
    return (int)id;
}
