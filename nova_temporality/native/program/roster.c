/* SPDX-License-Identifier: Apache-2.0 */
/* roster.c -- the units that the engine's process keeps for its clients */
#include "roster.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "lookup.h"

struct vpm_served *vpm_roster_find(const struct vpm_roster *roster,
                                   uint64_t region)
{
    struct vpm_served *served = roster->first;

    while (served && served->info.region != region)
        served = served->next;
    return served;
}

struct vpm_served *vpm_roster_after(const struct vpm_roster *roster,
                                    uint64_t region)
{
    struct vpm_served *served = roster->first;

    while (served && served->info.region <= region)
        served = served->next;
    return served;
}

static void add(struct vpm_roster *roster, struct vpm_served *served)
{
    struct vpm_served **link = &roster->first;

    while (*link && (*link)->info.region < served->info.region)
        link = &(*link)->next;
    served->next = *link;
    *link = served;
}

/* A client may have read of the region before it was replaced. */
static int check_created(struct vpm_roster *roster, uint64_t region,
                         uint64_t created_ns, struct vpm_error *err)
{
    struct vpm_entry entry;
    int rc = vpm_lookup_id(roster->pool, region, &entry, err);

    if (rc == VPM_OK && entry.body.created_ns != created_ns)
        rc = vpm_fail(err, VPM_ENOENT, "region %016" PRIx64 " was created "
                      "anew", region);
    return rc;
}

/* The note is taken over, unless it fails. */
static struct vpm_served *make(struct vpm_roster *roster, uint64_t region,
                               uint64_t created_ns, struct vpm_note *note,
                               struct vpm_error *err)
{
    struct vpm_served *served = calloc(1, sizeof(*served));

    if (!served) {
        vpm_fail_errno(err, "cannot prepare region %016" PRIx64, region);
        return NULL;
    }
    served->unit = vpm_unit_open(roster->engine, region, note, err);
    if (!served->unit) {
        free(served);
        return NULL;
    }
    served->note = note;
    served->lock_fd = -1;
    served->info.region = region;
    served->info.created_ns = created_ns;
    add(roster, served);
    return served;
}

struct vpm_served *vpm_roster_open(struct vpm_roster *roster, uint64_t region,
                                   uint64_t created_ns, int note_fd,
                                   struct vpm_error *err)
{
    struct vpm_served *served = vpm_roster_find(roster, region);
    struct vpm_note *note;

    if (check_created(roster, region, created_ns, err) < 0)
        return NULL;
    if (served && served->info.created_ns == created_ns)
        return served;
    if (served)
        vpm_roster_close(roster, served);
    note = vpm_note_open_fd(note_fd, err);
    if (!note)
        return NULL;
    served = make(roster, region, created_ns, note, err);
    if (!served)
        vpm_note_close(note);
    return served;
}

static void keep_lock(struct vpm_served *served, int fd)
{
    if (served->lock_fd >= 0)
        close(served->lock_fd);
    served->lock_fd = fd;
}

void vpm_roster_close(struct vpm_roster *roster, struct vpm_served *served)
{
    struct vpm_served **link = &roster->first;

    while (*link != served)
        link = &(*link)->next;
    *link = served->next;
    vpm_unit_close(served->unit);
    vpm_note_close(served->note);
    keep_lock(served, -1);
    free(served);
}

int vpm_roster_prepare(struct vpm_roster *roster,
                       const struct vpm_unit_info *info,
                       struct vpm_error *err)
{
    int rc = check_created(roster, info->region, info->created_ns, err);

    if (rc == VPM_OK &&
        !make(roster, info->region, info->created_ns, NULL, err))
        rc = err->code;
    return rc;
}

int vpm_roster_import(struct vpm_roster *roster,
                      const struct vpm_unit_info *info,
                      const struct vpm_given *given, int note_fd, bool told,
                      struct vpm_error *err)
{
    struct vpm_served *served = vpm_roster_find(roster, info->region);
    struct vpm_note *note;

    if (served && served->info.created_ns != info->created_ns) {
        vpm_roster_close(roster, served);
        served = NULL;
    }
    if (!served && vpm_roster_prepare(roster, info, err) < 0)
        return err->code;
    served = vpm_roster_find(roster, info->region);
    note = vpm_note_open_fd(note_fd, err);
    if (!note)
        return err->code;
    close(note_fd);
    served->note = note;
    served->told = told;
    served->lock_fd = given->arming.lock_fd;
    served->info = *info;
    vpm_unit_import(served->unit, given, note);
    return VPM_OK;
}

void vpm_roster_close_prepared(struct vpm_roster *roster)
{
    struct vpm_served *served = roster->first;

    while (served) {
        struct vpm_served *next = served->next;

        if (!served->note)
            vpm_roster_close(roster, served);
        served = next;
    }
}

static bool is_of_kind(int fd, mode_t kind)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

/* Whether the other end of a socket is a process. */
static bool is_served_by(int fd, uint32_t pid)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.pid == (pid_t)pid;
}

static int check(const struct vpm_arming *arming, struct vpm_error *err)
{
    if (!is_served_by(arming->qmp_fd, arming->pid))
        return vpm_fail(err, VPM_EINVAL, "the QMP connection is not to "
                        "process %" PRIu32, arming->pid);
    if (!is_of_kind(arming->stream_fd, S_IFIFO))
        return vpm_fail(err, VPM_EINVAL, "the stream is no pipe");
    if (!is_of_kind(arming->lock_fd, S_IFREG))
        return vpm_fail(err, VPM_EINVAL, "the run lock is no file");
    if (arming->route > VPM_ROUTE_SNAPSHOT)
        return vpm_fail(err, VPM_EINVAL, "there is no route %" PRIu32,
                        arming->route);
    return VPM_OK;
}

int vpm_roster_arm(struct vpm_served *served, const struct vpm_arming *arming,
                   uint64_t started, struct vpm_error *err)
{
    struct vpm_arming own = *arming;
    int rc = check(arming, err);

    if (rc < 0)
        return rc;
    own.lock_fd = fcntl(arming->lock_fd, F_DUPFD_CLOEXEC, 0);
    if (own.lock_fd < 0)
        return vpm_fail_errno(err, "cannot arm region %016" PRIx64,
                              served->info.region);
    rc = vpm_unit_arm(served->unit, &own, err);
    if (rc < 0) {
        close(own.lock_fd);
        return rc;
    }
    keep_lock(served, own.lock_fd);
    served->told = served->ill = false;
    served->info.started = started;
    served->info.pid = own.pid;
    served->info.route = own.route;
    served->info.priority = own.priority;
    return VPM_OK;
}

bool vpm_roster_disarm(struct vpm_served *served)
{
    bool was_armed = vpm_unit_state(served->unit) == VPM_UNIT_ARMED;
    bool idle = vpm_unit_disarm(served->unit);

    /* After a fixation the lock is kept: it is held until somebody who got it
     * by vpm_roster_open gives it back. */
    if (was_armed && idle)
        keep_lock(served, -1);
    return idle;
}

struct vpm_unit_info vpm_roster_look(const struct vpm_served *served)
{
    struct vpm_unit_info info = served->info;

    info.state = vpm_unit_state(served->unit);
    return info;
}

bool vpm_roster_is_busy(const struct vpm_roster *roster)
{
    for (struct vpm_served *served = roster->first; served;
         served = served->next)
        if (vpm_unit_state(served->unit) == VPM_UNIT_UNDER_WAY)
            return true;
    return false;
}
