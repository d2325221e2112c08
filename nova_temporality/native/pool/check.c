/* SPDX-License-Identifier: Apache-2.0 */
/* check.c -- examining a pool without changing anything */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitmap.h"
#include "conf.h"
#include "device.h"
#include "error.h"
#include "files.h"
#include "guard.h"
#include "lock.h"
#include "pause.h"
#include "ppt.h"
#include "regiondir.h"
#include "state.h"
#include "swapfile.h"
#include "toc.h"

struct check {
    const char *dir;
    int dir_fd;
    int regions_fd;             /* -1 when it cannot be opened */
    uid_t owner;                /* of the pool file */
    struct vpm_poolfile file;
    struct vpm_entry *entries;  /* those that are sound and not free */
    uint64_t *ids;              /* of these, in ascending order */
    uint32_t entry_count;
    uint32_t unsound_count;
    const struct vpm_entry *about;  /* the region that is examined, or NULL */
    void (*report)(const char *finding, void *opaque);
    void *opaque;
    int findings;
};

/* Whether somebody frees the region, or begins an epoch of it, meanwhile: what
 * was found then is no finding. */
static bool has_changed(const struct check *check)
{
    const struct vpm_entry *about = check->about;
    struct vpm_error ignored;
    struct vpm_entry now;

    return about && (vpm_toc_read(&check->file, about->index, &now,
                                  &ignored) < 0 ||
                     now.tag != about->tag || now.epoch != about->epoch ||
                     memcmp(&now.body, &about->body, sizeof(now.body)) != 0);
}

__attribute__((format(printf, 2, 3)))
static void find(struct check *check, const char *format, ...)
{
    struct vpm_error finding;
    va_list args;

    if (has_changed(check))
        return;
    va_start(args, format);
    vsnprintf(finding.message, sizeof(finding.message), format, args);
    va_end(args);
    check->report(finding.message, check->opaque);
    check->findings++;
}

/* -- TOC ----------------------------------------------------------------- */

static int compare_ids(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void find_twins(struct check *check, uint64_t id)
{
    const struct vpm_entry *first = NULL;

    for (uint32_t i = 0; i < check->entry_count; i++) {
        const struct vpm_entry *entry = &check->entries[i];

        if (entry->body.id == id && first)
            find(check, "TOC entries %" PRIu32 " and %" PRIu32 " both have "
                 "region id %016" PRIx64, first->index, entry->index, id);
        else if (entry->body.id == id)
            first = entry;
    }
}

/* Sorts the ids, and looks for those that are there twice. */
static void check_twice(struct check *check)
{
    for (uint32_t i = 0; i < check->entry_count; i++)
        check->ids[i] = check->entries[i].body.id;
    qsort(check->ids, check->entry_count, sizeof(*check->ids), compare_ids);
    for (uint32_t i = 1; i < check->entry_count; i++)
        if (check->ids[i] == check->ids[i - 1] &&
            (i == 1 || check->ids[i] != check->ids[i - 2]))
            find_twins(check, check->ids[i]);
}

/* Whether nobody works on a region. */
static bool is_idle(const struct check *check, const struct vpm_entry *entry)
{
    int fd = vpm_lock_try(check->regions_fd,
                          vpm_dir_name(entry->body.id).text);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno != EWOULDBLOCK;
}

/* A region that was freed during a pause waits for the end of the pause. */
static void check_unfinished(struct check *check,
                             const struct vpm_entry *entry)
{
    if (entry->tag == VPM_TOC_ALLOCATING && is_idle(check, entry))
        find(check, "TOC entry %" PRIu32 ": allocating region %016" PRIx64
             " of '%s' was interrupted; the next opening of the pool rolls "
             "it back", entry->index, entry->body.id, entry->body.name);
    if (entry->tag == VPM_TOC_FREEING && is_idle(check, entry) &&
        !vpm_pause_holds(vpm_pause_read(check->dir_fd)))
        find(check, "TOC entry %" PRIu32 ": region %016" PRIx64 " of '%s' was "
             "freed and is not scrubbed yet; the notifier does that in the "
             "background: start it, or see in its log why it cannot",
             entry->index, entry->body.id, entry->body.name);
}

static void check_toc(struct check *check)
{
    const struct vpm_conf *conf = &check->file.conf;
    uint64_t used = 0;

    for (uint32_t i = 0; i < conf->descriptors; i++) {
        struct vpm_entry *entry = &check->entries[check->entry_count];
        struct vpm_error why;

        if (vpm_toc_read(&check->file, i, entry, &why) < 0) {
            check->unsound_count++;
            find(check, "%s", why.message);
            continue;
        }
        if (entry->tag == VPM_TOC_FREE)
            continue;
        check_unfinished(check, entry);
        used += entry->body.size;
        check->entry_count++;
    }
    check_twice(check);
    if (used > conf->total_size)
        find(check, "regions have %" PRIu64 " bytes altogether, more than "
             "the pool's %" PRIu64, used, conf->total_size);
}

/* -- regions ------------------------------------------------------------- */

struct expected {
    const char *name;
    uint64_t size;
    uid_t uid;
    bool sparse;
};

static void check_stat(struct check *check, const struct vpm_entry *entry,
                       const struct expected *expected,
                       const struct stat *st)
{
    struct vpm_dir_name dir = vpm_dir_name(entry->body.id);

    if (!S_ISREG(st->st_mode) || (st->st_mode & 07777) != 0600)
        find(check, "%s/%s/%s of '%s' has mode 0%o instead of 0%o",
             VPM_REGIONS_DIR, dir.text, expected->name, entry->body.name,
             st->st_mode, S_IFREG | 0600);
    if (st->st_uid != expected->uid)
        find(check, "%s/%s/%s of '%s' belongs to user %u instead of %u",
             VPM_REGIONS_DIR, dir.text, expected->name, entry->body.name,
             st->st_uid, expected->uid);
    if ((uint64_t)st->st_size != expected->size)
        find(check, "%s/%s/%s of '%s' has %lld bytes instead of %" PRIu64,
             VPM_REGIONS_DIR, dir.text, expected->name, entry->body.name,
             (long long)st->st_size, expected->size);
    else if ((uint64_t)st->st_blocks * 512 >
             vpm_dir_most_space(expected->sparse ? 0 : expected->size))
        find(check, "%s/%s/%s of '%s' takes %" PRIu64 " bytes, more than its "
             "size: a process of its user id reserved them; the server's next "
             "start gives them back", VPM_REGIONS_DIR, dir.text,
             expected->name, entry->body.name, (uint64_t)st->st_blocks * 512);
    else if (!expected->sparse &&
             (uint64_t)st->st_blocks * 512 < expected->size)
        find(check, "%s/%s/%s of '%s' has holes: only %" PRIu64 " of its %"
             PRIu64 " bytes are reserved", VPM_REGIONS_DIR, dir.text,
             expected->name, entry->body.name, (uint64_t)st->st_blocks * 512,
             expected->size);
}

static void check_open_file(struct check *check, const struct vpm_entry *entry,
                            const struct expected *expected, int fd)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        find(check, "%s/%s/%s of '%s' cannot be examined: %m",
             VPM_REGIONS_DIR, vpm_dir_name(entry->body.id).text,
             expected->name, entry->body.name);
    else
        check_stat(check, entry, expected, &st);
    if (fd >= 0)
        close(fd);
}

static void check_file(struct check *check, const struct vpm_entry *entry,
                       const struct expected *expected)
{
    check_open_file(check, entry, expected,
                    vpm_dir_open_file(check->regions_fd, entry->body.id,
                                      expected->name, O_PATH));
}

static bool has_marker(const struct vpm_map *copy)
{
    uint64_t marker;

    memcpy(&marker, copy->addr + offsetof(struct vpm_state_header, marker),
           sizeof(marker));
    return marker != 0;
}

/* A region that is not fixated is no finding.  A marker that proves nothing is
 * one. */
static void check_state(struct check *check, const struct vpm_entry *entry)
{
    struct vpm_state_subject subject;
    struct vpm_state_info info;
    struct vpm_error why;
    struct vpm_map copy;
    int rc = vpm_state_read(check->regions_fd, &entry->body, &copy, &why);

    if (rc < 0) {
        if (errno == EIO)
            find(check, "%s", why.message);
        return;  /* check_file reported it */
    }
    if (has_marker(&copy) && !vpm_state_is_stale(entry, copy.addr)) {
        rc = vpm_state_subject(check->regions_fd, &check->file.conf, entry,
                               &subject, &why);
        if (rc == VPM_OK)
            rc = vpm_state_prove(&subject, copy.addr, copy.length, &info,
                                 &why);
        if (rc < 0)
            find(check, "%s", why.message);
    }
    vpm_map_close(&copy);
}

static void scan_ppt(struct check *check, const struct vpm_ppt *ppt,
                     const char *path)
{
    uint64_t *frames = calloc(VPM_BITMAP_WORDS(ppt->shape.frames), 8);
    uint64_t *slots = calloc(VPM_BITMAP_WORDS(ppt->shape.slots), 8);
    struct vpm_error why;

    if (!frames || !slots)
        find(check, "%s cannot be checked: %m", path);
    else if (vpm_ppt_scan(ppt, path, frames, slots, NULL, NULL, &why) < 0)
        find(check, "%s", why.message);
    free(frames);
    free(slots);
}

/* While a pager works on it, the table changes too much to be scanned. */
static void check_ppt(struct check *check, const struct vpm_entry *entry)
{
    int fd = vpm_dir_open_file(check->regions_fd, entry->body.id, VPM_PPT_FILE,
                               O_RDONLY);
    struct vpm_error why;
    struct vpm_ppt ppt;
    char path[64];

    if (fd < 0)
        return;  /* check_file reported it */
    snprintf(path, sizeof(path), "%s/%s/%s", VPM_REGIONS_DIR,
             vpm_dir_name(entry->body.id).text, VPM_PPT_FILE);
    if (vpm_ppt_open(&ppt, fd, path, false, &why) < 0) {
        find(check, "%s", why.message);
    } else {
        if (vpm_ppt_belongs(&ppt, &check->file.conf, &entry->body, path,
                            &why) < 0)
            find(check, "%s", why.message);
        else if (flock(fd, LOCK_SH | LOCK_NB) == 0)
            scan_ppt(check, &ppt, path);
        vpm_ppt_close(&ppt);
    }
    close(fd);
}

static void check_vpm(struct check *check, const struct vpm_entry *entry,
                      uid_t uid)
{
    struct vpm_shape shape = vpm_body_shape(&entry->body);
    const struct expected ppt = {
        .name = VPM_PPT_FILE, .size = shape.length, .uid = uid,
    };
    const struct expected virtual = {
        .name = VPM_VIRTUAL_FILE, .size = shape.virtual_size, .uid = uid,
        .sparse = true,
    };
    const struct expected swap = {
        .name = VPM_SWAP_LINK, .size = shape.slots * shape.page_size,
        .uid = uid,
    };
    char path[VPM_PATH_MAX + 1];
    int fd = -1;

    check_file(check, entry, &ppt);
    check_file(check, entry, &virtual);
    if (vpm_swapfile_path(check->regions_fd, entry->body.id, path,
                          sizeof(path)) == 0)
        fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    check_open_file(check, entry, &swap, fd);
    check_ppt(check, entry);
}

static void check_region(struct check *check, const struct vpm_entry *entry)
{
    const struct vpm_conf *conf = &check->file.conf;
    const struct expected ram = {
        .name = VPM_RAM_FILE,
        .size = entry->body.size,
        .uid = conf->uid_base ? conf->uid_base + entry->index : check->owner,
    };
    const struct expected state = {
        .name = VPM_STATE_FILE,
        .size = conf->state_size,
        .uid = check->owner,
    };
    struct vpm_error why;

    if (vpm_files_known(check->regions_fd, &entry->body, &why) < 0)
        find(check, "region of '%s': %s", entry->body.name, why.message);
    check_file(check, entry, &ram);
    check_file(check, entry, &state);
    if (entry->body.virtual_size)
        check_vpm(check, entry, ram.uid);
    check_state(check, entry);
}

static bool is_known(const struct check *check, const char *name)
{
    uint64_t id;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    id = strtoull(name, NULL, 16);
    return strcmp(vpm_dir_name(id).text, name) == 0 &&
        bsearch(&id, check->ids, check->entry_count, sizeof(id),
                compare_ids);
}

/* A directory that no entry names may be somebody's data: libvpm never removes
 * it. */
static void check_unknown(struct check *check)
{
    int fd = dup(check->regions_fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        find(check, "%s/%s cannot be listed: %m", check->dir,
             VPM_REGIONS_DIR);
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir)))
        if (!is_known(check, entry->d_name))
            find(check, "%s/%s/%s is unknown to the table of contents%s; "
                 "libvpm leaves it alone", check->dir, VPM_REGIONS_DIR,
                 entry->d_name, check->unsound_count ? " (or to its damaged "
                 "entries)" : "");
    closedir(dir);
}

static void check_regions(struct check *check)
{
    for (uint32_t i = 0; i < check->entry_count; i++) {
        if (check->entries[i].tag != VPM_TOC_LIVE)
            continue;
        check->about = &check->entries[i];
        check_region(check, check->about);
    }
    check->about = NULL;
}

/* -- pool ---------------------------------------------------------------- */

static void check_file_itself(struct check *check)
{
    struct vpm_conf copy;
    struct vpm_error why;
    struct stat st = {.st_ino = 0};

    if (fstat(check->file.fd, &st) < 0)
        find(check, "%s cannot be examined: %m", check->file.path);
    else
        check->owner = st.st_uid;
    if (check->file.is_damaged)
        find(check, "%s has a damaged CONF (offset 0); its copy, the file "
             VPM_CONF_FILE ", is sound: the next opening of the pool mends it",
             check->file.path);
    else if (check->file.conf.medium != VPM_MEDIUM_UNKNOWN &&
             !vpm_conf_read_copy(check->dir_fd, st.st_ino, &copy))
        find(check, "%s/" VPM_CONF_FILE ", the copy of CONF, is missing or "
             "damaged: the next opening of the pool makes it again",
             check->dir);
    if (vpm_device_verify(check->file.fd, &check->file.conf.device,
                          check->file.path, &why) < 0)
        find(check, "%s", why.message);
}

/* Keeps others from allocating: what is unfinished, and nobody works on, was
 * interrupted.  To take the lock it is enough to be able to read the file. */
static int lock_shared(struct check *check)
{
    int fd = openat(check->dir_fd, VPM_LOCK_FILE, O_RDONLY | O_CLOEXEC |
                    O_NOFOLLOW);
    int rc;

    if (fd < 0) {
        find(check, "%s/%s cannot be opened: %m", check->dir, VPM_LOCK_FILE);
        return -1;
    }
    do {
        rc = flock(fd, LOCK_SH);
    } while (rc < 0 && errno == EINTR);
    return fd;
}

/* Only what is quick is done under the lock. */
static void check_contents(struct check *check)
{
    int lock_fd;

    check_file_itself(check);
    lock_fd = lock_shared(check);
    check_toc(check);
    if (check->regions_fd < 0)
        find(check, "%s/%s cannot be opened", check->dir, VPM_REGIONS_DIR);
    else
        check_unknown(check);
    if (lock_fd >= 0)
        close(lock_fd);
    if (check->regions_fd >= 0)
        check_regions(check);
}

/* Without a sound CONF nothing else can be understood. */
static int check_pool(struct check *check, struct vpm_error *err)
{
    struct vpm_error why;
    size_t room;
    int rc = vpm_poolfile_open(&check->file, check->dir_fd, check->dir,
                               false, &why);

    if (rc == VPM_ENOENT || rc == VPM_ESYS) {
        *err = why;
        return rc;
    }
    if (rc < 0) {
        find(check, "%s", why.message);
        return VPM_OK;
    }
    room = (size_t)check->file.conf.descriptors + 1;
    check->entries = calloc(room, sizeof(*check->entries));
    check->ids = calloc(room, sizeof(*check->ids));
    if (!check->entries || !check->ids)
        rc = vpm_fail_errno(err, "cannot check %s", check->dir);
    else
        check_contents(check);
    free(check->entries);
    free(check->ids);
    vpm_poolfile_close(&check->file);
    return rc;
}

int vpm_pool_check(const char *dir,
                   void (*report)(const char *finding, void *opaque),
                   void *opaque, struct vpm_error *err)
{
    struct check check = {
        .dir = dir,
        .report = report,
        .opaque = opaque,
    };
    int rc;

    vpm_guard_install();
    check.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (check.dir_fd < 0 && errno == ENOENT)
        return vpm_fail(err, VPM_ENOENT, "there is no pool %s", dir);
    if (check.dir_fd < 0)
        return vpm_fail_errno(err, "cannot open %s", dir);
    check.regions_fd = openat(check.dir_fd, VPM_REGIONS_DIR, O_RDONLY |
                              O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    rc = check_pool(&check, err);
    if (check.regions_fd >= 0)
        close(check.regions_fd);
    close(check.dir_fd);
    return rc < 0 ? rc : check.findings;
}
