/* SPDX-License-Identifier: Apache-2.0 */
/* virtio.h -- legacy virtio devices on PCI (virtio 1.2, sections 2.7, 4.1) */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_NET 0x1000     /* PCI device ids */
#define VIRTIO_DISK 0x1001
#define QUEUE_LENGTH 256u     /* descriptors that are used, at most */
#define PIECES_MOST 6u        /* of a buffer: so many a device has to take */
#define VIRTIO_CONFIG 0x14    /* where a device's own registers begin */

struct queue {
    uint16_t port;            /* of the device */
    uint16_t number;
    uint16_t size;            /* the device's, which cannot be changed */
    uint16_t seen;            /* used entries that were */
    uint16_t free;            /* head of the list of free descriptors */
    uint16_t free_count;
    struct descriptor *descriptors;
    struct available *available;
    struct used *used;
};

struct piece {
    void *address;
    uint32_t length;
    bool device_writes;
};

/* Finds a device, tells it that its driver is there and wants no features.
 * Returns its port, or 0 when it is not there. */
uint16_t virtio_find(uint16_t device_id);

/* Gives a device one of its queues; then tells it that all is ready. */
void queue_init(struct queue *queue, uint16_t port, uint16_t number);
void virtio_ready(uint16_t port);

/* Whether a buffer of *count* pieces can be given to a device now. */
bool queue_takes(const struct queue *queue, uint16_t count);

/* Gives a device a buffer of *count* pieces, which its queue_takes().  Returns its number. */
uint16_t queue_put(struct queue *queue, const struct piece *pieces,
                   int count);

/* The number of a buffer that the device is done with, or -1; and how much
 * it wrote. */
int queue_get(struct queue *queue, uint32_t *length);

/* Ports of x86. */
static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

#endif
