/* SPDX-License-Identifier: Apache-2.0 */
/* device_stand_in.c -- answers ioctl(2) in place of devices' drivers
 *
 * It is preloaded into the engine.  DEVICE_STAND_IN is the directory of
 * pod_stand_in.py or gpio_stand_in.py, which make the devices that are read. */
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pod.h"

static int open_file(const char *name, int flags)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", getenv("DEVICE_STAND_IN"), name);
    return open(path, flags | O_CLOEXEC, 0600);
}

static int read_file(const char *name, void *data, size_t size)
{
    int fd = open_file(name, O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, data, size);

    if (fd >= 0)
        close(fd);
    return got < 0 ? -1 : (int)got;
}

/* Lines as pod_stand_in.py reads them. */
static void note(const char *line)
{
    int fd = open_file("pod.log", O_WRONLY | O_CREAT | O_APPEND);

    if (fd < 0 || write(fd, line, strlen(line)) < 0)
        abort();
    close(fd);
}

static int acknowledge(__u64 sequence)
{
    static char log[65536];
    char line[64];
    int got = read_file("pod.log", log, sizeof(log) - 1);

    log[got < 0 ? 0 : got] = '\0';
    snprintf(line, sizeof(line), "[\"acknowledge\", %llu]\n", sequence);
    if (strstr(log, line)) {
        errno = EALREADY;
        return -1;
    }
    note(line);
    return 0;
}

static int pod(unsigned long request, void *argument)
{
    const struct pod_registration *registration = argument;
    char line[64];

    switch (request) {
    case POD_INFO:
        return read_file("pod.info", argument, sizeof(struct pod_info)) < 0 ?
            -1 : 0;
    case POD_REGISTER:
        snprintf(line, sizeof(line), "[\"register\", %u, %u]\n",
                 registration->abi, registration->signal);
        note(line);
        return 0;
    case POD_ACKNOWLEDGE:
        return acknowledge(*(__u64 *)argument);
    default:
        note("[\"write back\"]\n");
        return 0;
    }
}

/* gpio_stand_in.py finds there what was asked for. */
static void keep(const struct gpio_v2_line_request *request)
{
    int fd = open_file("gpio.request", O_WRONLY | O_CREAT);

    if (fd < 0 || write(fd, request, sizeof(*request)) < 0)
        abort();
    close(fd);
}

/* An edge that comes while the line is read. */
static void tell_edge(void)
{
    struct gpio_v2_line_event event;
    int fd;

    if (read_file("gpio.edge", &event, sizeof(event)) != sizeof(event))
        return;
    fd = open_file("gpio.edge", O_WRONLY | O_TRUNC);
    close(fd);
    fd = open_file("gpio.edges", O_WRONLY);
    if (fd < 0 || write(fd, &event, sizeof(event)) < 0)
        abort();
    close(fd);
}

/* Whether the line is high; -1 with errno when the chip is gone. */
static int is_high(void)
{
    int lock = open_file("gpio.lock", O_RDONLY | O_CREAT);
    char level;
    int got;

    if (lock < 0 || flock(lock, LOCK_SH) < 0)
        abort();
    got = read_file("gpio.level", &level, 1);
    tell_edge();
    close(lock);
    errno = ENODEV;
    return got == 1 ? level == '1' : -1;
}

/* A bus that hangs, until the file is gone. */
static void wait_for_bus(void)
{
    int fd;

    while ((fd = open_file("gpio.bus", O_WRONLY | O_APPEND)) >= 0) {
        if (write(fd, "waits\n", 6) < 0)
            abort();
        close(fd);
        usleep(10000);
    }
}

/* A line belongs to one, until all have closed it. */
static int get_line(struct gpio_v2_line_request *line)
{
    if (line->offsets[0] > 7) {
        errno = EINVAL;
        return -1;
    }
    line->fd = open_file("gpio.edges", O_RDONLY | O_NONBLOCK);
    if (line->fd < 0)
        return -1;
    if (flock(line->fd, LOCK_EX | LOCK_NB) < 0) {
        close(line->fd);
        errno = EBUSY;
        return -1;
    }
    keep(line);
    return 0;
}

static int gpio(unsigned long request, void *argument)
{
    struct gpio_v2_line_request kept;
    struct gpio_v2_line_values *values = argument;
    int high;

    wait_for_bus();
    if (request == GPIO_V2_GET_LINE_IOCTL)
        return get_line(argument);
    read_file("gpio.request", &kept, sizeof(kept));
    high = is_high();
    values->bits = high == !(kept.config.flags & GPIO_V2_LINE_FLAG_ACTIVE_LOW);
    return high < 0 ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (_IOC_TYPE(request) == _IOC_TYPE(POD_INFO))
        return pod(request, argument);
    if (_IOC_TYPE(request) == _IOC_TYPE(GPIO_V2_GET_LINE_IOCTL))
        return gpio(request, argument);
    return (int)syscall(SYS_ioctl, fd, request, argument);
}
