/* SPDX-License-Identifier: Apache-2.0 */
/* handover.c -- a new engine process takes the place of the one that runs */
#include "handover.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "giving.h"
#include "log.h"
#include "realtime.h"
#include "ring.h"

/* How long one waits for a message of the other one. */
#define PATIENCE_MS 2000
/* How long, and how often, it is asked for while a fixation is under way. */
#define AGAIN_NS 10000000
#define AGAIN_MAX 6000

enum handed_kind {
    HANDED_UNIT = 1,
    HANDED_REST,
    HANDED_TAKEN,
    HANDED_GO,
    HANDED_KEPT,  /* the old one goes on: it has heard nothing in time */
};

/* With the descriptors of the note, and, as *has_lock* and *state* say, of run
 * lock, QMP connection and stream. */
struct handed_unit {
    uint32_t kind;
    bool told;
    bool has_lock;
    struct vpm_unit_info info;
    struct vpm_given given;  /* the end of its line is not sent */
};

/* With the descriptors of the socket that listens, of the lock, of the POD
 * driver if there is one, of devices that are open, and of the clients. */
struct handed_rest {
    uint32_t kind;
    bool has_pod;
    uint32_t client_count;
    struct vpm_client clients[CLIENTS_MAX];
    struct vpm_signals_memory signals;
    bool has_device[VPM_DEVICES];
    struct vpm_devices_memory devices;
};

static bool wait_for(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};

    return poll(&ready, 1, PATIENCE_MS) == 1;
}

static bool send_patiently(int fd, const void *data, size_t size,
                           const struct vpm_fds *fds)
{
    while (vpm_message_send(fd, data, size, fds, MSG_DONTWAIT) < 0)
        if (errno != EAGAIN || !wait_for(fd, POLLOUT))
            return false;
    return true;
}

static bool send_word(int fd, uint32_t word)
{
    const struct vpm_fds none = {.count = 0};

    return send_patiently(fd, &word, sizeof(word), &none);
}

/* Whether the other one says this word; *gone*: it has ended, without another
 * one. */
static bool hear_word(int fd, uint32_t word, bool *gone)
{
    uint32_t said = 0;
    ssize_t got = wait_for(fd, POLLIN) ? recv(fd, &said, sizeof(said), 0) : -1;

    /* It has not read all.  What it said before comes after this error. */
    if (got < 0 && errno == ECONNRESET)
        got = recv(fd, &said, sizeof(said), MSG_DONTWAIT);
    *gone = got == 0;
    return got == sizeof(said) && said == word;
}

/* -- giving -------------------------------------------------------------- */

static void add(struct vpm_fds *fds, int fd)
{
    fds->fds[fds->count++] = fd;
}

static bool give_unit(int fd, const struct vpm_served *served)
{
    static struct handed_unit unit;
    struct vpm_fds fds = {.count = 0};

    unit.kind = HANDED_UNIT;
    unit.told = served->told;
    unit.has_lock = served->lock_fd >= 0;
    unit.info = served->info;
    vpm_unit_export(served->unit, &unit.given);
    add(&fds, vpm_note_fd(served->note));
    if (unit.has_lock)
        add(&fds, served->lock_fd);
    if (unit.given.state == VPM_UNIT_ARMED) {
        add(&fds, unit.given.arming.qmp_fd);
        add(&fds, unit.given.arming.stream_fd);
    }
    return send_patiently(fd, &unit, offsetof(struct handed_unit, given.line) +
                          unit.given.line_length, &fds);
}

static bool give_rest(struct vpm_process *process,
                      const struct vpm_client *successor)
{
    const struct vpm_devices *devices = &process->service.devices;
    struct handed_rest rest = {
        .kind = HANDED_REST, .has_pod = process->service.pod_fd >= 0};
    struct vpm_fds fds = {.count = 0};

    vpm_signals_export(&process->service.signals, &rest.signals);
    rest.devices = devices->memory;
    add(&fds, process->listen_fd);
    add(&fds, process->lock_fd);
    if (rest.has_pod)
        add(&fds, process->service.pod_fd);
    for (int i = 0; i < VPM_DEVICES; i++) {
        rest.has_device[i] = devices->watched[i].fd >= 0;
        if (rest.has_device[i])
            add(&fds, devices->watched[i].fd);
    }
    for (int i = 0; i < CLIENTS_MAX; i++) {
        const struct vpm_client *client = &process->clients[i];

        if (client->fd < 0 || client == successor)
            continue;
        rest.clients[rest.client_count++] = *client;
        add(&fds, client->fd);
    }
    return send_patiently(successor->fd, &rest, sizeof(rest), &fds);
}

static bool give_all(struct vpm_process *process,
                     struct vpm_client *successor)
{
    struct vpm_served *served = process->service.roster.first;
    bool gone;

    vpm_client_answer_hand_over(successor, VPM_OK, "");
    while (served && give_unit(successor->fd, served))
        served = served->next;
    return !served && give_rest(process, successor) &&
           hear_word(successor->fd, HANDED_TAKEN, &gone) &&
           send_word(successor->fd, HANDED_GO);
}

bool vpm_handover_give(struct vpm_process *process,
                       struct vpm_client *successor)
{
    struct vpm_service *service = &process->service;
    bool given;

    vpm_signals_hold(&service->signals);
    vpm_devices_hold(&service->devices);
    if (process->ending || !vpm_engine_hold(service->engine)) {
        vpm_signals_release(&service->signals);
        vpm_devices_release(&service->devices);
        vpm_client_answer_hand_over(
            successor, process->ending ? VPM_EINVAL : VPM_ETIMEDOUT,
            process->ending ? "it is ending" : "a fixation is under way");
        return false;
    }
    given = give_all(process, successor);
    if (given) {
        vpm_signals_forward(&service->signals, successor->fd);
        vpm_engine_drop(service->engine);
    } else {
        /* The other one must not take an end for our death. */
        send_word(successor->fd, HANDED_KEPT);
        vpm_engine_release(service->engine);
        vpm_signals_release(&service->signals);
        vpm_devices_regain(&service->devices);
        vpm_client_close(successor);
        vpm_log("an engine that was to take over has failed; all stays as it "
                "was");
    }
    return given;
}

/* -- taking -------------------------------------------------------------- */

static int old_failed(struct vpm_error *err)
{
    return vpm_fail(err, VPM_ESYS, "the engine that runs does not hand over "
                    "as it should; end it (\"systemctl restart "
                    "temporality-engine\")");
}

static int connect_to(const char *run_dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/"
             VPM_SOCKET_NAME, run_dir);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int ask(int fd, uint32_t kind, uint64_t region,
               struct vpm_answer *answer, struct vpm_error *err)
{
    const struct vpm_request request = {
        .version = VPM_PROTOCOL_VERSION, .kind = kind, .id = 1,
        .region = region};
    const struct vpm_fds none = {.count = 0};

    if (!send_patiently(fd, &request, sizeof(request), &none) ||
        !wait_for(fd, POLLIN) ||
        recv(fd, answer, sizeof(*answer), 0) != sizeof(*answer) ||
        answer->version != VPM_PROTOCOL_VERSION)
        return old_failed(err);
    if (answer->code == VPM_OK)
        return VPM_OK;
    answer->message[VPM_MESSAGE_MAX] = '\0';
    return vpm_fail(err, answer->code, "the engine that runs: %s",
                    answer->message);
}

/* What takes long, ahead of need.  What cannot be prepared is tried again
 * later. */
static int prepare(struct vpm_roster *roster, int fd, struct vpm_error *err)
{
    struct vpm_answer answer = {.unit.region = 0};
    struct vpm_error ignored;
    int rc;

    while ((rc = ask(fd, VPM_REQUEST_LIST, answer.unit.region, &answer,
                     err)) == VPM_OK)
        vpm_roster_prepare(roster, &answer.unit, &ignored);
    return rc == VPM_ENOENT ? VPM_OK : rc;
}

static int ask_for_all(int fd, struct vpm_error *err)
{
    const struct timespec again = {.tv_nsec = AGAIN_NS};
    struct vpm_answer answer;
    int rc = VPM_ETIMEDOUT;

    for (int i = 0; i < AGAIN_MAX && rc == VPM_ETIMEDOUT; i++) {
        rc = ask(fd, VPM_REQUEST_HAND_OVER, 0, &answer, err);
        if (rc == VPM_ETIMEDOUT)
            nanosleep(&again, NULL);
    }
    return rc;
}

static bool is_sound(const struct handed_unit *unit, ssize_t length,
                     uint32_t fds)
{
    return length >= (ssize_t)offsetof(struct handed_unit, given.line) &&
           unit->given.line_length < UNIT_LINE_MAX &&
           length == (ssize_t)(offsetof(struct handed_unit, given.line) +
                               unit->given.line_length) &&
           fds == 1u + unit->has_lock +
               2u * (unit->given.state == VPM_UNIT_ARMED);
}

/* A unit whose region is gone cannot be taken: it protects nobody. */
static void take_unit(struct vpm_roster *roster, struct handed_unit *unit,
                      struct vpm_fds *fds)
{
    struct vpm_given *given = &unit->given;
    struct vpm_error err;
    uint32_t next = 1;

    given->arming.lock_fd = unit->has_lock ? fds->fds[next++] : -1;
    if (given->state == VPM_UNIT_ARMED) {
        given->arming.qmp_fd = fds->fds[next++];
        given->arming.stream_fd = fds->fds[next++];
    }
    if (vpm_roster_import(roster, &unit->info, given, fds->fds[0],
                          unit->told, &err) < 0) {
        vpm_log("a unit is not taken over: %s", err.message);
        vpm_message_close(fds);
    }
}

static void take_rest(struct vpm_process *process,
                      const struct handed_rest *rest,
                      const struct vpm_fds *fds)
{
    int devices[VPM_DEVICES];
    uint32_t next = 2;

    memset(devices, -1, sizeof(devices));
    process->listen_fd = fds->fds[0];
    process->lock_fd = fds->fds[1];
    if (rest->has_pod) {
        process->service.pod_fd = fds->fds[next++];
        vpm_engine_write_back_by(process->service.engine,
                                 process->service.pod_fd);
    }
    for (int i = 0; i < VPM_DEVICES; i++)
        if (rest->has_device[i])
            devices[i] = fds->fds[next++];
    vpm_devices_import(&process->service.devices, &rest->devices, devices);
    for (uint32_t i = 0; i < rest->client_count; i++) {
        process->clients[i] = rest->clients[i];
        process->clients[i].fd = fds->fds[next++];
    }
    vpm_signals_import(&process->service.signals, &rest->signals);
}

static uint32_t devices_of(const struct handed_rest *rest)
{
    uint32_t count = 0;

    for (int i = 0; i < VPM_DEVICES; i++)
        count += rest->has_device[i];
    return count;
}

static bool receive_all(struct vpm_process *process, int fd)
{
    static union {
        uint32_t kind;
        struct handed_unit unit;
        struct handed_rest rest;
    } message;
    struct vpm_fds fds;
    int cut;

    for (;;) {
        ssize_t length = !wait_for(fd, POLLIN) ? -1 : vpm_message_receive(
            fd, &message, sizeof(message), &fds, MESSAGE_FDS_MAX, 0, &cut);

        if (length < (ssize_t)sizeof(message.kind) || cut)
            return false;
        if (message.kind == HANDED_REST)
            break;
        if (message.kind != HANDED_UNIT ||
            !is_sound(&message.unit, length, fds.count))
            return false;
        take_unit(&process->service.roster, &message.unit, &fds);
    }
    if (message.rest.client_count >= CLIENTS_MAX ||
        fds.count != 2u + message.rest.has_pod + message.rest.client_count +
            devices_of(&message.rest))
        return false;
    take_rest(process, &message.rest, &fds);
    return true;
}

static int take(struct vpm_process *process, int fd, struct vpm_error *err)
{
    struct vpm_service *service = &process->service;
    int rc = prepare(&service->roster, fd, err);
    bool gone = false;

    if (rc < 0)
        return rc;
    /* From here on everybody waits for this thread. */
    vpm_realtime_set_priority(pthread_self(), process->priority);
    rc = ask_for_all(fd, err);
    if (rc < 0)
        return rc;
    if (!receive_all(process, fd) || !send_word(fd, HANDED_TAKEN) ||
        (!hear_word(fd, HANDED_GO, &gone) && !gone))
        return old_failed(err);
    /* The old one has written outcomes meanwhile. */
    vpm_ring_open(service->pool);
    vpm_engine_release(service->engine);
    vpm_roster_close_prepared(&service->roster);
    return VPM_OK;
}

int vpm_handover_take(struct vpm_process *process, const char *run_dir,
                      struct vpm_error *err)
{
    int fd = connect_to(run_dir);
    int rc;

    if (fd < 0)
        return VPM_ENOENT;
    rc = take(process, fd, err);
    /* There is room: the old one had this client, too.  It passes on signals,
     * until it ends. */
    if (rc == VPM_OK)
        process->clients[CLIENTS_MAX - 1] = (struct vpm_client){.fd = fd};
    return rc;
}
