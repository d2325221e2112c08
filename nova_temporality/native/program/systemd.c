/* SPDX-License-Identifier: Apache-2.0 */
/* systemd.c -- tells systemd how the process is (sd_notify(3)) */
#include "systemd.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void vpm_systemd_notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size;
    int fd;

    if (!path || strlen(path) >= sizeof(address.sun_path))
        return;
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')  /* an abstract name */
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
           (struct sockaddr *)&address, size);
    close(fd);
}

uint64_t vpm_systemd_watchdog_ns(void)
{
    const char *value = getenv("WATCHDOG_USEC");

    return value ? strtoull(value, NULL, 10) * 1000 / 3 : 0;
}
