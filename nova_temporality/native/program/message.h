/* SPDX-License-Identifier: Apache-2.0 */
/* message.h -- messages with descriptors, over a socket of SOCK_SEQPACKET */
#ifndef VPM_MESSAGE_H
#define VPM_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Most descriptors of any message. */
#define MESSAGE_FDS_MAX 16

struct vpm_fds {
    int fds[MESSAGE_FDS_MAX];
    uint32_t count;
};

/* Sends a message.  *flags* are those of send(2).  0, or -1 with errno. */
int vpm_message_send(int socket, const void *data, size_t size,
                     const struct vpm_fds *fds, int flags);

/* Receives a message of *size* bytes at most, with *most* descriptors at most,
 * which are the caller's then.  *cut* says what was cut off: MSG_TRUNC, or
 * MSG_CTRUNC of recvmsg(2), which is also the case when the process has no
 * descriptors left.  Returns the message's length; 0 at the end, -1 with
 * errno. */
ssize_t vpm_message_receive(int socket, void *data, size_t size,
                            struct vpm_fds *fds, uint32_t most, int flags,
                            int *cut);

void vpm_message_close(const struct vpm_fds *fds);

#endif
