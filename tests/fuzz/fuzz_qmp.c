/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_qmp.c -- what a QEMU says to the engine, armed and being fixated
 *
 * An input is a flag byte and pieces: a byte with a length, and what QEMU
 * writes in one go.  A unit has no thread here. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fixation.h"
#include "fuzz.h"
#include "handle.h"
#include "note.h"
#include "unit.h"

#define FAR ((uint64_t)60000000000)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct vpm_pool *pool;
static struct vpm_region_info region;
static struct vpm_waves waves;
static const int no_pod = -1;
static struct vpm_unit unit;
static int lock;

/* All that QEMU has said. */
static char said[2 << 20];
static size_t said_length;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fresh_fs(4);
    pool = new_pool();
    region = alloc(pool, "a", 4096);
    lock = open(region_file(region.id, VPM_STATE_FILE), O_RDWR);
    CHECK(lock >= 0);
    unit.pool = pool;
    unit.pod_fd = &no_pod;
    unit.waves = &waves;
    unit.region = region.id;
    memcpy(unit.name, region.name, sizeof(unit.name));
    unit.note = vpm_note_open(FS "/note", &err);
    unit.fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(unit.note && unit.fixation);
    return 0;
}

/* -- as the engine does it ------------------------------------------------ */

static void arm(int qmp, int stream, uint8_t flags)
{
    const struct vpm_arming arming = {
        .qmp_fd = qmp, .stream_fd = stream, .lock_fd = lock, .pid = 1,
        .route = flags & QMP_SNAPSHOT ? VPM_ROUTE_SNAPSHOT : VPM_ROUTE_MIGRATE,
        .runstate = "running", .producer = "qemu 10.0.2"};

    CHECK(fcntl(stream, F_SETFL, O_NONBLOCK) == 0);
    unit.arming = arming;
    unit.line_length = 0;
    unit.line_too_long = false;
    unit.heard = 0;
    unit.stream_ready = unit.qmp_ready = false;
    unit.phase = PHASE_LOCK;
    unit.state = UNIT_ARMED;
}

static void fire(void)
{
    const uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

    unit.event = (struct vpm_event){
        .wall_ns = 1, .monotonic_ns = now, .deadline_ns = now + FAR,
        .raised_by = "fuzz"};
    unit.state = UNIT_BUSY;
    vpm_unit_start(&unit);
}

static void check_sound(void)
{
    const struct vpm_outcome *outcome = &unit.outcome;

    CHECK(unit.line_length < UNIT_LINE_MAX);
    CHECK(unit.phase <= PHASE_DONE);
    CHECK(memchr(unit.arming.runstate, 0, sizeof(unit.arming.runstate)));
    CHECK(memchr(unit.after, 0, sizeof(unit.after)));
    CHECK(memchr(outcome->runstate, 0, sizeof(outcome->runstate)));
    CHECK(memchr(outcome->reason, 0, sizeof(outcome->reason)));
}

/* Whether there is more to be heard. */
static bool hear(void)
{
    bool open = true;

    if (unit.state == UNIT_ARMED) {
        open = vpm_unit_listen(&unit);
    } else if (unit.phase != PHASE_DONE) {
        unit.qmp_ready = unit.stream_ready = true;
        vpm_unit_step(&unit, vpm_now_ns(CLOCK_MONOTONIC) + FAR / 2);
    }
    check_sound();
    return open && unit.phase != PHASE_DONE;
}

/* What counts as fixated is proven, and QEMU has said that it is completed. */
static void check_outcome(void)
{
    struct vpm_state_info state;
    bool proven = vpm_state_verify(pool, region.id, &state, &err) == VPM_OK;

    CHECK(proven == (unit.phase == PHASE_DONE &&
                     unit.outcome.result == VPM_RESULT_FIXATED));
    CHECK(!proven || memmem(said, said_length, "\"completed\"", 11));
    OK(vpm_region_begin_epoch(pool, region.id, &err));
}

/* -- as QEMU does it ------------------------------------------------------ */

static void play(struct input *input, uint8_t flags, int qmp)
{
    static uint8_t piece[255 * 64];
    static char commands[4096];
    bool open = true;

    while (open && input->length) {
        uint8_t length;
        size_t size = 0;

        take(input, &length, 1);
        if (length > input->length)
            length = (uint8_t)input->length;
        take(input, piece, length);
        while (length && size < length * (flags & QMP_LONG ? 64u : 1u)) {
            memmove(piece + size, piece, length);
            size += length;
        }
        if (said_length + size > sizeof(said))
            break;
        memcpy(said + said_length, piece, size);
        said_length += size;
        if (size)
            CHECK(send(qmp, piece, size, 0) == (ssize_t)size);
        while (size && open && recv(unit.arming.qmp_fd, piece, 1,
                                    MSG_PEEK | MSG_DONTWAIT) == 1)
            open = hear();
        while (recv(qmp, commands, sizeof(commands), MSG_DONTWAIT) > 0)
            ;
    }
    if (open && flags & QMP_ENDS) {
        shutdown(qmp, SHUT_RDWR);
        CHECK(!hear());
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input input = {.bytes = bytes, .length = length};
    int qmp[2];
    uint8_t flags;

    take(&input, &flags, 1);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, qmp) == 0);
    said_length = 0;
    arm(qmp[0], filled_pipe('S', 300), flags);
    if (flags & QMP_FIRED)
        fire();
    play(&input, flags, qmp[1]);
    if (flags & QMP_FIRED)
        check_outcome();
    close(qmp[0]);
    close(qmp[1]);
    close(unit.arming.stream_fd);
    return 0;
}
