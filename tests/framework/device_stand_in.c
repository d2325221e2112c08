/* SPDX-License-Identifier: Apache-2.0 */
/* device_stand_in.c -- answers ioctl(2) in place of the POD driver
 *
 * It is preloaded into the engine.  DEVICE_STAND_IN is the directory of
 * pod_stand_in.py, which makes the devices that are read. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (_IOC_TYPE(request) == _IOC_TYPE(POD_INFO))
        return pod(request, argument);
    return (int)syscall(SYS_ioctl, fd, request, argument);
}
