/* SPDX-License-Identifier: Apache-2.0 */
/* devices.c -- watches the devices that say how power is */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "pod_driver.h"
#include "realtime.h"

#define SECOND_NS ((uint64_t)1000000000)

/* Until a device that is missing is looked for again. */
#define AGAIN_NS (5 * SECOND_NS)

/* -- what a device says; all of it with the lock held --------------------- */

static void fire(struct vpm_devices *devices, struct vpm_device_memory *known,
                 const struct vpm_word *word, uint64_t monotonic_ns)
{
    struct vpm_event event = {
        .wall_ns = word->wall_ns + (monotonic_ns - word->monotonic_ns),
        .monotonic_ns = monotonic_ns,
        .deadline_ns = monotonic_ns + known->watch.timeout_ns};

    if (!known->watch.raised_by[0])
        return;
    memcpy(event.raised_by, known->watch.raised_by, sizeof(event.raised_by));
    vpm_engine_fire(devices->engine, &event);
    eventfd_write(devices->told_fd, 1);
    if (known->committed)
        known->settle_ns = event.deadline_ns;
}

static void fire_due(struct vpm_devices *devices,
                     struct vpm_device_memory *known)
{
    uint64_t due_ns = known->due_ns;

    if (!due_ns || due_ns > vpm_now_ns(CLOCK_MONOTONIC))
        return;
    known->due_ns = 0;
    fire(devices, known, &known->condition, due_ns);
}

static void remember(struct vpm_devices *devices, const struct vpm_word *word)
{
    struct vpm_devices_memory *memory = &devices->memory;

    memory->latest[memory->count++ % VPM_WORDS_MAX] = *word;
    eventfd_write(devices->told_fd, 1);
}

static void take(struct vpm_devices *devices, uint32_t number,
                 struct vpm_word *word)
{
    struct vpm_device_memory *known = &devices->memory.devices[number];

    word->device = number;
    if (word->level == VPM_LEVEL_COMMIT)
        known->committed = word->sequence;
    if (!word->momentary)
        known->condition = *word;
    if (word->momentary && word->level == VPM_LEVEL_COMMIT) {
        fire(devices, known, word, word->monotonic_ns);
    } else if (word->level == VPM_LEVEL_COMMIT) {
        if (!known->since_ns)
            known->since_ns = word->monotonic_ns;
        known->due_ns = known->since_ns + known->watch.debounce_ns;
        if (known->due_ns < word->monotonic_ns)
            known->due_ns = word->monotonic_ns;
        fire_due(devices, known);
    } else if (!word->momentary) {
        known->since_ns = known->due_ns = 0;
    }
    remember(devices, word);
}

/* It is told once, and not with each attempt. */
static void lose(struct vpm_devices *devices, uint32_t number,
                 const struct vpm_error *err)
{
    struct vpm_device_memory *known = &devices->memory.devices[number];
    struct vpm_word word = {
        .wall_ns = vpm_now_ns(CLOCK_REALTIME),
        .monotonic_ns = vpm_now_ns(CLOCK_MONOTONIC), .level = VPM_LEVEL_LOST};

    if (devices->fds[number] >= 0)
        close(devices->fds[number]);
    devices->fds[number] = -1;
    devices->again_ns[number] = word.monotonic_ns + AGAIN_NS;
    /* Another driver would not know of it. */
    known->committed = known->settle_ns = 0;
    snprintf(word.detail, sizeof(word.detail), "%.*s", VPM_DETAIL_MAX,
             err->message);
    if (known->condition.level != VPM_LEVEL_LOST ||
        strcmp(known->condition.detail, word.detail) != 0)
        take(devices, number, &word);
}

static void open_device(struct vpm_devices *devices, uint32_t number)
{
    struct vpm_device_memory *known = &devices->memory.devices[number];
    struct vpm_error err;
    int fd = vpm_pod_open(&known->watch, &err);

    if (fd < 0) {
        lose(devices, number, &err);
        return;
    }
    devices->fds[number] = fd;
    known->heard_ns = vpm_now_ns(CLOCK_REALTIME);
}

static void read_device(struct vpm_devices *devices, uint32_t number)
{
    struct vpm_device_memory *known = &devices->memory.devices[number];
    struct vpm_word words[VPM_WORDS_MAX];
    struct vpm_error err;
    uint32_t count = 0;
    int rc = vpm_pod_read(devices->fds[number], words, VPM_WORDS_MAX, &count,
                          &err);

    for (uint32_t i = 0; i < count; i++) {
        if (words[i].level != VPM_LEVEL_LOST)
            known->heard_ns = vpm_now_ns(CLOCK_REALTIME);
        take(devices, number, &words[i]);
    }
    if (rc < 0)
        lose(devices, number, &err);
}

static void see_to(struct vpm_devices *devices, uint32_t number)
{
    struct vpm_device_memory *known = &devices->memory.devices[number];

    if (!known->watch.path[0])
        return;
    if (devices->fds[number] < 0 &&
        vpm_now_ns(CLOCK_MONOTONIC) >= devices->again_ns[number])
        open_device(devices, number);
    if (devices->fds[number] >= 0)
        read_device(devices, number);
    fire_due(devices, known);
}

/* -- the thread ----------------------------------------------------------- */

static void wait_at_most(uint64_t *wait_ns, uint64_t until_ns)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);
    uint64_t left = until_ns > now ? until_ns - now : 0;

    if (left < *wait_ns)
        *wait_ns = left;
}

/* Returns how long there is nothing to do, unless a descriptor is ready. */
static uint64_t prepare(struct vpm_devices *devices, struct pollfd *fds)
{
    uint64_t wait_ns = SECOND_NS;

    pthread_mutex_lock(&devices->lock);
    for (uint32_t i = 0; i < VPM_DEVICES; i++) {
        const struct vpm_device_memory *known = &devices->memory.devices[i];
        int fd = devices->holds ? -1 : devices->fds[i];

        fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
        if (devices->holds || !known->watch.path[0])
            continue;
        if (fd < 0)
            wait_at_most(&wait_ns, devices->again_ns[i]);
        if (known->due_ns)
            wait_at_most(&wait_ns, known->due_ns);
    }
    pthread_mutex_unlock(&devices->lock);
    return wait_ns;
}

static void *work(void *opaque)
{
    struct vpm_devices *devices = opaque;
    struct pollfd fds[VPM_DEVICES + 1];
    eventfd_t ignored;

    fds[VPM_DEVICES] = (struct pollfd){.fd = devices->wake_fd,
                                       .events = POLLIN};
    for (;;) {
        uint64_t wait_ns = prepare(devices, fds);
        const struct timespec wait = {
            .tv_sec = (time_t)(wait_ns / SECOND_NS),
            .tv_nsec = (long)(wait_ns % SECOND_NS)};

        ppoll(fds, VPM_DEVICES + 1, &wait, NULL);
        eventfd_read(devices->wake_fd, &ignored);
        pthread_mutex_lock(&devices->lock);
        for (uint32_t i = 0; i < VPM_DEVICES && !devices->holds; i++)
            see_to(devices, i);
        pthread_mutex_unlock(&devices->lock);
        __atomic_add_fetch(&devices->beats, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

int vpm_devices_init(struct vpm_devices *devices, struct vpm_engine *engine,
                     int told_fd, struct vpm_error *err)
{
    pthread_mutexattr_t mutex;

    memset(devices, 0, sizeof(*devices));
    devices->engine = engine;
    devices->told_fd = told_fd;
    devices->beats_seen = UINT64_MAX;
    for (int i = 0; i < VPM_DEVICES; i++)
        devices->fds[i] = -1;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setprotocol(&mutex, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&devices->lock, &mutex);
    pthread_mutexattr_destroy(&mutex);
    devices->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (devices->wake_fd < 0)
        return vpm_fail_errno(err, "cannot prepare for devices");
    return VPM_OK;
}

int vpm_devices_start(struct vpm_devices *devices, uint32_t priority,
                      struct vpm_error *err)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, work, devices);
    if (errno)
        return vpm_fail_errno(err, "cannot start the thread that watches "
                              "devices");
    /* A failure was told by vpm_engine_open, as that of its threads. */
    vpm_realtime_set_priority(thread, priority);
    return VPM_OK;
}

bool vpm_devices_work(struct vpm_devices *devices)
{
    uint64_t beats = __atomic_load_n(&devices->beats, __ATOMIC_RELAXED);
    bool works = beats != devices->beats_seen;

    devices->beats_seen = beats;
    return works;
}

/* -- for the main thread -------------------------------------------------- */

static bool is_same(const struct vpm_watch *one, const struct vpm_watch *other)
{
    return one->signal == other->signal && strcmp(one->path, other->path) == 0;
}

void vpm_devices_watch(struct vpm_devices *devices, uint32_t number,
                       const struct vpm_watch *watch)
{
    struct vpm_device_memory *known = &devices->memory.devices[number];

    pthread_mutex_lock(&devices->lock);
    if (!is_same(&known->watch, watch)) {
        if (devices->fds[number] >= 0)
            close(devices->fds[number]);
        devices->fds[number] = -1;
        devices->again_ns[number] = 0;
        memset(known, 0, sizeof(*known));
    }
    known->watch = *watch;
    pthread_mutex_unlock(&devices->lock);
    eventfd_write(devices->wake_fd, 1);
}

uint64_t vpm_devices_heard_ns(struct vpm_devices *devices, uint32_t number)
{
    uint64_t heard_ns;

    pthread_mutex_lock(&devices->lock);
    heard_ns = devices->memory.devices[number].heard_ns;
    pthread_mutex_unlock(&devices->lock);
    return heard_ns;
}

uint64_t vpm_devices_unsettled_ns(struct vpm_devices *devices)
{
    uint64_t until_ns;

    pthread_mutex_lock(&devices->lock);
    until_ns = devices->memory.devices[VPM_DEVICE_POD].settle_ns;
    pthread_mutex_unlock(&devices->lock);
    return until_ns;
}

/* The driver takes its time, in which the thread shall go on: it is told by a
 * descriptor that nobody closes meanwhile. */
int vpm_devices_acknowledge(struct vpm_devices *devices, struct vpm_error *err)
{
    struct vpm_device_memory *known = &devices->memory.devices[VPM_DEVICE_POD];
    uint64_t sequence;
    int fd, rc;

    pthread_mutex_lock(&devices->lock);
    sequence = known->committed;
    known->settle_ns = 0;
    fd = sequence ? fcntl(devices->fds[VPM_DEVICE_POD], F_DUPFD_CLOEXEC, 0) :
        -1;
    pthread_mutex_unlock(&devices->lock);
    if (!sequence)
        return VPM_OK;
    if (fd < 0)
        return vpm_fail_errno(err, "the POD driver cannot be told that all is "
                              "saved");
    rc = vpm_pod_acknowledge(fd, sequence, err);
    close(fd);
    return rc;
}

uint64_t vpm_devices_next(struct vpm_devices *devices, uint64_t seen,
                          struct vpm_word *found)
{
    const struct vpm_devices_memory *memory = &devices->memory;
    uint64_t next = 0;

    pthread_mutex_lock(&devices->lock);
    if (memory->count > seen + VPM_WORDS_MAX)
        seen = memory->count - VPM_WORDS_MAX;
    if (seen < memory->count) {
        *found = memory->latest[seen % VPM_WORDS_MAX];
        next = seen + 1;
    }
    pthread_mutex_unlock(&devices->lock);
    return next;
}

bool vpm_devices_condition(struct vpm_devices *devices, uint32_t number,
                           uint64_t seen, struct vpm_word *found)
{
    const struct vpm_devices_memory *memory = &devices->memory;
    bool is_to_come = false;

    pthread_mutex_lock(&devices->lock);
    *found = memory->devices[number].condition;
    for (uint64_t i = memory->count; i-- > seen &&
         i + VPM_WORDS_MAX >= memory->count;)
        is_to_come |= memory->latest[i % VPM_WORDS_MAX].device == number;
    pthread_mutex_unlock(&devices->lock);
    found->wall_ns = vpm_now_ns(CLOCK_REALTIME);
    found->monotonic_ns = vpm_now_ns(CLOCK_MONOTONIC);
    return found->detail[0] && !is_to_come;
}

/* -- while another process takes over ------------------------------------- */

void vpm_devices_hold(struct vpm_devices *devices)
{
    pthread_mutex_lock(&devices->lock);
    devices->holds = true;
    pthread_mutex_unlock(&devices->lock);
}

void vpm_devices_release(struct vpm_devices *devices)
{
    pthread_mutex_lock(&devices->lock);
    devices->holds = false;
    pthread_mutex_unlock(&devices->lock);
    eventfd_write(devices->wake_fd, 1);
}

/* Signals of the driver go to this process then.  With the lock held. */
static void become_notifier(struct vpm_devices *devices)
{
    const struct vpm_watch *watch =
        &devices->memory.devices[VPM_DEVICE_POD].watch;
    int fd = devices->fds[VPM_DEVICE_POD];
    struct vpm_error err;

    if (fd >= 0 && vpm_pod_register(fd, watch, &err) < 0)
        lose(devices, VPM_DEVICE_POD, &err);
}

void vpm_devices_regain(struct vpm_devices *devices)
{
    pthread_mutex_lock(&devices->lock);
    become_notifier(devices);
    pthread_mutex_unlock(&devices->lock);
    vpm_devices_release(devices);
}

void vpm_devices_import(struct vpm_devices *devices,
                        const struct vpm_devices_memory *memory,
                        const int *fds)
{
    pthread_mutex_lock(&devices->lock);
    devices->memory = *memory;
    memcpy(devices->fds, fds, sizeof(devices->fds));
    become_notifier(devices);
    pthread_mutex_unlock(&devices->lock);
}
