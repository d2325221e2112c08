/* SPDX-License-Identifier: Apache-2.0 */
/* client.c -- a connection of the engine's process to one client */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
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
    const struct vpm_fds fds = {.fds = {fd}, .count = fd >= 0};

    return vpm_message_send(client->fd, answer, sizeof(*answer), &fds,
                            MSG_DONTWAIT);
}

static struct vpm_answer news(uint32_t kind)
{
    return (struct vpm_answer){.version = VPM_PROTOCOL_VERSION, .kind = kind};
}

bool vpm_client_tell_unit(struct vpm_client *client, uint32_t kind,
                          const struct vpm_unit_info *unit)
{
    struct vpm_answer answer = news(kind);

    answer.unit = *unit;
    if (client->listens && !client->is_full)
        client->is_full = send_answer(client, &answer, -1) < 0;
    return !client->listens || !client->is_full;
}

void vpm_client_tell_signals(struct vpm_client *client,
                             struct vpm_signals *signals)
{
    struct vpm_answer answer = news(VPM_NEWS_SIGNAL);
    uint64_t seen;

    if (!client->listens || client->is_full)
        return;
    while ((seen = vpm_signals_next(signals, client->signals_seen,
                                    &answer.signal))) {
        if (send_answer(client, &answer, -1) < 0) {
            client->is_full = true;
            return;
        }
        client->signals_seen = seen;
        if (seen > signals->memory.told)
            signals->memory.told = seen;
    }
}

/* False when the client is full. */
static bool tell_conditions(struct vpm_client *client,
                            struct vpm_devices *devices)
{
    struct vpm_answer answer = news(VPM_NEWS_WORD);

    for (; client->conditions_told < VPM_DEVICES; client->conditions_told++)
        if (vpm_devices_condition(devices, client->conditions_told,
                                  client->words_seen, &answer.word) &&
            send_answer(client, &answer, -1) < 0)
            return false;
    return true;
}

void vpm_client_tell_words(struct vpm_client *client,
                           struct vpm_devices *devices)
{
    struct vpm_answer answer = news(VPM_NEWS_WORD);
    uint64_t seen;

    if (!client->listens || client->is_full)
        return;
    client->is_full = !tell_conditions(client, devices);
    while (!client->is_full &&
           (seen = vpm_devices_next(devices, client->words_seen,
                                    &answer.word))) {
        client->is_full = send_answer(client, &answer, -1) < 0;
        if (client->is_full)
            break;
        client->words_seen = seen;
        if (seen > devices->memory.told)
            devices->memory.told = seen;
    }
}

/* -- receiving ----------------------------------------------------------- */

static bool is_sound(const struct vpm_asked *asked, ssize_t length,
                     int cut, struct vpm_error *err)
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
    if (length == sizeof(asked->request) && !cut)
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

void vpm_client_answer_hand_over(struct vpm_client *client, int code,
                                 const char *message)
{
    struct vpm_answer answer = news(VPM_REQUEST_HAND_OVER);

    answer.id = client->hand_over_id;
    answer.code = code;
    snprintf(answer.message, sizeof(answer.message), "%s", message);
    send_answer(client, &answer, -1);
    client->hand_over_id = 0;
}

static void answer(struct vpm_client *client, struct vpm_service *service,
                   const struct vpm_asked *asked)
{
    struct vpm_answer made;
    int fd;

    if (asked->request.kind == VPM_REQUEST_HAND_OVER) {
        client->hand_over_id = asked->request.id;
        return;
    }
    vpm_service_do(service, asked, &made, &fd);
    if (asked->request.kind == VPM_REQUEST_LISTEN) {
        client->listens = true;
        client->signals_seen = service->signals.memory.told;
        client->words_seen = service->devices.memory.told;
        client->conditions_told = 0;
    }
    if (send_answer(client, &made, fd) < 0)
        vpm_client_close(client);
}

/* The socket has room for an answer whenever it can be written. */
static bool can_answer(const struct vpm_client *client)
{
    struct pollfd one = {.fd = client->fd, .events = POLLOUT};

    return poll(&one, 1, 0) > 0;
}

/* That is not the client's fault. */
static void answer_no_descriptors(struct vpm_client *client,
                                  const struct vpm_asked *asked)
{
    struct vpm_answer answer = news(asked->request.kind);

    answer.id = asked->request.id;
    answer.code = VPM_ESYS;
    snprintf(answer.message, sizeof(answer.message), "the engine has no file "
             "descriptors left; raise LimitNOFILE in the unit of "
             "temporality-engine, and restart it");
    send_answer(client, &answer, -1);
}

void vpm_client_serve(struct vpm_client *client, struct vpm_service *service)
{
    struct vpm_asked asked;
    struct vpm_error err;
    ssize_t length;
    int cut;

    client->is_full = !can_answer(client);
    if (client->is_full)
        return;
    length = vpm_message_receive(
        client->fd, &asked.request, sizeof(asked.request), &asked.fds,
        VPM_DESCRIPTORS_MAX, MSG_DONTWAIT, &cut);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0)
        vpm_client_close(client);
    else if (cut == MSG_CTRUNC && asked.fds.count < VPM_DESCRIPTORS_MAX)
        answer_no_descriptors(client, &asked);
    else if (is_sound(&asked, length, cut, &err))
        answer(client, service, &asked);
    else
        refuse(client, &err);
    /* Also an empty message may have come with some. */
    vpm_message_close(&asked.fds);
}
