/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_protocol.c -- what clients ask the engine's process
 *
 * An input is some requests: a flag byte, and how the request begins; its end
 * is zero. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "fuzz.h"
#include "log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct vpm_engine_params params = {.threads = 1};

static struct vpm_service service;
static struct vpm_region_info region;
static struct vpm_note *note;
static int device, told;

void vpm_log(const char *format, ...)
{
    (void)format;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct vpm_error lost;

    (void)argc;
    (void)argv;
    fresh_fs(4);
    service.pool = new_pool();
    region = alloc(service.pool, "a", 4096);
    note = vpm_note_open(FS "/note", &err);
    CHECK(note);
    service.engine = vpm_engine_open(service.pool, &params, &lost, &err);
    CHECK(service.engine);
    service.roster.pool = service.pool;
    service.roster.engine = service.engine;
    service.threads = params.threads;
    service.pod_fd = -1;
    device = open("/dev/null", O_RDWR);
    told = eventfd(0, EFD_NONBLOCK);
    CHECK(device >= 0 && told >= 0);
    vpm_signals_init(&service.signals, service.engine, told);
    OK(vpm_devices_init(&service.devices, service.engine, told, &err));
    return 0;
}

/* -- a request ------------------------------------------------------------ */

static void make_request(struct input *input, uint8_t flags,
                         struct vpm_request *request)
{
    memset(request, 0, sizeof(*request));
    take(input, request, REQUEST_HEAD);
    if (flags & REQUEST_FIT_VERSION)
        request->version = VPM_PROTOCOL_VERSION;
    if (flags & REQUEST_FIT_KIND)
        request->kind = request->kind % VPM_REQUEST_ACKNOWLEDGE + 1;
    if (flags & REQUEST_FIT_REGION) {
        request->region = region.id;
        request->created_ns = region.created_ns;
    }
    if (flags & REQUEST_FIT_PID)
        request->arming.pid = (uint32_t)getpid();
}

/* What a request takes along is closed by who has sent it. */
static void make_fds(uint8_t flags, uint32_t kind, struct vpm_fds *fds)
{
    int qmp[2];

    fds->count = 0;
    if (!(flags & REQUEST_FIT_FDS))
        return;
    if (kind == VPM_REQUEST_OPEN) {
        fds->fds[fds->count++] = dup(vpm_note_fd(note));
    } else if (kind == VPM_REQUEST_WRITE_BACK) {
        fds->fds[fds->count++] = dup(device);
    } else if (kind == VPM_REQUEST_ARM) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, qmp) == 0);
        close(qmp[1]);
        fds->fds[fds->count++] = qmp[0];
        fds->fds[fds->count++] = filled_pipe('S', 30);
        fds->fds[fds->count++] = open(region_file(region.id, VPM_STATE_FILE),
                                      O_RDWR);
    } else {
        fds->fds[fds->count++] = dup(device);
    }
}

/* -- its answer ----------------------------------------------------------- */

static void check_answer(const struct vpm_answer *answer,
                         const struct vpm_request *request)
{
    CHECK(answer->version == VPM_PROTOCOL_VERSION);
    CHECK(answer->id == 0 || answer->id == request->id);
    CHECK(answer->code <= 0);
    CHECK(memchr(answer->message, 0, sizeof(answer->message)));
    CHECK(answer->code == VPM_OK || answer->message[0]);
    CHECK(answer->unit.state <= VPM_UNIT_LOST);
    CHECK(memchr(answer->outcome.reason, 0, sizeof(answer->outcome.reason)));
    CHECK(memchr(answer->outcome.name, 0, sizeof(answer->outcome.name)));
}

/* Every request has one answer, or ends the connection. */
static void check_answers(const struct vpm_client *client, int socket,
                          const struct vpm_request *request)
{
    struct vpm_answer answer;
    struct vpm_fds fds;
    int cut, answers = 0;

    while (vpm_message_receive(socket, &answer, sizeof(answer), &fds,
                               VPM_DESCRIPTORS_MAX, MSG_DONTWAIT, &cut) ==
           sizeof(answer)) {
        check_answer(&answer, request);
        answers += answer.id != 0;
        vpm_message_close(&fds);
    }
    if (client->fd >= 0)
        CHECK(answers == 1 || client->hand_over_id == request->id);
    else
        CHECK(answers == 0);
}

static void ask(struct input *input, struct vpm_client *client, int socket)
{
    struct vpm_request request;
    struct vpm_fds fds;
    uint8_t flags;
    size_t length = sizeof(request);

    take(input, &flags, 1);
    make_request(input, flags, &request);
    make_fds(flags, request.kind, &fds);
    if (flags & REQUEST_CUT)
        length = request.id % sizeof(request);
    CHECK(vpm_message_send(socket, &request, length, &fds, 0) == 0);
    vpm_message_close(&fds);
    vpm_client_serve(client, &service);
    check_answers(client, socket, &request);
    if (client->fd >= 0)
        vpm_client_tell_signals(client, &service.signals);
    if (client->fd >= 0)
        vpm_client_tell_words(client, &service.devices);
}

static int open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input input = {.bytes = bytes, .length = length};
    struct vpm_client client = {.fd = -1};
    int before = open_files(), sockets[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0);
    client.fd = sockets[0];
    while (input.length && client.fd >= 0)
        ask(&input, &client, sockets[1]);
    if (client.fd >= 0)
        vpm_client_close(&client);
    close(sockets[1]);
    while (service.roster.first)
        vpm_roster_close(&service.roster, service.roster.first);
    vpm_engine_write_back_by(service.engine, -1);
    if (service.pod_fd >= 0)
        close(service.pod_fd);
    service.pod_fd = -1;
    /* What came with a request, and what it had made, is closed. */
    CHECK(open_files() == before);
    OK(vpm_region_begin_epoch(service.pool, region.id, &err));
    return 0;
}
