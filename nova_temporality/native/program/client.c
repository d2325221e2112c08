/* SPDX-License-Identifier: Apache-2.0 */
/* client.c -- a connection of the engine's process to one client */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "log.h"

bool vpm_client_open(struct vpm_client *client, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        peer.uid != geteuid()) {
        vpm_log("a client of user id %d is refused", (int)peer.uid);
        close(fd);
        return false;
    }
    *client = (struct vpm_client){.fd = fd};
    return true;
}

void vpm_client_close(struct vpm_client *client)
{
    close(client->fd);
    client->fd = -1;
}

/* -- sending ------------------------------------------------------------- */

/* 0, or -1 with errno. */
static int send_answer(const struct vpm_client *client,
                       const struct vpm_answer *answer, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {.iov_base = (void *)answer,
                         .iov_len = sizeof(*answer)};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.space);
    }
    return sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ?
        -1 : 0;
}

static struct vpm_answer news(uint32_t kind)
{
    return (struct vpm_answer){.version = VPM_PROTOCOL_VERSION, .kind = kind};
}

void vpm_client_tell_settled(struct vpm_client *client,
                             const struct vpm_unit_info *unit)
{
    struct vpm_answer answer = news(VPM_NEWS_SETTLED);

    answer.unit = *unit;
    if (client->listens)
        send_answer(client, &answer, -1);
}

bool vpm_client_tell_signals(struct vpm_client *client,
                             struct vpm_signals *signals)
{
    struct vpm_answer answer = news(VPM_NEWS_SIGNAL);
    uint64_t seen;

    if (!client->listens)
        return true;
    while ((seen = vpm_signals_next(signals, client->signals_seen,
                                    &answer.signal))) {
        if (send_answer(client, &answer, -1) < 0)
            return false;
        client->signals_seen = seen;
    }
    return true;
}

/* -- receiving ----------------------------------------------------------- */

static void take_descriptors(struct msghdr *message, struct vpm_asked *asked)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        size_t size = header->cmsg_len - CMSG_LEN(0);

        if (header->cmsg_level != SOL_SOCKET ||
            header->cmsg_type != SCM_RIGHTS)
            continue;
        /* There was room for no more than these. */
        memcpy(asked->fds, CMSG_DATA(header), size);
        asked->fd_count = (uint32_t)(size / sizeof(int));
    }
}

static void close_descriptors(const struct vpm_asked *asked)
{
    for (uint32_t i = 0; i < asked->fd_count; i++)
        close(asked->fds[i]);
}

/* Returns the length of the message; 0 when the client is gone, -1 when there
 * is no message yet. */
static ssize_t receive(const struct vpm_client *client,
                       struct vpm_asked *asked, int *flags)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(VPM_DESCRIPTORS_MAX * sizeof(int))];
    } control;
    struct iovec data = {.iov_base = &asked->request,
                         .iov_len = sizeof(asked->request)};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
        /* Not CMSG_SPACE, whose padding has room for one more. */
        .msg_controllen = CMSG_LEN(VPM_DESCRIPTORS_MAX * sizeof(int))};
    ssize_t got = recvmsg(client->fd, &message,
                          MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    asked->fd_count = 0;
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    take_descriptors(&message, asked);
    *flags = message.msg_flags;
    return got;
}

static bool is_whole(const struct vpm_asked *asked, ssize_t length, int flags,
                     struct vpm_error *err)
{
    if (length < (ssize_t)sizeof(asked->request.version)) {
        vpm_fail(err, VPM_EINVAL, "a message of %zd bytes", length);
        return false;
    }
    if (asked->request.version != VPM_PROTOCOL_VERSION) {
        vpm_fail(err, VPM_EVERSION, "the client speaks version %" PRIu32
                 " of the protocol, and the engine version %d: restart both",
                 asked->request.version, VPM_PROTOCOL_VERSION);
        return false;
    }
    if (length == sizeof(asked->request) &&
        !(flags & (MSG_TRUNC | MSG_CTRUNC)))
        return vpm_service_accepts(asked, err);
    vpm_fail(err, VPM_EINVAL, "a message of %zd bytes instead of %zu, or with "
             "more than %d descriptors", length, sizeof(asked->request),
             VPM_DESCRIPTORS_MAX);
    return false;
}

/* What the client did wrong is told to it, too. */
static void refuse(struct vpm_client *client, const struct vpm_error *err)
{
    struct vpm_answer answer = news(0);

    vpm_log("a client is disconnected: %s", err->message);
    answer.code = err->code;
    memcpy(answer.message, err->message, sizeof(answer.message));
    send_answer(client, &answer, -1);
    vpm_client_close(client);
}

static void answer(struct vpm_client *client, struct vpm_service *service,
                   const struct vpm_asked *asked)
{
    struct vpm_answer made;
    int fd;

    vpm_service_do(service, asked, &made, &fd);
    if (asked->request.kind == VPM_REQUEST_LISTEN)
        client->listens = true;
    if (send_answer(client, &made, fd) == 0)
        return;
    vpm_log("a client does not read its answers, or is gone");
    vpm_client_close(client);
}

void vpm_client_serve(struct vpm_client *client, struct vpm_service *service)
{
    struct vpm_asked asked;
    struct vpm_error err;
    int flags = 0;
    ssize_t length = receive(client, &asked, &flags);

    if (length < 0)
        return;
    if (length == 0)
        vpm_client_close(client);
    else if (is_whole(&asked, length, flags, &err))
        answer(client, service, &asked);
    else
        refuse(client, &err);
    close_descriptors(&asked);
}
