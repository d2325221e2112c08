/* SPDX-License-Identifier: Apache-2.0 */
/* message.c -- messages with descriptors, over a socket of SOCK_SEQPACKET */
#include "message.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
};

int vpm_message_send(int socket, const void *data, size_t size,
                     const struct vpm_fds *fds, int flags)
{
    union control control;
    struct iovec all = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &all, .msg_iovlen = 1};

    if (fds->count) {
        size_t length = fds->count * sizeof(int);

        memset(&control, 0, sizeof(control));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(length);
        memcpy(CMSG_DATA(&control.header), fds->fds, length);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(length);
    }
    return sendmsg(socket, &message, flags | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void take(struct msghdr *message, struct vpm_fds *fds)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        size_t size = header->cmsg_len - CMSG_LEN(0);

        if (header->cmsg_level != SOL_SOCKET ||
            header->cmsg_type != SCM_RIGHTS)
            continue;
        /* There was room for no more than these. */
        memcpy(fds->fds, CMSG_DATA(header), size);
        fds->count = (uint32_t)(size / sizeof(int));
    }
}

ssize_t vpm_message_receive(int socket, void *data, size_t size,
                            struct vpm_fds *fds, uint32_t most, int flags,
                            int *cut)
{
    union control control;
    struct iovec all = {.iov_base = data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &all, .msg_iovlen = 1, .msg_control = &control,
        /* Not CMSG_SPACE, whose padding may have room for one more. */
        .msg_controllen = CMSG_LEN(most * sizeof(int))};
    ssize_t got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);

    fds->count = 0;
    if (got < 0)
        return got;
    take(&message, fds);
    *cut = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    return got;
}

void vpm_message_close(const struct vpm_fds *fds)
{
    for (uint32_t i = 0; i < fds->count; i++)
        close(fds->fds[i]);
}
