/* SPDX-License-Identifier: Apache-2.0 */
/* unit.c -- the fixation of one pVM, a state machine without a thread
 *
 * QMP (QEMU's docs/interop/qmp-spec.rst) answers commands in their order.  So
 * what does not depend on an answer is sent in one piece:
 *
 *   query-status, stop, query-status   how it was, stop it, how it is now
 *   capabilities, parameters, migrate  save it
 *   query-migrate                      after the end of the stream: was it?
 *
 * "stop" flushes the disks and ignores errors of that.  "migrate" and
 * "background-snapshot" flush them again, and fail when that fails. */
#include "unit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "clock.h"
#include "error.h"
#include "fixation.h"

#define RETRY_NS 500000u

/* How long until a stream is read again, after little and after much data.
 * Much is what may fill the pipe. */
#define NAP_NS 1000000u
#define SHORT_NAP_NS 100000u
#define MUCH ((uint64_t)64 << 10)

/* How many bytes QEMU may write to the QMP connection while it is armed.
 * After more it is disarmed, so that it cannot keep a thread of high priority
 * busy; the notifier arms it again later. */
#define LISTEN_MAX ((uint64_t)1 << 20)

/* Ids of commands. */
enum command {
    COMMAND_BEFORE = 1,
    COMMAND_STOP,
    COMMAND_AFTER,
    COMMAND_IGNORE_SHARED,
    COMMAND_SNAPSHOT,
    COMMAND_BANDWIDTH,
    COMMAND_MIGRATE,
    COMMAND_STATUS,
};

#define CAPABILITY(name, id)                                              \
    "{\"execute\":\"migrate-set-capabilities\",\"arguments\":"            \
    "{\"capabilities\":[{\"capability\":\"" name "\",\"state\":true}]},"  \
    "\"id\":" id "}\n"

static const char stop_commands[] =
    "{\"execute\":\"query-status\",\"id\":1}\n"
    "{\"execute\":\"stop\",\"id\":2}\n"
    "{\"execute\":\"query-status\",\"id\":3}\n";

/* RAM in shared files is left out of the stream.  This is set before the
 * snapshot, so that QEMU takes it into account when it checks whether a
 * snapshot is possible. */
#define PREPARE CAPABILITY("x-ignore-shared", "4")

#define MIGRATE                                                           \
    "{\"execute\":\"migrate-set-parameters\",\"arguments\":"              \
    "{\"max-bandwidth\":0},\"id\":6}\n"                                   \
    "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"fd:"               \
    VPM_STREAM_NAME "\"},\"id\":7}\n"

static const char migrate_commands[] = PREPARE MIGRATE;
static const char snapshot_commands[] =
    PREPARE CAPABILITY("background-snapshot", "5") MIGRATE;

static const char status_command[] =
    "{\"execute\":\"query-migrate\",\"id\":8}\n";

static void (*probe)(uint32_t step, uint64_t region, uint32_t pid);

void vpm_engine_set_probe(void (*function)(uint32_t step, uint64_t region,
                                           uint32_t pid))
{
    probe = function;
}

static void reached(const struct vpm_unit *unit, enum vpm_step step)
{
    if (probe)
        probe(step, unit->region, unit->arming.pid);
}

/* -- ending -------------------------------------------------------------- */

static void settle(struct vpm_unit *unit, enum vpm_result result)
{
    unit->outcome.result = result;
    unit->outcome.length = vpm_fixation_length(unit->fixation);
    unit->phase = PHASE_DONE;
}

static void fail(struct vpm_unit *unit, const struct vpm_error *err)
{
    unit->outcome.code = err->code;
    snprintf(unit->outcome.reason, sizeof(unit->outcome.reason), "%.*s",
             VPM_REASON_MAX, err->message);
    settle(unit, VPM_RESULT_FAILED);
}

__attribute__((format(printf, 3, 4)))
static void fail_with(struct vpm_unit *unit, int code, const char *format,
                      ...)
{
    va_list args;

    unit->outcome.code = code;
    va_start(args, format);
    vsnprintf(unit->outcome.reason, sizeof(unit->outcome.reason), format,
              args);
    va_end(args);
    settle(unit, VPM_RESULT_FAILED);
}

static const char *waits_for(const struct vpm_unit *unit)
{
    switch (unit->phase) {
    case PHASE_WAVE:
        return "others of higher priority took too long";
    case PHASE_LOCK:
        return "its vCPUs were just being started or stopped by somebody "
            "else";
    case PHASE_STOP:
        return "QEMU did not stop its vCPUs and drain its disks (a hung "
            "disk?)";
    case PHASE_SAVE:
        return "QEMU did not deliver its state";
    default:
        return "QEMU did not complete its save";
    }
}

static bool is_cancelled(const struct vpm_unit *unit)
{
    return __atomic_load_n(&unit->cancelled, __ATOMIC_RELAXED);
}

/* -- sending ------------------------------------------------------------- */

/* Commands are so short that they fit into any socket's buffer. */
static bool send_all(struct vpm_unit *unit, const char *text, size_t length)
{
    ssize_t sent = send(unit->arming.qmp_fd, text, length,
                        MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent == (ssize_t)length)
        return true;
    fail_with(unit, VPM_ESYS, "cannot send commands to QEMU: %s",
              sent < 0 ? strerrordesc_np(errno) : "its socket is full");
    return false;
}

#define SEND(unit, text) send_all(unit, text, sizeof(text) - 1)

/* -- begin and stop ------------------------------------------------------ */

static bool is_live(const char *runstate)
{
    return strcmp(runstate, "running") == 0 ||
           strcmp(runstate, "suspended") == 0;
}

static void write_note(struct vpm_unit *unit, const char *runstate)
{
    struct vpm_stopped stopped = {.pid = unit->arming.pid};

    memcpy(stopped.runstate, runstate, VPM_RUNSTATE_MAX);
    memcpy(stopped.raised_by, unit->event.raised_by, VPM_RAISED_BY_MAX);
    vpm_note_write(unit->note, &stopped);
}

/* Clears the old marker, unless it proves a state of this epoch. */
static void begin(struct vpm_unit *unit)
{
    struct vpm_error err;
    int rc = vpm_fixation_begin(unit->fixation, &err);

    unit->proven_before = rc == VPM_EFIXATED;
    if (rc < 0 && !unit->proven_before)
        fail(unit, &err);
    else
        reached(unit, VPM_STEP_BEGUN);
}

static void stop(struct vpm_unit *unit)
{
    const char *before = unit->arming.before[0] ? unit->arming.before :
        unit->arming.runstate;

    write_note(unit, before);
    reached(unit, VPM_STEP_NOTED);
    unit->phase = PHASE_STOP;
    unit->outcome.command_ns = vpm_now_ns(CLOCK_MONOTONIC);
    if (!SEND(unit, stop_commands))
        return;
    reached(unit, VPM_STEP_FIRED);
    begin(unit);
}

static void lock(struct vpm_unit *unit, uint64_t now_ns)
{
    if (flock(unit->arming.lock_fd, LOCK_EX | LOCK_NB) == 0) {
        stop(unit);
    } else if (errno == EWOULDBLOCK) {
        unit->phase = PHASE_LOCK;
        unit->again_ns = now_ns + RETRY_NS;
    } else {
        fail_with(unit, VPM_ESYS, "cannot take the run lock: %s",
                  strerrordesc_np(errno));
    }
}

static void await_wave(struct vpm_unit *unit, uint64_t now_ns)
{
    if (!unit->in_wave || now_ns >= unit->latest_ns ||
        vpm_waves_reached(unit->waves, unit->arming.priority)) {
        lock(unit, now_ns);
    } else {
        unit->phase = PHASE_WAVE;
        unit->again_ns = unit->latest_ns;
    }
}

void vpm_unit_start(struct vpm_unit *unit)
{
    struct vpm_outcome *outcome = &unit->outcome;

    memset(outcome, 0, sizeof(*outcome));
    outcome->wall_ns = unit->event.wall_ns;
    outcome->signal_ns = unit->event.monotonic_ns;
    outcome->region = unit->region;
    outcome->route = unit->arming.route;
    outcome->pid = unit->arming.pid;
    memcpy(outcome->name, unit->name, sizeof(outcome->name));
    memcpy(outcome->raised_by, unit->event.raised_by,
           sizeof(outcome->raised_by));
    unit->proven_before = unit->accepted = unit->ended = false;
    unit->after[0] = '\0';
    await_wave(unit, vpm_now_ns(CLOCK_MONOTONIC));
}

/* -- save ---------------------------------------------------------------- */

/* Whether there is nothing to save in a run state. */
static bool has_nothing(const char *runstate)
{
    return strcmp(runstate, "inmigrate") == 0 ||
           strcmp(runstate, "prelaunch") == 0 ||
           strcmp(runstate, "shutdown") == 0;
}

/* QEMU can take a snapshot only if "stop" has stopped the vCPUs, not if they
 * had stopped by themselves. */
static void save(struct vpm_unit *unit)
{
    if (unit->arming.route == VPM_ROUTE_SNAPSHOT &&
        strcmp(unit->after, "paused") != 0)
        unit->outcome.route = VPM_ROUTE_MIGRATE;
    unit->phase = PHASE_SAVE;
    unit->again_ns = vpm_now_ns(CLOCK_MONOTONIC) + NAP_NS;
    if (unit->outcome.route == VPM_ROUTE_SNAPSHOT
            ? SEND(unit, snapshot_commands) : SEND(unit, migrate_commands))
        reached(unit, VPM_STEP_SAVING);
}

static void on_stopped(struct vpm_unit *unit)
{
    char *runstate = unit->outcome.runstate;
    bool ran = is_live(runstate);
    struct vpm_error err;

    reached(unit, VPM_STEP_STOPPED);
    if (has_nothing(runstate)) {
        const struct vpm_stopped nothing = {.pid = 0};

        vpm_note_write(unit->note, &nothing);
        settle(unit, VPM_RESULT_SKIPPED);
        return;
    }
    if (unit->arming.before[0] && !ran)
        memcpy(runstate, unit->arming.before, VPM_RUNSTATE_MAX);
    write_note(unit, runstate);
    if (unit->proven_before && !ran) {
        snprintf(unit->outcome.reason, sizeof(unit->outcome.reason),
                 "it was fixated before");
        settle(unit, VPM_RESULT_FIXATED);
    } else if (unit->proven_before &&
               vpm_fixation_begin_anew(unit->fixation, &err) < 0) {
        fail(unit, &err);
    } else {
        save(unit);
    }
}

static bool is_late(const struct vpm_unit *unit)
{
    return vpm_now_ns(CLOCK_MONOTONIC) >= unit->event.deadline_ns ||
        is_cancelled(unit);
}

void vpm_unit_commit(struct vpm_unit *unit, const struct vpm_error *not_back)
{
    struct vpm_outcome *outcome = &unit->outcome;
    struct vpm_fixation_meta meta = {
        .wall_ns = outcome->wall_ns,
        .signal_ns = outcome->signal_ns,
        .stopped_ns = outcome->stopped_ns,
    };
    struct vpm_error err;

    meta.saved_ns = outcome->saved_ns;
    memcpy(meta.runstate, outcome->runstate, VPM_RUNSTATE_MAX);
    memcpy(meta.producer, unit->arming.producer, VPM_RUNSTATE_MAX);
    if (not_back) {
        fail(unit, not_back);
    } else if (!is_late(unit) &&
               vpm_fixation_sync(unit->fixation, &err) < 0) {
        fail(unit, &err);
    } else if (is_late(unit)) {
        fail_with(unit, VPM_ETIMEDOUT, "QEMU saved its state too late");
    } else if (vpm_fixation_commit(unit->fixation, &meta,
                                   &outcome->fixated_ns, &err) < 0) {
        fail(unit, &err);
    } else {
        settle(unit, VPM_RESULT_FIXATED);
        reached(unit, VPM_STEP_FIXATED);
    }
}

/* When caches must be written back first, the worker commits (vpm_unit_commit
 * is called for all that are saved). */
static void on_saved(struct vpm_unit *unit)
{
    unit->outcome.saved_ns = vpm_now_ns(CLOCK_MONOTONIC);
    unit->phase = PHASE_SAVED;
    reached(unit, VPM_STEP_SAVED);
    if (__atomic_load_n(unit->pod_fd, __ATOMIC_ACQUIRE) < 0)
        vpm_unit_commit(unit, NULL);
}

static void ask_whether_saved(struct vpm_unit *unit)
{
    unit->phase = PHASE_CONFIRM;
    SEND(unit, status_command);
}

/* -- what QEMU says ------------------------------------------------------ */

static void on_save_status(struct vpm_unit *unit, struct vpm_span reply)
{
    struct vpm_span status, text;
    char reason[VPM_REASON_MAX / 2] = "";

    if (!vpm_json_member(reply, "status", &status))
        status = (struct vpm_span){.at = "", .length = 0};
    if (vpm_json_is(status, "completed")) {
        on_saved(unit);
    } else if (vpm_json_is(status, "failed") ||
               vpm_json_is(status, "cancelled")) {
        vpm_json_copy(status, reason, sizeof(reason));
        if (vpm_json_member(reply, "error-desc", &text))
            vpm_json_copy(text, reason, sizeof(reason));
        fail_with(unit, VPM_EUNPROVEN, "QEMU cannot save its state: %s",
                  reason);
    } else {
        unit->phase = PHASE_RETRY;
        unit->again_ns = vpm_now_ns(CLOCK_MONOTONIC) + RETRY_NS;
    }
}

static void on_return(struct vpm_unit *unit, uint32_t id,
                      struct vpm_span reply)
{
    struct vpm_span status = {.at = "", .length = 0};

    switch (id) {
    case COMMAND_BEFORE:
        vpm_json_member(reply, "status", &status);
        vpm_json_copy(status, unit->outcome.runstate,
                      sizeof(unit->outcome.runstate));
        break;
    case COMMAND_STOP:
        unit->outcome.stopped_ns = vpm_now_ns(CLOCK_MONOTONIC);
        break;
    case COMMAND_AFTER:
        vpm_json_member(reply, "status", &status);
        vpm_json_copy(status, unit->after, sizeof(unit->after));
        if (unit->phase == PHASE_STOP)
            on_stopped(unit);
        break;
    case COMMAND_MIGRATE:
        unit->accepted = true;
        break;
    case COMMAND_STATUS:
        if (unit->phase == PHASE_CONFIRM)
            on_save_status(unit, reply);
        break;
    default:
        break;
    }
}

static void on_error(struct vpm_unit *unit, uint32_t id,
                     struct vpm_span error)
{
    struct vpm_span text;
    char desc[VPM_REASON_MAX / 2] = "";

    if (id == COMMAND_SNAPSHOT) {
        /* The commands after this one are those of the other route. */
        unit->outcome.route = VPM_ROUTE_MIGRATE;
        return;
    }
    if (vpm_json_member(error, "desc", &text))
        vpm_json_copy(text, desc, sizeof(desc));
    fail_with(unit, VPM_EUNPROVEN, "QEMU refuses to save its state: %s",
              desc);
}

static void on_event(struct vpm_unit *unit, struct vpm_span event)
{
    const char *runstate = NULL;

    if (vpm_json_is(event, "STOP"))
        runstate = "paused";
    else if (vpm_json_is(event, "RESUME"))
        runstate = "running";
    if (runstate && unit->state == UNIT_ARMED)
        snprintf(unit->arming.runstate, sizeof(unit->arming.runstate), "%s",
                 runstate);
}

static void on_line(struct vpm_unit *unit, struct vpm_span line)
{
    struct vpm_span id, value;

    if (vpm_json_member(line, "event", &value))
        on_event(unit, value);
    else if (unit->phase == PHASE_DONE || !vpm_json_member(line, "id", &id))
        return;
    else if (vpm_json_member(line, "return", &value))
        on_return(unit, vpm_json_number(id), value);
    else if (vpm_json_member(line, "error", &value))
        on_error(unit, vpm_json_number(id), value);
}

/* Handles the lines that are complete, and keeps the rest. */
static void split(struct vpm_unit *unit)
{
    char *at = unit->line;
    char *end = unit->line + unit->line_length;
    char *newline;

    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        if (!unit->line_too_long)
            on_line(unit, (struct vpm_span){
                .at = at, .length = (size_t)(newline - at)});
        unit->line_too_long = false;
        at = newline + 1;
    }
    unit->line_length = (size_t)(end - at);
    memmove(unit->line, at, unit->line_length);
    if (unit->line_length == sizeof(unit->line)) {
        unit->line_too_long = true;
        unit->line_length = 0;
    }
}

/* False when QEMU has closed the connection. */
static bool read_qmp(struct vpm_unit *unit)
{
    ssize_t got = recv(unit->arming.qmp_fd, unit->line + unit->line_length,
                       sizeof(unit->line) - unit->line_length, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    unit->heard += (uint64_t)got;
    unit->line_length += (size_t)got;
    split(unit);
    return true;
}

bool vpm_unit_listen(struct vpm_unit *unit)
{
    return read_qmp(unit) && unit->heard < LISTEN_MAX;
}

/* -- stepping ------------------------------------------------------------ */

/* How long the stream may be left alone. */
static uint64_t nap_ns(const struct vpm_unit *unit, uint64_t got)
{
    if (unit->stream_ready || got >= VPM_FIXATION_CHUNK)
        return 0;
    return got > MUCH ? SHORT_NAP_NS : NAP_NS;
}

/* One chunk, even if there is more: others of the same thread come first. */
static void read_stream(struct vpm_unit *unit)
{
    uint64_t before = vpm_fixation_length(unit->fixation), length;
    struct vpm_error err;
    int rc = vpm_fixation_take(unit->fixation, unit->arming.stream_fd,
                               &unit->ended, &err);

    length = vpm_fixation_length(unit->fixation);
    if (length > 0 && !unit->outcome.stream_ns)
        unit->outcome.stream_ns = vpm_now_ns(CLOCK_MONOTONIC);
    unit->again_ns = vpm_now_ns(CLOCK_MONOTONIC) + nap_ns(unit, length - before);
    /* If the stream is empty, QEMU is asked why, which says more. */
    if (rc < 0 && !unit->ended)
        fail(unit, &err);
    else if (unit->ended)
        reached(unit, VPM_STEP_RECEIVED);
}

static bool is_due(const struct vpm_unit *unit, uint64_t now_ns)
{
    return now_ns >= unit->again_ns;
}

void vpm_unit_step(struct vpm_unit *unit, uint64_t now_ns)
{
    if (is_cancelled(unit))
        fail_with(unit, VPM_EUNPROVEN, "it was given up");
    else if (now_ns >= unit->event.deadline_ns)
        fail_with(unit, VPM_ETIMEDOUT, "not fixated at the deadline: %s",
                  waits_for(unit));
    if (unit->phase != PHASE_DONE && unit->qmp_ready && !read_qmp(unit))
        fail_with(unit, VPM_EUNPROVEN, "QEMU has closed the connection");
    if (unit->phase == PHASE_SAVE && !unit->ended &&
        (unit->stream_ready || is_due(unit, now_ns)))
        read_stream(unit);
    if (unit->phase == PHASE_SAVE && unit->ended && unit->accepted)
        ask_whether_saved(unit);
    else if (unit->phase == PHASE_WAVE)
        await_wave(unit, now_ns);
    else if (unit->phase == PHASE_LOCK && is_due(unit, now_ns))
        lock(unit, now_ns);
    else if (unit->phase == PHASE_RETRY && is_due(unit, now_ns))
        ask_whether_saved(unit);
    unit->qmp_ready = false;
}

uint64_t vpm_unit_due_ns(const struct vpm_unit *unit)
{
    uint64_t due = unit->event.deadline_ns;
    bool looks_again = unit->phase == PHASE_WAVE ||
        unit->phase == PHASE_LOCK ||
        unit->phase == PHASE_RETRY ||
        (unit->phase == PHASE_SAVE && !unit->ended);

    return looks_again && unit->again_ns < due ? unit->again_ns : due;
}
