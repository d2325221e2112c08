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
#include "gpio_line.h"
#include "pod_driver.h"
#include "realtime.h"

#define SECOND_NS ((uint64_t)1000000000)

/* Until a device that is missing is looked for again. */
#define AGAIN_NS (5 * SECOND_NS)
/* Until one that is there is looked at again. */
#define LOOK_NS SECOND_NS
/* Until one that does not answer is lost. */
#define SILENT_NS (2 * SECOND_NS)

static const struct vpm_device_methods *const methods[VPM_DEVICES] = {
    [VPM_DEVICE_POD] = &vpm_pod_device, [VPM_DEVICE_GPIO] = &vpm_gpio_device};

static struct vpm_device_memory *memory_of(const struct vpm_watched *watched)
{
    return &watched->devices->memory.devices[watched->number];
}

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

static void take(const struct vpm_watched *watched, struct vpm_word *word)
{
    struct vpm_devices *devices = watched->devices;
    struct vpm_device_memory *known = memory_of(watched);

    word->device = watched->number;
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

static void set_fd(struct vpm_watched *watched, int fd)
{
    if (watched->fd >= 0)
        close(watched->fd);
    watched->fd = fd;
    watched->turn++;
    watched->again_ns = 0;
}

/* It is told once, and not with each attempt. */
static void lose(struct vpm_watched *watched, const struct vpm_error *err)
{
    struct vpm_device_memory *known = memory_of(watched);
    struct vpm_word word = {
        .wall_ns = vpm_now_ns(CLOCK_REALTIME),
        .monotonic_ns = vpm_now_ns(CLOCK_MONOTONIC), .level = VPM_LEVEL_LOST};

    set_fd(watched, -1);
    watched->again_ns = word.monotonic_ns + AGAIN_NS;
    /* Another driver would not know of it. */
    known->committed = known->settle_ns = 0;
    snprintf(word.detail, sizeof(word.detail), "%.*s", VPM_DETAIL_MAX,
             err->message);
    if (known->condition.level != VPM_LEVEL_LOST ||
        strcmp(known->condition.detail, word.detail) != 0)
        take(watched, &word);
}

/* Of a device that is looked at only changes count. */
static void hear(const struct vpm_watched *watched, struct vpm_word *word)
{
    struct vpm_device_memory *known = memory_of(watched);

    if (word->level != VPM_LEVEL_LOST)
        known->heard_ns = vpm_now_ns(CLOCK_REALTIME);
    if (!methods[watched->number]->look || !known->condition.detail[0] ||
        known->condition.level != word->level)
        take(watched, word);
}

/* Whether there was anything. */
static bool read_device(struct vpm_watched *watched)
{
    struct vpm_word words[VPM_WORDS_MAX];
    struct vpm_error err;
    uint32_t count = 0;
    int rc = methods[watched->number]->read(
        watched->fd, &memory_of(watched)->watch, words, &count, &err);

    for (uint32_t i = 0; i < count; i++)
        hear(watched, &words[i]);
    if (rc < 0)
        lose(watched, &err);
    return count || rc < 0;
}

/* -- what may wait; without the lock -------------------------------------- */

/* Returns which turn it is. */
static uint64_t begin_to_wait(struct vpm_watched *watched)
{
    uint64_t turn = watched->turn;

    watched->waits_ns = vpm_now_ns(CLOCK_MONOTONIC);
    pthread_mutex_unlock(&watched->devices->lock);
    return turn;
}

/* Whether what was begun then is still of use. */
static bool end_to_wait(struct vpm_watched *watched, uint64_t turn)
{
    pthread_mutex_lock(&watched->devices->lock);
    watched->waits_ns = 0;
    /* It was lost, and answers again. */
    if (watched->turn != turn)
        watched->again_ns = 0;
    return !watched->devices->holds && watched->turn == turn;
}

static void open_device(struct vpm_watched *watched)
{
    const struct vpm_watch watch = memory_of(watched)->watch;
    uint64_t turn = begin_to_wait(watched);
    struct vpm_error err;
    int fd = methods[watched->number]->open(&watch, &err);

    if (!end_to_wait(watched, turn)) {
        if (fd >= 0)
            close(fd);
    } else if (fd < 0) {
        lose(watched, &err);
    } else {
        set_fd(watched, fd);
        memory_of(watched)->heard_ns = vpm_now_ns(CLOCK_REALTIME);
    }
}

/* By a descriptor that nobody closes meanwhile.  What the device says by itself
 * is not older than what was seen, and has its own instant. */
static void look_at(struct vpm_watched *watched)
{
    const struct vpm_watch watch = memory_of(watched)->watch;
    int fd = fcntl(watched->fd, F_DUPFD_CLOEXEC, 0);
    struct vpm_error err;
    struct vpm_word word;
    uint64_t turn;
    int rc;

    watched->again_ns = vpm_now_ns(CLOCK_MONOTONIC) + LOOK_NS;
    if (fd < 0)
        return;
    turn = begin_to_wait(watched);
    rc = methods[watched->number]->look(fd, &watch, &word, &err);
    close(fd);
    if (!end_to_wait(watched, turn))
        return;
    if (rc < 0)
        lose(watched, &err);
    else if (!read_device(watched))
        hear(watched, &word);
}

/* -- the threads ---------------------------------------------------------- */

static bool is_due(const struct vpm_watched *watched)
{
    return vpm_now_ns(CLOCK_MONOTONIC) >= watched->again_ns;
}

/* What may wait comes last: all may be held afterwards. */
static void see_to(struct vpm_watched *watched)
{
    bool looks = methods[watched->number]->look;

    if (!memory_of(watched)->watch.path[0])
        return;
    if (watched->fd >= 0)
        read_device(watched);
    fire_due(watched->devices, memory_of(watched));
    if (watched->fd < 0 && is_due(watched))
        open_device(watched);
    if (watched->fd >= 0 && looks && is_due(watched))
        look_at(watched);
}

static void wait_at_most(uint64_t *wait_ns, uint64_t until_ns)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);
    uint64_t left = until_ns > now ? until_ns - now : 0;

    if (left < *wait_ns)
        *wait_ns = left;
}

/* Returns how long there is nothing to do, unless a descriptor is ready. */
static uint64_t prepare(struct vpm_watched *watched, struct pollfd *ready)
{
    struct vpm_devices *devices = watched->devices;
    const struct vpm_device_memory *known = memory_of(watched);
    uint64_t wait_ns = SECOND_NS;

    pthread_mutex_lock(&devices->lock);
    *ready = (struct pollfd){.fd = devices->holds ? -1 : watched->fd,
                             .events = POLLIN};
    if (!devices->holds && known->watch.path[0]) {
        if (watched->fd < 0 || methods[watched->number]->look)
            wait_at_most(&wait_ns, watched->again_ns);
        if (known->due_ns)
            wait_at_most(&wait_ns, known->due_ns);
    }
    pthread_mutex_unlock(&devices->lock);
    return wait_ns;
}

static void *work(void *opaque)
{
    struct vpm_watched *watched = opaque;
    struct vpm_devices *devices = watched->devices;
    struct pollfd fds[2] = {[1] = {.fd = watched->wake_fd, .events = POLLIN}};
    eventfd_t ignored;

    for (;;) {
        uint64_t wait_ns = prepare(watched, &fds[0]);
        const struct timespec wait = {
            .tv_sec = (time_t)(wait_ns / SECOND_NS),
            .tv_nsec = (long)(wait_ns % SECOND_NS)};

        ppoll(fds, 2, &wait, NULL);
        eventfd_read(watched->wake_fd, &ignored);
        pthread_mutex_lock(&devices->lock);
        if (!devices->holds)
            see_to(watched);
        pthread_mutex_unlock(&devices->lock);
        vpm_pulse_beat(&watched->pulse);
    }
    return NULL;
}

int vpm_devices_init(struct vpm_devices *devices, struct vpm_engine *engine,
                     int told_fd, struct vpm_error *err)
{
    memset(devices, 0, sizeof(*devices));
    devices->engine = engine;
    devices->told_fd = told_fd;
    vpm_realtime_init_lock(&devices->lock);
    for (uint32_t i = 0; i < VPM_DEVICES; i++) {
        devices->watched[i] = (struct vpm_watched){
            .devices = devices, .number = i, .fd = -1,
            .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        vpm_pulse_init(&devices->watched[i].pulse);
        if (devices->watched[i].wake_fd < 0)
            return vpm_fail_errno(err, "cannot prepare for devices");
    }
    return VPM_OK;
}

int vpm_devices_start(struct vpm_devices *devices, uint32_t priority,
                      struct vpm_error *err)
{
    for (int i = 0; i < VPM_DEVICES; i++) {
        pthread_t thread;

        errno = pthread_create(&thread, NULL, work, &devices->watched[i]);
        if (errno)
            return vpm_fail_errno(err, "cannot start a thread that watches a "
                                  "device");
        /* A failure was told by vpm_engine_open, as that of its threads. */
        vpm_realtime_set_priority(thread, priority);
    }
    return VPM_OK;
}

bool vpm_devices_work(struct vpm_devices *devices)
{
    bool work = true;

    pthread_mutex_lock(&devices->lock);
    for (int i = 0; i < VPM_DEVICES; i++)
        work &= vpm_pulse_works(&devices->watched[i].pulse) ||
            devices->watched[i].waits_ns;
    pthread_mutex_unlock(&devices->lock);
    return work;
}

/* -- for the main thread -------------------------------------------------- */

static bool is_same(const struct vpm_watch *one, const struct vpm_watch *other)
{
    return one->signal == other->signal &&
           one->gpio_line == other->gpio_line &&
           one->gpio_active_low == other->gpio_active_low &&
           one->gpio_debounce_us == other->gpio_debounce_us &&
           strcmp(one->path, other->path) == 0;
}

void vpm_devices_watch(struct vpm_devices *devices, uint32_t number,
                       const struct vpm_watch *watch)
{
    struct vpm_watched *watched = &devices->watched[number];
    struct vpm_device_memory *known = memory_of(watched);

    pthread_mutex_lock(&devices->lock);
    if (!is_same(&known->watch, watch)) {
        set_fd(watched, -1);
        memset(known, 0, sizeof(*known));
    }
    known->watch = *watch;
    pthread_mutex_unlock(&devices->lock);
    eventfd_write(watched->wake_fd, 1);
}

/* With the lock held. */
static void lose_if_silent(struct vpm_watched *watched)
{
    const char *path = memory_of(watched)->watch.path;
    struct vpm_error err;

    if (!path[0] || !watched->waits_ns ||
        vpm_now_ns(CLOCK_MONOTONIC) - watched->waits_ns < SILENT_NS)
        return;
    vpm_fail(&err, VPM_ETIMEDOUT, "%s does not answer", path);
    lose(watched, &err);
}

uint64_t vpm_devices_heard_ns(struct vpm_devices *devices, uint32_t number)
{
    uint64_t heard_ns;

    pthread_mutex_lock(&devices->lock);
    lose_if_silent(&devices->watched[number]);
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
    fd = sequence ? fcntl(devices->watched[VPM_DEVICE_POD].fd,
                          F_DUPFD_CLOEXEC, 0) : -1;
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
    for (int i = 0; i < VPM_DEVICES; i++)
        eventfd_write(devices->watched[i].wake_fd, 1);
}

/* With the lock held. */
static void adopt(struct vpm_devices *devices)
{
    for (int i = 0; i < VPM_DEVICES; i++) {
        struct vpm_watched *watched = &devices->watched[i];
        const struct vpm_watch *watch = &memory_of(watched)->watch;
        struct vpm_error err;

        if (watched->fd >= 0 && methods[i]->adopt &&
            methods[i]->adopt(watched->fd, watch, &err) < 0)
            lose(watched, &err);
    }
}

void vpm_devices_regain(struct vpm_devices *devices)
{
    pthread_mutex_lock(&devices->lock);
    adopt(devices);
    pthread_mutex_unlock(&devices->lock);
    vpm_devices_release(devices);
}

void vpm_devices_import(struct vpm_devices *devices,
                        const struct vpm_devices_memory *memory,
                        const int *fds)
{
    pthread_mutex_lock(&devices->lock);
    devices->memory = *memory;
    for (int i = 0; i < VPM_DEVICES; i++)
        set_fd(&devices->watched[i], fds[i]);
    adopt(devices);
    pthread_mutex_unlock(&devices->lock);
}
