/* SPDX-License-Identifier: Apache-2.0 */
/* record.c -- records what libvpm does to its files, while it does it */
#include "record.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"
#include "persist.h"
#include "stage.h"

#define SITES 1024
#define OWN_CALLS 3  /* of the recorder: find_site, add and its caller */

static struct trace *into;
static bool with_sites;
static struct site sites[SITES];
static int site_count;

/* -- sites --------------------------------------------------------------- */

__attribute__((noinline))
static int find_site(enum event_kind kind)
{
    struct site site = {.kind = kind};
    void *calls[OWN_CALLS + RECORD_DEPTH];
    int depth = backtrace(calls, OWN_CALLS + RECORD_DEPTH);
    int i = 0;

    for (int n = OWN_CALLS; n < depth; n++)
        site.calls[n - OWN_CALLS] = calls[n];
    while (i < site_count && (sites[i].kind != kind ||
                              memcmp(sites[i].calls, site.calls,
                                     sizeof(site.calls)) != 0))
        i++;
    CHECK(i < SITES);
    if (i == site_count)
        sites[site_count++] = site;
    return i;
}

const struct site *record_site(int site)
{
    return &sites[site];
}

int record_sites(void)
{
    return site_count;
}

/* -- events -------------------------------------------------------------- */

/* Not inlined: OWN_CALLS counts it. */
__attribute__((noinline))
static struct event *add(enum event_kind kind, int inode)
{
    struct event *event;

    CHECK(inode >= 0);
    if (into->count == into->room) {
        into->room = into->room ? 2 * into->room : 64;
        into->events = realloc(into->events, (size_t)into->room *
                               sizeof(*into->events));
        CHECK(into->events);
    }
    event = &into->events[into->count++];
    memset(event, 0, sizeof(*event));
    event->kind = kind;
    event->inode = inode;
    event->site = with_sites ? find_site(kind) : -1;
    return event;
}

static void copy_name(char *to, const char *name)
{
    const char *slash = strrchr(name, '/');

    CHECK(strlen(slash ? slash + 1 : name) < MEDIA_NAME);
    strcpy(to, slash ? slash + 1 : name);
}

static void take_bytes(struct event *event, uint64_t offset,
                       const void *bytes, uint64_t length)
{
    event->offset = offset;
    event->length = length;
    event->bytes = malloc(length ? length : 1);
    CHECK(event->bytes);
    if (bytes)
        memcpy(event->bytes, bytes, length);
    else
        memset(event->bytes, 0, length);
}

static void add_link(int dir, const char *name, mode_t mode, bool directory)
{
    struct event *event = add(EVENT_LINK, stage_inode(dir));

    event->child = stage_adopt(dir, name);
    event->directory = directory;
    event->value = mode;
    copy_name(event->name, name);
}

/* -- the recording interface --------------------------------------------- */

static void record_store(const struct vpm_map *map, uint64_t offset,
                         const void *from, size_t length)
{
    take_bytes(add(EVENT_WRITE, stage_mapped(map->addr)), offset, from,
               length);
    vpm_persist_real.store(map, offset, from, length);
}

static void record_store_word(const struct vpm_map *map, uint64_t offset,
                              uint64_t value)
{
    struct event *event = add(EVENT_WRITE, stage_mapped(map->addr));

    CHECK(offset % sizeof(value) == 0);
    take_bytes(event, offset, &value, sizeof(value));
    event->word = true;
    vpm_persist_real.store_word(map, offset, value);
}

static ssize_t record_read(const struct vpm_map *map, uint64_t offset, int fd,
                           size_t length)
{
    ssize_t got = vpm_persist_real.read(map, offset, fd, length);

    if (got > 0)
        take_bytes(add(EVENT_WRITE, stage_mapped(map->addr)), offset,
                   map->addr + offset, (uint64_t)got);
    return got;
}

static void record_flush(const struct vpm_map *map, uint64_t offset,
                         size_t length)
{
    struct event *event = add(EVENT_FLUSH, stage_mapped(map->addr));

    event->offset = offset;
    event->length = length;
}

static int record_fence(const struct vpm_map *map, uint64_t offset,
                        size_t length)
{
    struct event *event = add(EVENT_FENCE, stage_mapped(map->addr));

    event->offset = offset;
    event->length = length;
    return 0;
}

static int record_mkdir(int dir, const char *name, mode_t mode)
{
    int rc = vpm_persist_real.mkdir(dir, name, mode);

    if (rc == 0)
        add_link(dir, name, mode, true);
    return rc;
}

static int record_create(int dir, const char *name, mode_t mode)
{
    int fd = vpm_persist_real.create(dir, name, mode);

    if (fd >= 0)
        add_link(dir, name, mode, false);
    return fd;
}

static int record_allocate(int fd, uint64_t length)
{
    int rc = vpm_persist_real.allocate(fd, length);

    if (rc == 0)
        add(EVENT_SIZE, stage_inode(fd))->length = length;
    return rc;
}

static int record_zero(int fd, uint64_t offset, uint64_t length)
{
    int rc = vpm_persist_real.zero(fd, offset, length);

    if (rc == 0)
        take_bytes(add(EVENT_WRITE, stage_inode(fd)), offset, NULL, length);
    return rc;
}

static int record_chown(int fd, uid_t uid)
{
    int rc = vpm_persist_real.chown(fd, uid);

    if (rc == 0)
        add(EVENT_OWNER, stage_inode(fd))->value = uid;
    return rc;
}

static int record_chmod(int fd, mode_t mode)
{
    int rc = vpm_persist_real.chmod(fd, mode);

    if (rc == 0)
        add(EVENT_MODE, stage_inode(fd))->value = mode;
    return rc;
}

static int record_sync(int fd)
{
    add(EVENT_SYNC, stage_inode(fd));
    return 0;
}

static int record_rename(int dir, const char *from, const char *to)
{
    int rc = vpm_persist_real.rename(dir, from, to);

    if (rc == 0) {
        struct event *event = add(EVENT_RENAME, stage_inode(dir));

        copy_name(event->name, from);
        copy_name(event->to, to);
    }
    return rc;
}

static int record_unlink(int dir, const char *name, int flags)
{
    int rc = vpm_persist_real.unlink(dir, name, flags);

    if (rc == 0)
        copy_name(add(EVENT_UNLINK, stage_inode(dir))->name, name);
    return rc;
}

static const struct vpm_persist recording = {
    .store = record_store,
    .store_word = record_store_word,
    .read = record_read,
    .flush = record_flush,
    .fence = record_fence,
    .mkdir = record_mkdir,
    .create = record_create,
    .allocate = record_allocate,
    .zero = record_zero,
    .chown = record_chown,
    .chmod = record_chmod,
    .sync = record_sync,
    .rename = record_rename,
    .unlink = record_unlink,
};

/* -- control ------------------------------------------------------------- */

static void forget(struct trace *trace)
{
    for (int i = 0; i < trace->count; i++)
        free(trace->events[i].bytes);
    trace->count = 0;
}

void record_start(struct trace *trace, bool with)
{
    forget(trace);
    into = trace;
    with_sites = with;
    vpm_persist = &recording;
}

void record_stop(void)
{
    vpm_persist = &vpm_persist_real;
    into = NULL;
}

/* Of what is no code of libvpm. */
static struct event *add_own(enum event_kind kind, int inode)
{
    bool with = with_sites;
    struct event *event;

    with_sites = false;
    event = add(kind, inode);
    with_sites = with;
    return event;
}

void record_done(void)
{
    add_own(EVENT_DONE, MEDIA_ROOT);
}

void record_fill(const char *path, int byte)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct event *event;

    CHECK(fd >= 0);
    fill_file(path, byte);
    event = add_own(EVENT_WRITE, stage_inode(fd));
    take_bytes(event, 0, NULL, (uint64_t)lseek(fd, 0, SEEK_END));
    memset(event->bytes, byte, event->length);
    add_own(EVENT_SYNC, stage_inode(fd));
    close(fd);
}

void trace_free(struct trace *trace)
{
    forget(trace);
    free(trace->events);
    memset(trace, 0, sizeof(*trace));
}
