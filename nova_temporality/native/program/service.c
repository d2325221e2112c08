/* SPDX-License-Identifier: Apache-2.0 */
/* service.c -- does what clients ask for */
#include "service.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* -- checking ------------------------------------------------------------ */

/* Printable ASCII, and an end within the array. */
static bool is_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!text[i])
            return true;
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return false;
}

#define IS_TEXT(array) is_text(array, sizeof(array))

/* A reason may hold words in any language. */
static bool are_texts(const struct vpm_request *request)
{
    const struct vpm_arming *arming = &request->arming;
    const struct vpm_outcome *outcome = &request->outcome;

    return IS_TEXT(request->event.raised_by) && IS_TEXT(arming->runstate) &&
           IS_TEXT(arming->before) && IS_TEXT(arming->producer) &&
           IS_TEXT(outcome->name) && IS_TEXT(outcome->runstate) &&
           IS_TEXT(outcome->raised_by) &&
           IS_TEXT(request->watch.raised_by) &&
           IS_TEXT(request->watch.path) &&
           memchr(outcome->reason, '\0', sizeof(outcome->reason));
}

/* How many descriptors a request has; -1: there is no such request. */
static int descriptors(uint32_t kind)
{
    switch (kind) {
    case VPM_REQUEST_OPEN:
    case VPM_REQUEST_WRITE_BACK:
        return 1;
    case VPM_REQUEST_ARM:
        return 3;
    default:
        return kind >= VPM_REQUEST_HELLO && kind <= VPM_REQUEST_ACKNOWLEDGE ?
            0 : -1;
    }
}

bool vpm_service_accepts(const struct vpm_asked *asked, struct vpm_error *err)
{
    const struct vpm_request *request = &asked->request;
    int wanted = descriptors(request->kind);

    if (wanted < 0)
        vpm_fail(err, VPM_EINVAL, "there is no request %" PRIu32,
                 request->kind);
    else if ((uint32_t)wanted != asked->fds.count)
        vpm_fail(err, VPM_EINVAL, "request %" PRIu32 " has %" PRIu32
                 " descriptors instead of %d", request->kind,
                 asked->fds.count, wanted);
    else if (!request->id)
        vpm_fail(err, VPM_EINVAL, "request %" PRIu32 " has no id",
                 request->kind);
    else if (!are_texts(request))
        vpm_fail(err, VPM_EINVAL, "a text of request %" PRIu32 " has no end, "
                 "or characters that cannot be printed", request->kind);
    else
        return true;
    return false;
}

/* -- doing --------------------------------------------------------------- */

static int do_unit(struct vpm_service *service, struct vpm_served *served,
                   const struct vpm_asked *asked, struct vpm_answer *answer,
                   struct vpm_error *err)
{
    const struct vpm_request *request = &asked->request;
    struct vpm_arming arming = request->arming;
    bool done = false;
    int rc = VPM_OK;

    switch (request->kind) {
    case VPM_REQUEST_ARM:
        arming.qmp_fd = asked->fds.fds[0];
        arming.stream_fd = asked->fds.fds[1];
        arming.lock_fd = asked->fds.fds[2];
        rc = vpm_roster_arm(served, &arming, request->started, err);
        break;
    case VPM_REQUEST_DISARM:
        answer->count = vpm_roster_disarm(served);
        break;
    case VPM_REQUEST_FIRE:
        answer->count = vpm_unit_fire(served->unit, &request->event);
        break;
    case VPM_REQUEST_TAKE:
        /* A deadline that is over: it does not wait. */
        rc = vpm_unit_wait(served->unit, 1, &answer->outcome, err);
        break;
    case VPM_REQUEST_TOUCH:
        rc = vpm_unit_touch(served->unit, &done, err);
        answer->count = done;
        break;
    case VPM_REQUEST_CLOSE:
        vpm_roster_close(&service->roster, served);
        return VPM_OK;
    default:  /* VPM_REQUEST_LOOK */
        break;
    }
    answer->unit = vpm_roster_look(served);
    return rc;
}

static int find_and_do(struct vpm_service *service,
                       const struct vpm_asked *asked,
                       struct vpm_answer *answer, struct vpm_error *err)
{
    struct vpm_served *served = vpm_roster_find(&service->roster,
                                                asked->request.region);

    if (!served || served->info.created_ns != asked->request.created_ns)
        return vpm_fail(err, VPM_ENOENT, "the engine has no unit for region "
                        "%016" PRIx64, asked->request.region);
    return do_unit(service, served, asked, answer, err);
}

static int do_open(struct vpm_service *service, const struct vpm_asked *asked,
                   struct vpm_answer *answer, int *answer_fd,
                   struct vpm_error *err)
{
    const struct vpm_request *request = &asked->request;
    struct vpm_served *served = vpm_roster_open(
        &service->roster, request->region, request->created_ns,
        asked->fds.fds[0], err);

    if (!served)
        return err->code;
    answer->unit = vpm_roster_look(served);
    *answer_fd = served->lock_fd;
    return VPM_OK;
}

static int do_list(struct vpm_service *service, uint64_t region,
                   struct vpm_answer *answer, struct vpm_error *err)
{
    struct vpm_served *served = vpm_roster_after(&service->roster, region);

    if (!served)
        return vpm_fail(err, VPM_ENOENT, "these are all units");
    answer->unit = vpm_roster_look(served);
    return VPM_OK;
}

static int do_signal(struct vpm_service *service,
                     const struct vpm_request *request, struct vpm_error *err)
{
    struct vpm_signal_rule rule = {.timeout_ns = request->event.deadline_ns};

    if (!vpm_signals_has(request->number))
        return vpm_fail(err, VPM_EINVAL, "signal %" PRIu32 " does not say "
                        "that power fails", request->number);
    if (request->kind == VPM_REQUEST_SIGNAL) {
        struct vpm_signal came = vpm_signals_now(request->number,
                                                 request->pid);

        if (request->event.monotonic_ns &&
            request->event.monotonic_ns < came.monotonic_ns) {
            came.monotonic_ns = request->event.monotonic_ns;
            came.wall_ns = request->event.wall_ns;
        }
        vpm_signals_came(&service->signals, &came);
    } else {
        memcpy(rule.raised_by, request->event.raised_by,
               sizeof(rule.raised_by));
        vpm_signals_rule(&service->signals, request->number, &rule);
    }
    return VPM_OK;
}

static int do_device(struct vpm_service *service,
                     const struct vpm_request *request,
                     struct vpm_answer *answer, struct vpm_error *err)
{
    const struct vpm_watch *watch = &request->watch;

    if (request->number >= VPM_DEVICES ||
        (watch->signal && watch->signal != VPM_POD_SIGNAL))
        return vpm_fail(err, VPM_EINVAL, "there is no device %" PRIu32 ", or "
                        "it does not send signal %" PRIu32, request->number,
                        watch->signal);
    if (request->kind == VPM_REQUEST_HEARD)
        answer->word.wall_ns = vpm_devices_heard_ns(&service->devices,
                                                    request->number);
    else
        vpm_devices_watch(&service->devices, request->number, watch);
    return VPM_OK;
}

static int do_record(struct vpm_service *service,
                     const struct vpm_request *request, struct vpm_error *err)
{
    struct vpm_outcome outcome = request->outcome;

    if (outcome.result < VPM_RESULT_FIXATED ||
        outcome.result > VPM_RESULT_FAILED ||
        outcome.route > VPM_ROUTE_SNAPSHOT)
        return vpm_fail(err, VPM_EINVAL, "there is no result %" PRIu32 ", or "
                        "no route %" PRIu32, outcome.result, outcome.route);
    return vpm_outcome_record(service->pool, &outcome, err);
}

/* The driver that came first is kept: threads may be using it. */
static int do_write_back(struct vpm_service *service, int fd,
                         struct vpm_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
        return vpm_fail(err, VPM_EINVAL, "what writes the CPU caches back "
                        "must be a device");
    if (service->pod_fd >= 0)
        return VPM_OK;
    service->pod_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (service->pod_fd < 0)
        return vpm_fail_errno(err, "cannot keep the POD driver");
    vpm_engine_write_back_by(service->engine, service->pod_fd);
    return VPM_OK;
}

static int dispatch(struct vpm_service *service,
                    const struct vpm_asked *asked, struct vpm_answer *answer,
                    int *answer_fd, struct vpm_error *err)
{
    const struct vpm_request *request = &asked->request;

    switch (request->kind) {
    case VPM_REQUEST_HELLO:
        answer->count = service->threads;
        memcpy(answer->message, service->lost.message,
               sizeof(answer->message));
        return VPM_OK;
    case VPM_REQUEST_LISTEN:  /* the connection's */
        return VPM_OK;
    case VPM_REQUEST_LIST:
        return do_list(service, request->region, answer, err);
    case VPM_REQUEST_OPEN:
        return do_open(service, asked, answer, answer_fd, err);
    case VPM_REQUEST_FIRE_ALL:
        answer->count = vpm_engine_fire(service->engine, &request->event);
        return VPM_OK;
    case VPM_REQUEST_RECORD:
        return do_record(service, request, err);
    case VPM_REQUEST_ON_SIGNAL:
    case VPM_REQUEST_SIGNAL:
        return do_signal(service, request, err);
    case VPM_REQUEST_WRITE_BACK:
        return do_write_back(service, asked->fds.fds[0], err);
    case VPM_REQUEST_WATCH:
    case VPM_REQUEST_HEARD:
        return do_device(service, request, answer, err);
    case VPM_REQUEST_ACKNOWLEDGE:
        return vpm_devices_acknowledge(&service->devices, err);
    default:
        return find_and_do(service, asked, answer, err);
    }
}

void vpm_service_do(struct vpm_service *service,
                    const struct vpm_asked *asked, struct vpm_answer *answer,
                    int *answer_fd)
{
    struct vpm_error err;

    memset(answer, 0, sizeof(*answer));
    *answer_fd = -1;
    answer->version = VPM_PROTOCOL_VERSION;
    answer->kind = asked->request.kind;
    answer->id = asked->request.id;
    answer->code = dispatch(service, asked, answer, answer_fd, &err);
    if (answer->code < 0)
        memcpy(answer->message, err.message, sizeof(answer->message));
}
