/* SPDX-License-Identifier: Apache-2.0 */
/* pod_driver.c -- speaks with the kernel driver of the power outage detector
 */
#include "pod_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "pod.h"

static int check(int fd, struct vpm_error *err)
{
    struct pod_info info;

    if (ioctl(fd, POD_INFO, &info) < 0)
        return vpm_fail_errno(err, "the POD driver cannot say what it is");
    if (info.abi != POD_ABI)
        return vpm_fail(err, VPM_EVERSION, "the driver has ABI %" PRIu32
                        " instead of %d; install the driver of this version",
                        info.abi, POD_ABI);
    if (!info.inputs)
        return vpm_fail(err, VPM_EINVAL, "the POD driver watches nothing; load "
                        "it with gpio_chip and gpio_line, or nmi");
    return VPM_OK;
}

static int become_notifier(int fd, const struct vpm_watch *watch,
                           struct vpm_error *err)
{
    const struct pod_registration registration = {
        .abi = POD_ABI, .signal = watch->signal};

    if (ioctl(fd, POD_REGISTER, &registration) == 0)
        return VPM_OK;
    if (errno == EBUSY)
        return vpm_fail(err, VPM_EEXIST, "another process is the notifier of "
                        "the driver; /sys/class/misc/pod/notifier has its id");
    return vpm_fail_errno(err, "the POD driver cannot register the engine");
}

static int open_driver(const struct vpm_watch *watch, struct vpm_error *err)
{
    int fd = open(watch->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return vpm_fail_errno(err, "the POD driver cannot be opened; load it "
                              "(\"modprobe pod\"): %s", watch->path);
    if (check(fd, err) == VPM_OK && become_notifier(fd, watch, err) == VPM_OK)
        return fd;
    close(fd);
    return err->code;
}

static const char *origin(uint32_t number)
{
    switch (number) {
    case POD_ORIGIN_LINE:
        return "a line";
    case POD_ORIGIN_NMI:
        return "an NMI";
    case POD_ORIGIN_TEST:
        return "the test trigger";
    default:
        return "unknown";
    }
}

static struct vpm_word to_word(const struct pod_event *event)
{
    struct vpm_word word = {
        .wall_ns = (uint64_t)event->realtime_ns,
        .monotonic_ns = (uint64_t)event->monotonic_ns,
        .sequence = event->sequence, .level = event->level,
        .momentary = event->origin == POD_ORIGIN_NMI};
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);
    int used;

    /* The state may be old; the time that a fixation may take counts from now.
     * What lies ahead would not be fired. */
    if (event->flags & POD_EVENT_STATE || event->monotonic_ns < 0 ||
        word.monotonic_ns > now) {
        word.wall_ns = vpm_now_ns(CLOCK_REALTIME);
        word.monotonic_ns = now;
    }
    used = snprintf(word.detail, sizeof(word.detail), "POD driver, %s",
                    origin(event->origin));
    if (event->missed)
        snprintf(word.detail + used, sizeof(word.detail) - (size_t)used,
                 " (%" PRIu32 " events before were lost: they came faster than "
                 "they were read)", event->missed);
    return word;
}

static int read_events(int fd, const struct vpm_watch *watch,
                       struct vpm_word *words, uint32_t *count,
                       struct vpm_error *err)
{
    struct pod_event events[VPM_WORDS_MAX];
    ssize_t got = read(fd, events, sizeof(events));

    (void)watch;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return VPM_OK;
    if (got < 0)
        return vpm_fail_errno(err, "no events of the POD driver can be read");
    if (!got || (size_t)got % sizeof(events[0]))
        return vpm_fail(err, VPM_EINVAL, "the POD driver says %zd bytes, which "
                        "are not events", got);
    for (size_t i = 0; i < (size_t)got / sizeof(events[0]); i++) {
        if (events[i].level > POD_COMMIT)
            return vpm_fail(err, VPM_EINVAL, "the POD driver reports the "
                            "unknown level %" PRIu32, events[i].level);
        words[(*count)++] = to_word(&events[i]);
    }
    return VPM_OK;
}

int vpm_pod_acknowledge(int fd, uint64_t sequence, struct vpm_error *err)
{
    if (ioctl(fd, POD_ACKNOWLEDGE, &sequence) == 0 || errno == EALREADY)
        return VPM_OK;
    return vpm_fail_errno(err, "the POD driver cannot take the "
                          "acknowledgement");
}

const struct vpm_device_methods vpm_pod_device = {
    .open = open_driver, .adopt = become_notifier, .read = read_events};
