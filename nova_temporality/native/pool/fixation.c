/* SPDX-License-Identifier: Apache-2.0 */
/* fixation.c -- writing the virtual environment to NVRAM
 *
 * Runs on residual energy: from vpm_fixation_begin on nothing is allocated or
 * opened, nothing but the stream is waited for, and no lock is taken.  If the
 * region's epoch is advanced meanwhile, the state is stale, because its header
 * names the epoch at the beginning. */
#include "fixation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"
#include "error.h"
#include "guard.h"
#include "lookup.h"
#include "regiondir.h"
#include "state.h"

/* Bytes of a stream that are expected at least.  A state file has far more
 * room; what is touched becomes dirty, and is written back again. */
#define TOUCH_LEAST ((uint64_t)1 << 20)
#define TOUCH_PIECE ((size_t)64 << 10)

enum phase {
    IDLE,      /* opened, committed or failed */
    BEGUN,
    RECEIVED,
    SYNCED,    /* and the memory is durable */
};

struct vpm_fixation {
    struct vpm_pool *pool;
    struct vpm_map map;           /* the whole state file */
    struct vpm_toc_body body;
    uint64_t ram_inode;
    int ram_fd;                   /* on the medium "file" only; else -1 */
    enum phase phase;
    uint64_t epoch;               /* when it began */
    uint64_t length;              /* of the stream so far */
    uint64_t touched;             /* bytes, by a touch that goes on */
    uint32_t stream_crc;
};

/* -- opening ------------------------------------------------------------- */

static int map_state(struct vpm_fixation *fixation, struct vpm_error *err)
{
    const struct vpm_conf *conf = &fixation->pool->file.conf;
    int fd = vpm_dir_open_file(fixation->pool->regions_fd, fixation->body.id,
                               VPM_STATE_FILE, O_RDWR);
    struct stat st;
    int rc = fd < 0 ? -1 : fstat(fd, &st);

    if (rc == 0 && (uint64_t)st.st_size != conf->state_size)
        rc = vpm_fail(err, VPM_ECORRUPT, "the state file of region %016"
                      PRIx64 " of '%s' has %lld bytes instead of %" PRIu64
                      ": scrub the region", fixation->body.id,
                      fixation->body.name, (long long)st.st_size,
                      conf->state_size);
    else if (rc < 0 ||
             vpm_map_open(&fixation->map, fd, conf->state_size, true) < 0 ||
             vpm_map_touch(&fixation->map, 0, conf->state_size) < 0)
        rc = vpm_fail_errno(err, "cannot map the state file of region %016"
                            PRIx64 " of '%s'", fixation->body.id,
                            fixation->body.name);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Elsewhere than on DAX and tmpfs what a server writes waits in the page cache
 * for its disk. */
static int open_ram(struct vpm_fixation *fixation, struct vpm_error *err)
{
    if (fixation->pool->medium != VPM_MEDIUM_FILE)
        return VPM_OK;
    fixation->ram_fd = vpm_dir_open_file(fixation->pool->regions_fd,
                                         fixation->body.id, VPM_RAM_FILE,
                                         O_RDONLY);
    if (fixation->ram_fd < 0)
        return vpm_fail_errno(err, "cannot open the memory of region %016"
                              PRIx64 " of '%s'", fixation->body.id,
                              fixation->body.name);
    return VPM_OK;
}

static int open_fixation(struct vpm_fixation *fixation, uint64_t id,
                         struct vpm_error *err)
{
    struct vpm_pool *pool = fixation->pool;
    struct vpm_state_subject subject;
    struct vpm_entry entry;
    int rc = vpm_lookup_id(pool, id, &entry, err);

    if (rc == VPM_OK)
        rc = vpm_state_subject(pool->regions_fd, &pool->file.conf, &entry,
                               &subject, err);
    if (rc < 0)
        return rc;
    fixation->body = entry.body;
    fixation->ram_inode = subject.ram_inode;
    rc = open_ram(fixation, err);
    return rc < 0 ? rc : map_state(fixation, err);
}

struct vpm_fixation *vpm_fixation_open(struct vpm_pool *pool, uint64_t id,
                                       struct vpm_error *err)
{
    struct vpm_fixation *fixation = calloc(1, sizeof(*fixation));

    if (!fixation) {
        vpm_fail_errno(err, "cannot open a fixation of region %016" PRIx64,
                       id);
        return NULL;
    }
    fixation->pool = pool;
    fixation->ram_fd = -1;
    if (open_fixation(fixation, id, err) < 0) {
        vpm_fixation_close(fixation);
        return NULL;
    }
    return fixation;
}

/* DAX can be a property of single files. */
static bool lacks_dax(const struct vpm_pool *pool, const struct statx *st)
{
    return pool->medium == VPM_MEDIUM_DAX &&
        (st->stx_attributes_mask & STATX_ATTR_DAX) &&
        !(st->stx_attributes & STATX_ATTR_DAX);
}

static bool is_as_made(const struct vpm_fixation *fixation,
                       const struct statx *st)
{
    uint64_t size = fixation->body.size, space = st->stx_blocks * 512;

    return st->stx_ino == fixation->ram_inode && st->stx_size == size &&
        space >= size && space <= vpm_dir_most_space(size);
}

int vpm_fixation_check_ram(const struct vpm_fixation *fixation,
                           struct vpm_error *err)
{
    const struct vpm_toc_body *body = &fixation->body;
    int rc = vpm_pool_check_medium(fixation->pool, err);
    struct statx st;
    char path[64];

    if (rc < 0)
        return rc;
    snprintf(path, sizeof(path), "%s/" VPM_RAM_FILE,
             vpm_dir_name(body->id).text);
    if (statx(fixation->pool->regions_fd, path, AT_SYMLINK_NOFOLLOW,
              STATX_BASIC_STATS, &st) < 0)
        return vpm_fail_errno(err, "cannot examine the memory of region "
                              "%016" PRIx64 " of '%s'", body->id, body->name);
    if (lacks_dax(fixation->pool, &st))
        return vpm_fail(err, VPM_EMEDIUM, "the memory of '%s' (%s/%s) is not "
                        "on DAX, although the pool is: what the server writes "
                        "waits in the page cache, and is lost with power. "
                        "Mount the pool's file system with -o dax=always",
                        body->name, VPM_REGIONS_DIR, path);
    if (is_as_made(fixation, &st))
        return VPM_OK;
    return vpm_fail(err, VPM_ECORRUPT, "the memory of '%s' (%s/%s) has %"
                    PRIu64 " bytes and takes %" PRIu64 " instead of %" PRIu64
                    ": a process of its user id %u changed it; no state would "
                    "be proven. Stop and start the server, which restores it",
                    body->name, VPM_REGIONS_DIR, path, (uint64_t)st.stx_size,
                    (uint64_t)st.stx_blocks * 512, body->size, st.stx_uid);
}

static int touch_failed(const struct vpm_fixation *fixation,
                        struct vpm_error *err)
{
    return vpm_fail(err, VPM_ESYS, "cannot write to the state file of region "
                    "%016" PRIx64 " of '%s': %m (errno %d): its NVRAM has an "
                    "error, or the file was cut off; hard-reboot the server, "
                    "which writes it anew", fixation->body.id,
                    fixation->body.name, errno);
}

int vpm_fixation_touch(struct vpm_fixation *fixation, uint64_t length,
                       uint64_t until_ns, bool *done, struct vpm_error *err)
{
    uint64_t all = sizeof(struct vpm_state_header) +
        (length > TOUCH_LEAST ? length : TOUCH_LEAST);
    uint64_t at = fixation->touched;

    if (all > fixation->map.length)
        all = fixation->map.length;
    do {
        uint64_t left = at < all ? all - at : 0;
        size_t some = left < TOUCH_PIECE ? left : TOUCH_PIECE;

        if (some && vpm_map_touch(&fixation->map, at, some) < 0)
            return touch_failed(fixation, err);
        at += some;
    } while (at < all && vpm_now_ns(CLOCK_MONOTONIC) < until_ns);
    *done = at >= all;
    /* The next one must not begin anew: it would never come to an end. */
    fixation->touched = *done ? 0 : at;
    return VPM_OK;
}

void vpm_fixation_close(struct vpm_fixation *fixation)
{
    if (!fixation)
        return;
    vpm_map_close(&fixation->map);
    if (fixation->ram_fd >= 0)
        close(fixation->ram_fd);
    free(fixation);
}

/* -- the event ----------------------------------------------------------- */

struct proof {
    const struct vpm_map *map;
    struct vpm_state_subject subject;
};

static int prove(void *opaque)
{
    const struct proof *proof = opaque;
    struct vpm_state_info info;
    struct vpm_error ignored;

    return vpm_state_prove(&proof->subject, proof->map->addr,
                           proof->map->length, &info, &ignored);
}

/* Another handle, or one of an earlier run, may have fixated already.  What
 * cannot be read is not proven. */
static bool proven_already(const struct vpm_fixation *fixation,
                           const struct vpm_entry *entry)
{
    struct proof proof = {
        .map = &fixation->map,
        .subject = {
            .conf = &fixation->pool->file.conf,
            .entry = entry,
            .ram_inode = fixation->ram_inode,
            .ram_size = fixation->body.size,
        },
    };

    return vpm_guard(prove, &proof) == VPM_OK;
}

static int begin(struct vpm_fixation *fixation, bool discard_proven,
                 struct vpm_error *err)
{
    struct vpm_entry entry;
    int rc;

    fixation->phase = IDLE;
    rc = vpm_lookup_again(fixation->pool, &fixation->body, &entry, err);
    if (rc < 0)
        return rc;
    if (!discard_proven && proven_already(fixation, &entry))
        return vpm_fail(err, VPM_EFIXATED, "region %016" PRIx64 " of '%s' is "
                        "fixated already, in epoch %" PRIu64 ": begin a new "
                        "epoch before its vCPUs run", fixation->body.id,
                        fixation->body.name, entry.epoch);
    if (vpm_persist_word(&fixation->map,
                         offsetof(struct vpm_state_header, marker), 0) < 0)
        return vpm_fail_errno(err, "cannot clear the marker of region %016"
                              PRIx64, fixation->body.id);
    fixation->epoch = entry.epoch;
    fixation->length = 0;
    fixation->stream_crc = 0;
    fixation->phase = BEGUN;
    return VPM_OK;
}

int vpm_fixation_begin(struct vpm_fixation *fixation, struct vpm_error *err)
{
    return begin(fixation, false, err);
}

int vpm_fixation_begin_anew(struct vpm_fixation *fixation,
                            struct vpm_error *err)
{
    return begin(fixation, true, err);
}

static int late(const struct vpm_fixation *fixation, struct vpm_error *err)
{
    return vpm_fail(err, VPM_ETIMEDOUT, "the stream of region %016" PRIx64
                    " of '%s' did not end before the deadline; %" PRIu64
                    " bytes had come", fixation->body.id,
                    fixation->body.name, fixation->length);
}

/* Waits until *fd* can be read or is at its end. */
static int wait_readable(const struct vpm_fixation *fixation, int fd,
                         uint64_t deadline_ns, struct vpm_error *err)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    struct timespec left, *timeout = NULL;
    int rc;

    do {
        if (deadline_ns) {
            uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

            if (now >= deadline_ns)
                return late(fixation, err);
            left.tv_sec = (time_t)((deadline_ns - now) / 1000000000u);
            left.tv_nsec = (long)((deadline_ns - now) % 1000000000u);
            timeout = &left;
        }
        rc = ppoll(&ready, 1, timeout, NULL);
    } while (rc == 0 || (rc < 0 && errno == EINTR));
    if (rc < 0)
        return vpm_fail_errno(err, "cannot wait for the stream of region "
                              "%016" PRIx64, fixation->body.id);
    return VPM_OK;
}

static bool again(void)
{
    return errno == EINTR || errno == EAGAIN;
}

static int read_failed(const struct vpm_fixation *fixation,
                       struct vpm_error *err)
{
    return vpm_fail_errno(err, "cannot read the stream of region %016" PRIx64,
                          fixation->body.id);
}

/* Called when the file is full: the stream must be at its end.  1 then, 0 if
 * that is not known yet. */
static int expect_end(const struct vpm_fixation *fixation, int fd,
                      struct vpm_error *err)
{
    uint8_t excess;
    ssize_t got = read(fd, &excess, sizeof(excess));

    if (got == 0)
        return 1;
    if (got < 0 && again())
        return 0;
    if (got < 0)
        return read_failed(fixation, err);
    return vpm_fail(err, VPM_ENOSPC, "the state of region %016" PRIx64 " of "
                    "'%s' is longer than the %" PRIu64 " bytes that its "
                    "state file holds: format a pool with a larger state "
                    "size", fixation->body.id, fixation->body.name,
                    fixation->length);
}

/* Its memory has an error, or the file was cut off. */
static int write_failed(const struct vpm_fixation *fixation,
                        struct vpm_error *err)
{
    return vpm_fail_errno(err, "cannot write the state of region %016" PRIx64
                          " of '%s'", fixation->body.id, fixation->body.name);
}

/* A part of the stream that has just been read. */
struct part {
    struct vpm_fixation *fixation;
    uint64_t at;
    size_t length;
};

static int take_part(void *opaque)
{
    const struct part *part = opaque;
    struct vpm_fixation *fixation = part->fixation;

    fixation->stream_crc = vpm_crc32c(fixation->stream_crc,
                                      fixation->map.addr + part->at,
                                      part->length);
    vpm_persist->flush(&fixation->map, part->at, part->length);
    return 0;
}

/* Reads what is there.  1 at the end of the stream, 0 before. */
static int take(struct vpm_fixation *fixation, int fd, struct vpm_error *err)
{
    uint64_t at = sizeof(struct vpm_state_header) + fixation->length;
    size_t room = fixation->map.length - at;
    struct part part = {.fixation = fixation, .at = at};
    ssize_t got;

    if (room == 0)
        return expect_end(fixation, fd, err);
    got = vpm_persist->read(&fixation->map, at, fd, room < VPM_FIXATION_CHUNK ?
                            room : VPM_FIXATION_CHUNK);
    if (got == 0)
        return 1;
    if (got < 0 && again())
        return 0;
    if (got < 0 && errno == EFAULT)
        errno = EIO;  /* of the map; for the stream it would be another one */
    if (got < 0)
        return errno == EIO ? write_failed(fixation, err) :
            read_failed(fixation, err);
    part.length = (size_t)got;
    if (vpm_guard(take_part, &part) < 0)
        return write_failed(fixation, err);
    fixation->length += (uint64_t)got;
    return 0;
}

static int end_of_stream(struct vpm_fixation *fixation, struct vpm_error *err)
{
    if (fixation->length == 0)
        return vpm_fail(err, VPM_EUNPROVEN, "the stream of region %016"
                        PRIx64 " of '%s' was empty: nothing was saved",
                        fixation->body.id, fixation->body.name);
    fixation->phase = RECEIVED;
    return VPM_OK;
}

int vpm_fixation_take(struct vpm_fixation *fixation, int fd, bool *ended,
                      struct vpm_error *err)
{
    int rc;

    if (fixation->phase != BEGUN)
        return vpm_fail(err, VPM_EINVAL, "the fixation of region %016" PRIx64
                        " has not begun: call begin first",
                        fixation->body.id);
    rc = take(fixation, fd, err);
    *ended = rc == 1;
    if (rc < 0)
        fixation->phase = IDLE;
    return rc == 1 ? end_of_stream(fixation, err) : rc;
}

int vpm_fixation_receive(struct vpm_fixation *fixation, int fd,
                         uint64_t deadline_ns, struct vpm_error *err)
{
    bool ended = false;
    int rc = VPM_OK;

    if (fixation->phase == BEGUN)
        rc = wait_readable(fixation, fd, deadline_ns, err);
    while (rc == VPM_OK) {
        rc = vpm_fixation_take(fixation, fd, &ended, err);
        if (rc < 0 || ended)
            break;
        rc = wait_readable(fixation, fd, deadline_ns, err);
    }
    if (rc < 0)
        fixation->phase = IDLE;
    return rc;
}

uint64_t vpm_fixation_length(const struct vpm_fixation *fixation)
{
    return fixation->length;
}

static int no_stream(const struct vpm_fixation *fixation,
                     struct vpm_error *err)
{
    return vpm_fail(err, VPM_EINVAL, "there is no complete stream of region "
                    "%016" PRIx64 ": call begin and receive first",
                    fixation->body.id);
}

int vpm_fixation_sync(struct vpm_fixation *fixation, struct vpm_error *err)
{
    if (fixation->phase == SYNCED)
        return VPM_OK;
    if (fixation->phase != RECEIVED)
        return no_stream(fixation, err);
    fixation->phase = IDLE;
    if (fixation->ram_fd >= 0 && vpm_persist->sync(fixation->ram_fd) < 0)
        return vpm_fail_errno(err, "cannot write the memory of region %016"
                              PRIx64 " of '%s' to its disk",
                              fixation->body.id, fixation->body.name);
    fixation->phase = SYNCED;
    return VPM_OK;
}

static void fill_header(const struct vpm_fixation *fixation,
                        const struct vpm_fixation_meta *meta,
                        struct vpm_state_header *header)
{
    const struct vpm_conf *conf = &fixation->pool->file.conf;

    memset(header, 0, sizeof(*header));
    memcpy(header->magic, VPM_STATE_MAGIC, sizeof(header->magic));
    header->version = VPM_FORMAT_VERSION;
    header->stream_crc = fixation->stream_crc;
    memcpy(header->pool_uuid, conf->uuid, sizeof(header->pool_uuid));
    header->region_id = fixation->body.id;
    header->incarnation = fixation->body.incarnation;
    header->ram_inode = fixation->ram_inode;
    header->ram_size = fixation->body.size;
    header->epoch = fixation->epoch;
    header->length = fixation->length;
    header->persisted_ns = vpm_now_ns(CLOCK_MONOTONIC);
    header->meta.wall_ns = meta->wall_ns;
    header->meta.signal_ns = meta->signal_ns;
    header->meta.stopped_ns = meta->stopped_ns;
    header->meta.saved_ns = meta->saved_ns;
    memcpy(header->meta.runstate, meta->runstate, VPM_RUNSTATE_MAX);
    memcpy(header->meta.producer, meta->producer, VPM_RUNSTATE_MAX);
    header->crc = vpm_crc32c(0, header,
                             offsetof(struct vpm_state_header, crc));
}

/* Stream, then header, then marker; each durable before the next. */
static int persist(struct vpm_fixation *fixation,
                   const struct vpm_fixation_meta *meta)
{
    const struct vpm_map *map = &fixation->map;
    struct vpm_state_header header;

    if (vpm_persist->fence(map, sizeof(header), fixation->length) < 0)
        return -1;
    fill_header(fixation, meta, &header);
    if (vpm_persist_bytes(map, 0, &header, sizeof(header)) < 0)
        return -1;
    return vpm_persist_word(map, offsetof(struct vpm_state_header, marker),
                            (uint64_t)VPM_MARKER_MAGIC << 32 | header.crc);
}

int vpm_fixation_commit(struct vpm_fixation *fixation,
                        const struct vpm_fixation_meta *meta,
                        uint64_t *persisted_ns, struct vpm_error *err)
{
    struct vpm_entry entry;
    int rc = vpm_fixation_sync(fixation, err);

    if (rc < 0)
        return rc;
    fixation->phase = IDLE;
    rc = vpm_lookup_again(fixation->pool, &fixation->body, &entry, err);
    if (rc < 0)
        return rc;
    if (entry.epoch != fixation->epoch)
        return vpm_fail(err, VPM_EUNPROVEN, "the fixation of region %016"
                        PRIx64 " of '%s' was called off: epoch %" PRIu64
                        " began during that of epoch %" PRIu64,
                        fixation->body.id, fixation->body.name, entry.epoch,
                        fixation->epoch);
    if (persist(fixation, meta) < 0)
        return write_failed(fixation, err);
    *persisted_ns = vpm_now_ns(CLOCK_MONOTONIC);
    return VPM_OK;
}
