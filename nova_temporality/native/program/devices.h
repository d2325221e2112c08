/* SPDX-License-Identifier: Apache-2.0 */
/* devices.h -- watches the devices that say how power is
 *
 * Each has a thread of its own, at the engine's priority: one that is slow to
 * answer holds no other up.  When a device says that power fails, its thread
 * fires as it was told to, whether there is a client or not.
 * What clients decide (of several sources, of power that is back) is theirs:
 * they are told everything, and the latest words are remembered for them. */
#ifndef VPM_DEVICES_H
#define VPM_DEVICES_H

#include <pthread.h>

#include "device_methods.h"
#include "pulse.h"

/* What one process knows of a device, and the next one has to know. */
struct vpm_device_memory {
    struct vpm_watch watch;
    struct vpm_word condition;  /* the latest that lasts; without a detail:
                                 * none */
    uint64_t heard_ns;          /* CLOCK_REALTIME, or 0 */
    uint64_t since_ns;          /* since when it says that power fails; or 0 */
    uint64_t due_ns;            /* when that counts; or 0 */
    uint64_t committed;         /* sequence of the latest such word, or 0 */
    uint64_t settle_ns;         /* fired; it is acknowledged by then; or 0 */
};

struct vpm_devices_memory {
    struct vpm_device_memory devices[VPM_DEVICES];
    struct vpm_word latest[VPM_WORDS_MAX];
    uint64_t count;             /* of all words so far */
    uint64_t told;              /* how many some client has heard of; the main
                                 * thread's */
};

struct vpm_devices;

/* A device, as this process has it. */
struct vpm_watched {
    struct vpm_devices *devices;
    uint32_t number;
    int wake_fd;                /* eventfd(2), for the thread */
    int fd;                     /* -1: not open */
    uint64_t turn;              /* another one whenever *fd* is another one */
    uint64_t again_ns;          /* when it is looked at again; not open: when
                                 * that is tried again */
    uint64_t waits_ns;          /* since when the thread waits for the device;
                                 * or 0 */
    struct vpm_pulse pulse;     /* of the thread */
};

struct vpm_devices {
    struct vpm_engine *engine;
    int told_fd;                /* eventfd(2), written to at each word */
    pthread_mutex_t lock;       /* of all that follows; it inherits priority */
    struct vpm_devices_memory memory;
    struct vpm_watched watched[VPM_DEVICES];
    bool holds;                 /* nothing is read and nothing is fired */
};

int vpm_devices_init(struct vpm_devices *devices, struct vpm_engine *engine,
                     int told_fd, struct vpm_error *err);

/* Starts the threads, which end with the process. */
int vpm_devices_start(struct vpm_devices *devices, uint32_t priority,
                      struct vpm_error *err);

/* Sets what is watched, and what is done then.  The number must be one of a
 * device. */
void vpm_devices_watch(struct vpm_devices *devices, uint32_t number,
                       const struct vpm_watch *watch);

/* When the device was heard last (CLOCK_REALTIME), or 0.  One that does not
 * answer is lost, when somebody asks for this. */
uint64_t vpm_devices_heard_ns(struct vpm_devices *devices, uint32_t number);

/* Until when a fixation that a device began has to be acknowledged to the
 * driver; 0 when there is none. */
uint64_t vpm_devices_unsettled_ns(struct vpm_devices *devices);

/* Tells the driver that all is saved, if it has said that power fails. */
int vpm_devices_acknowledge(struct vpm_devices *devices,
                            struct vpm_error *err);

/* From now on nothing is read, so that another process can; until that is
 * taken back.  The devices keep what they have to say. */
void vpm_devices_hold(struct vpm_devices *devices);
void vpm_devices_release(struct vpm_devices *devices);

/* Releases what the other process may have taken over before it failed. */
void vpm_devices_regain(struct vpm_devices *devices);

/* Takes over what another process knew; before the threads are started.
 * *fds* are those of devices, or -1. */
void vpm_devices_import(struct vpm_devices *devices,
                        const struct vpm_devices_memory *memory,
                        const int *fds);

/* Copies the first word after *seen* of them that is remembered; returns how
 * many have been seen then, or 0 when there is no other. */
uint64_t vpm_devices_next(struct vpm_devices *devices, uint64_t seen,
                          struct vpm_word *found);

/* Copies how power is as a device says it, as of now.  False when that is not
 * known, or is among the words after *seen*. */
bool vpm_devices_condition(struct vpm_devices *devices, uint32_t number,
                           uint64_t seen, struct vpm_word *found);

/* Whether all threads have worked since the last call, which must be some
 * seconds ago: they work every second.  One that waits for its device does
 * not count. */
bool vpm_devices_work(struct vpm_devices *devices);

#endif
