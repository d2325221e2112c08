/* SPDX-License-Identifier: Apache-2.0 */
/* gpio_line.c -- a line of a GPIO chip that is active while power is good */
#include "gpio_line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/gpio.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"

/* Edges have instants of CLOCK_MONOTONIC, as no other clock is asked for. */
static struct gpio_v2_line_request request_of(const struct vpm_watch *watch)
{
    struct gpio_v2_line_request request = {
        .offsets = {watch->gpio_line}, .num_lines = 1,
        .consumer = "temporality",
        .config.flags = GPIO_V2_LINE_FLAG_INPUT |
            GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING};

    if (watch->gpio_active_low)
        request.config.flags |= GPIO_V2_LINE_FLAG_ACTIVE_LOW;
    if (watch->gpio_debounce_us) {
        request.config.num_attrs = 1;
        request.config.attrs[0] = (struct gpio_v2_line_config_attribute){
            .attr = {.id = GPIO_V2_LINE_ATTR_ID_DEBOUNCE,
                     .debounce_period_us = watch->gpio_debounce_us},
            .mask = 1};
    }
    return request;
}

/* The chip need not stay open. */
static int open_line(const struct vpm_watch *watch, struct vpm_error *err)
{
    struct gpio_v2_line_request request = request_of(watch);
    int chip = open(watch->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int rc;

    if (chip < 0)
        return vpm_fail_errno(err, "the GPIO chip cannot be opened; "
                              "\"gpiodetect\" lists those that there are: %s",
                              watch->path);
    rc = ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &request);
    if (rc < 0)
        vpm_fail_errno(err, "%s does not give line %" PRIu32 "; \"gpioinfo\" "
                       "lists its lines and who uses them", watch->path,
                       watch->gpio_line);
    close(chip);
    if (rc < 0)
        return err->code;
    if (fcntl(request.fd, F_SETFL, O_NONBLOCK) == 0)
        return request.fd;
    vpm_fail_errno(err, "the GPIO line cannot be read without waiting");
    close(request.fd);
    return err->code;
}

/* What lies ahead would not be fired. */
static struct vpm_word to_word(const struct vpm_watch *watch, bool is_active,
                               uint64_t monotonic_ns)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);
    struct vpm_word word = {
        .monotonic_ns = monotonic_ns < now ? monotonic_ns : now,
        .level = is_active ? VPM_LEVEL_GOOD : VPM_LEVEL_COMMIT};

    word.wall_ns = vpm_now_ns(CLOCK_REALTIME) - (now - word.monotonic_ns);
    snprintf(word.detail, sizeof(word.detail), "%.200s line %" PRIu32 " is %s",
             watch->path, watch->gpio_line,
             is_active ? "active" : "inactive");
    return word;
}

static bool is_edge(const struct vpm_watch *watch,
                    const struct gpio_v2_line_event *event)
{
    return event->offset == watch->gpio_line &&
           (event->id == GPIO_V2_LINE_EVENT_RISING_EDGE ||
            event->id == GPIO_V2_LINE_EVENT_FALLING_EDGE);
}

static int read_edges(int fd, const struct vpm_watch *watch,
                      struct vpm_word *words, uint32_t *count,
                      struct vpm_error *err)
{
    struct gpio_v2_line_event events[VPM_WORDS_MAX];
    ssize_t got = read(fd, events, sizeof(events));

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return VPM_OK;
    if (got < 0)
        return vpm_fail_errno(err, "no edges of the GPIO line can be read; is "
                              "the chip still there?");
    if (!got || (size_t)got % sizeof(events[0]))
        return vpm_fail(err, VPM_EINVAL, "the GPIO chip says %zd bytes, which "
                        "are not edges", got);
    for (size_t i = 0; i < (size_t)got / sizeof(events[0]); i++) {
        if (!is_edge(watch, &events[i]))
            return vpm_fail(err, VPM_EINVAL, "the GPIO chip reports the "
                            "unknown edge %" PRIu32 " of line %" PRIu32,
                            events[i].id, events[i].offset);
        words[(*count)++] = to_word(
            watch, events[i].id == GPIO_V2_LINE_EVENT_RISING_EDGE,
            events[i].timestamp_ns);
    }
    return VPM_OK;
}

/* Edges may get lost. */
static int look(int fd, const struct vpm_watch *watch, struct vpm_word *word,
                struct vpm_error *err)
{
    struct gpio_v2_line_values values = {.mask = 1};

    if (ioctl(fd, GPIO_V2_LINE_GET_VALUES_IOCTL, &values) < 0)
        return vpm_fail_errno(err, "the GPIO line cannot be read; is the chip "
                              "still there?");
    *word = to_word(watch, values.bits & 1, vpm_now_ns(CLOCK_MONOTONIC));
    return VPM_OK;
}

const struct vpm_device_methods vpm_gpio_device = {
    .open = open_line, .read = read_edges, .look = look};
