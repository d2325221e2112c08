/* SPDX-License-Identifier: Apache-2.0 */
/* region.c -- allocating, changing and freeing regions */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "files.h"
#include "finish.h"
#include "lock.h"
#include "lookup.h"
#include "paged.h"
#include "ppt.h"
#include "regiondir.h"
#include "state.h"
#include "swapfile.h"
#include "vault.h"

/* -- nvalloc ------------------------------------------------------------- */

/* What the TOC says about the room for another region. */
struct room {
    uint64_t used;
    uint64_t freed;       /* of that, not scrubbed yet */
    uint32_t unfinished;  /* regions that are freeing or allocating */
    uint64_t serial;      /* of the latest allocation, at descriptor */
    uint32_t latest;
    uint32_t free_index;  /* the next after that one that is free, going
                           * round; number of descriptors: there is none */
    struct vpm_entry same;  /* of the same id; its tag is FREE: there is none */
};

static int same_id(const struct vpm_pool *pool,
                   const struct vpm_toc_body *there,
                   const struct vpm_toc_body *wanted, struct vpm_error *err)
{
    if (there->sequence == wanted->sequence &&
        strcmp(there->name, wanted->name) == 0)
        return vpm_fail(err, VPM_EEXIST, "pool %s has a region of '%s', "
                        "sequence number %" PRIu32 ", already", pool->path,
                        there->name, there->sequence);
    return vpm_fail(err, VPM_ECOLLISION, "'%s', sequence number %" PRIu32
                    ", and '%s', sequence number %" PRIu32 ", which pool %s "
                    "has already, both have region id %016" PRIx64
                    ": use another sequence number", wanted->name,
                    wanted->sequence, there->name, there->sequence, pool->path,
                    there->id);
}

static int find_room(struct vpm_pool *pool, const struct vpm_toc_body *wanted,
                     struct room *room, struct vpm_error *err)
{
    uint32_t count = pool->file.conf.descriptors;

    memset(room, 0, sizeof(*room));
    room->free_index = count;
    room->same.tag = VPM_TOC_FREE;
    for (uint32_t i = 0; i < count; i++) {
        struct vpm_entry entry;
        int rc = vpm_toc_read(&pool->file, i, &entry, err);

        if (rc < 0)
            return rc;
        if (entry.body.serial > room->serial) {
            room->serial = entry.body.serial;
            room->latest = i;
        }
        if (entry.tag == VPM_TOC_FREE)
            continue;
        if (entry.body.id == wanted->id && entry.tag == VPM_TOC_LIVE)
            return same_id(pool, &entry.body, wanted, err);
        if (entry.body.id == wanted->id)
            room->same = entry;
        room->used += entry.body.size;
        room->unfinished += entry.tag != VPM_TOC_LIVE;
        if (entry.tag == VPM_TOC_FREEING)
            room->freed += entry.body.size;
    }
    return VPM_OK;
}

/* Descriptors, and with them user ids, go round, so that one is not somebody
 * else's at once: a process or a file that was forgotten may still have it. */
static int find_descriptor(struct vpm_pool *pool, struct room *room,
                           struct vpm_error *err)
{
    uint32_t count = pool->file.conf.descriptors;
    uint32_t first = room->serial ? room->latest + 1 : 0;

    for (uint32_t i = 0; i < count; i++) {
        struct vpm_entry entry;
        int rc = vpm_toc_read(&pool->file, (first + i) % count, &entry, err);

        if (rc < 0)
            return rc;
        if (entry.tag == VPM_TOC_FREE) {
            room->free_index = entry.index;
            break;
        }
    }
    return VPM_OK;
}

static int check_room(const struct vpm_pool *pool, const struct room *room,
                      uint64_t size, struct vpm_error *err)
{
    const struct vpm_conf *conf = &pool->file.conf;
    uint64_t left = 0;

    if (room->used < conf->total_size)
        left = conf->total_size - room->used;
    if (size > left && room->freed)
        return vpm_fail(err, VPM_ENOSPC, "pool %s has %s of %s free, %s were "
                        "asked for; %s more were freed, and are scrubbed when "
                        "power is good: wait for that", pool->path,
                        vpm_size_text(left).text,
                        vpm_size_text(conf->total_size).text,
                        vpm_size_text(size).text,
                        vpm_size_text(room->freed).text);
    if (size > left)
        return vpm_fail(err, VPM_ENOSPC, "pool %s has %s of %s free, %s were "
                        "asked for: free a region or use a larger pool",
                        pool->path, vpm_size_text(left).text,
                        vpm_size_text(conf->total_size).text,
                        vpm_size_text(size).text);
    if (room->free_index == conf->descriptors)
        return vpm_fail(err, VPM_ENOSPC, "all %" PRIu32 " descriptors of "
                        "pool %s are used: free a region or format a pool "
                        "with more", conf->descriptors, pool->path);
    return VPM_OK;
}

/* A directory that the TOC does not name may be somebody's data. */
static int check_unused(const struct vpm_pool *pool, uint64_t id,
                        struct vpm_error *err)
{
    struct vpm_dir_name name = vpm_dir_name(id);

    if (faccessat(pool->regions_fd, name.text, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return vpm_fail(err, VPM_ECORRUPT, "%s/%s/%s exists, but the table "
                        "of contents has no such region: move it away",
                        pool->path, VPM_REGIONS_DIR, name.text);
    if (errno != ENOENT)
        return vpm_fail_errno(err, "cannot examine %s/%s/%s", pool->path,
                              VPM_REGIONS_DIR, name.text);
    return VPM_OK;
}

static int fill_size(const struct vpm_pool *pool, const char *name,
                     uint64_t size, struct vpm_toc_body *body,
                     struct vpm_error *err)
{
    uint64_t page = pool->file.conf.page_size;

    if (size == 0 || size > (uint64_t)INT64_MAX - page)
        return vpm_fail(err, VPM_EINVAL, "size of '%s' is %" PRIu64 "; it "
                        "must be from 1 to %" PRIu64, name, size,
                        (uint64_t)INT64_MAX - page);
    body->size = (size + page - 1) / page * page;
    return VPM_OK;
}

static int fill_shape(const struct vpm_pool *pool, const char *name,
                      const struct vpm_vpm_params *params,
                      struct vpm_toc_body *body, struct vpm_error *err)
{
    struct vpm_shape shape;
    int rc = vpm_swapfile_check_dir(params->swap_dir, err);

    if (rc == VPM_OK)
        rc = vpm_shape_choose(name, params, pool->file.conf.page_size,
                              &shape, err);
    if (rc < 0)
        return rc;
    body->size = shape.nvram_size;
    body->virtual_size = shape.virtual_size;
    body->vpm_page_size = shape.page_size;
    body->policy = shape.policy;
    return VPM_OK;
}

static int fill_body(const char *name, uint32_t sequence,
                     struct vpm_toc_body *body, struct vpm_error *err)
{
    int rc = vpm_name_check(name, err);

    if (rc < 0)
        return rc;
    memset(body, 0, sizeof(*body));
    if (getrandom(&body->incarnation, sizeof(body->incarnation), 0) !=
        sizeof(body->incarnation))
        return vpm_fail_errno(err, "cannot make a random number");
    body->created_ns = vpm_now_ns(CLOCK_REALTIME);
    body->id = vpm_region_id(name, sequence);
    body->sequence = sequence;
    memcpy(body->name, name, strlen(name));
    return VPM_OK;
}

/* Under the pool's lock: names the region in the TOC, makes its directory and
 * takes that one's lock, before somebody else can take the region for one that
 * a crash interrupted.  Nobody has the new lock for more than a moment.  A file
 * descriptor, or a vpm_code. */
static int begin(struct vpm_pool *pool, const struct vpm_toc_body *body,
                 struct vpm_error *err)
{
    int rc = vpm_toc_commit(&pool->file, body, VPM_TOC_ALLOCATING, err);
    int fd;

    if (rc == VPM_OK)
        rc = vpm_files_create_dir(pool, body, err);
    if (rc < 0)
        return rc;
    fd = vpm_lock(pool->regions_fd, vpm_dir_name(body->id).text);
    if (fd < 0)
        return vpm_fail_errno(err, "cannot lock %s/%s of '%s'",
                              VPM_REGIONS_DIR, vpm_dir_name(body->id).text,
                              body->name);
    return fd;
}

/* What begin() does when there is room.  *body* has its descriptor when there
 * may be something to be undone; else an impossible one. */
static int begin_locked(struct vpm_pool *pool, struct vpm_toc_body *body,
                        struct room *room, struct vpm_error *err)
{
    int rc = find_room(pool, body, room, err);

    body->descriptor = pool->file.conf.descriptors;
    if (rc == VPM_OK && room->same.tag != VPM_TOC_FREE)
        rc = vpm_fail(err, VPM_EEXIST, "an earlier region of '%s' is being "
                      "freed", body->name);
    if (rc == VPM_OK)
        rc = find_descriptor(pool, room, err);
    if (rc == VPM_OK)
        rc = check_room(pool, room, body->size, err);
    if (rc == VPM_OK)
        rc = check_unused(pool, body->id, err);
    if (rc < 0)
        return rc;
    body->descriptor = room->free_index;
    body->serial = room->serial + 1;
    rc = vpm_toc_write(&pool->file, body, err);
    if (rc == VPM_OK)
        return begin(pool, body, err);
    body->descriptor = pool->file.conf.descriptors;
    return rc;
}

/* Undoes what was begun, and keeps the first error. */
static void undo(struct vpm_pool *pool, const struct vpm_toc_body *body,
                 bool held)
{
    const struct vpm_entry entry = {
        .index = body->descriptor,
        .tag = VPM_TOC_ALLOCATING,
        .body = *body,
    };
    struct vpm_error ignored;

    /* The last commit may have failed half way. */
    if (vpm_toc_commit(&pool->file, body, entry.tag, &ignored) < 0)
        return;
    if (held)
        vpm_finish_held(pool, &entry, true, &ignored);
    else
        vpm_finish(pool, &entry, true, &ignored);
}

static int try_begin(struct vpm_pool *pool, struct vpm_toc_body *body,
                     struct room *room, struct vpm_error *err)
{
    int lock = vpm_pool_lock(pool, err);
    int fd;

    if (lock < 0)
        return lock;
    fd = begin_locked(pool, body, room, err);
    close(lock);
    if (fd < 0 && body->descriptor < pool->file.conf.descriptors)
        undo(pool, body, false);
    return fd;
}

/* An earlier region of the same id is finished first.  When there is no room,
 * those whose space is not free yet are finished, or waited for, once. */
static int begin_when_possible(struct vpm_pool *pool,
                               struct vpm_toc_body *body,
                               struct vpm_error *err)
{
    struct vpm_error ignored;
    bool tried = false;
    struct room room;
    int fd;

    for (;;) {
        fd = try_begin(pool, body, &room, err);
        if (fd == VPM_EEXIST && room.same.tag != VPM_TOC_FREE) {
            int rc = vpm_finish_after(pool, &room.same, true, err);

            if (rc < 0)
                return rc;
        } else if (fd == VPM_ENOSPC && room.unfinished && !tried &&
                   body->descriptor == pool->file.conf.descriptors) {
            tried = true;
            vpm_finish_all(pool, true, true, &ignored);
        } else {
            return fd;
        }
    }
}

static int alloc(struct vpm_pool *pool, struct vpm_toc_body *body,
                 const char *swap_dir, struct vpm_region_info *info,
                 struct vpm_error *err)
{
    int fd = begin_when_possible(pool, body, err);
    struct vpm_entry entry;
    int rc;

    if (fd < 0)
        return fd;
    rc = vpm_files_create(pool, body, swap_dir, false, err);
    if (rc == VPM_OK)
        rc = vpm_vault_create(pool, body, err);
    if (rc == VPM_OK)
        rc = vpm_toc_commit(&pool->file, body, VPM_TOC_LIVE, err);
    if (rc < 0) {
        undo(pool, body, true);
    } else {
        rc = vpm_lookup_again(pool, body, &entry, err);
        if (rc == VPM_OK)
            vpm_lookup_describe(pool, &entry, info);
    }
    close(fd);
    return rc;
}

int nvalloc(struct vpm_pool *pool, const char *name, uint32_t sequence,
            uint64_t size, struct vpm_region_info *info,
            struct vpm_error *err)
{
    struct vpm_toc_body body;
    int rc = fill_body(name, sequence, &body, err);

    if (rc == VPM_OK)
        rc = fill_size(pool, name, size, &body, err);
    return rc < 0 ? rc : alloc(pool, &body, NULL, info, err);
}

int nvalloc_vpm(struct vpm_pool *pool, const char *name, uint32_t sequence,
                const struct vpm_vpm_params *params,
                struct vpm_region_info *info, struct vpm_error *err)
{
    struct vpm_toc_body body;
    int rc = fill_body(name, sequence, &body, err);

    if (rc == VPM_OK)
        rc = fill_shape(pool, name, params, &body, err);
    return rc < 0 ? rc : alloc(pool, &body, params->swap_dir, info, err);
}

/* -- changing one region ------------------------------------------------- */

/* Takes a region's lock and reads its entry again: a file descriptor to
 * close, or a vpm_code. */
static int lock_region(struct vpm_pool *pool, struct vpm_entry *entry,
                       struct vpm_error *err)
{
    struct vpm_toc_body body = entry->body;
    int fd = vpm_lock(pool->regions_fd, vpm_dir_name(body.id).text);
    int saved = errno;
    int rc = vpm_lookup_again(pool, &body, entry, err);

    if (rc == VPM_OK && fd < 0) {
        errno = saved;
        return vpm_fail_errno(err, "cannot lock %s/%s of '%s'",
                              VPM_REGIONS_DIR, vpm_dir_name(body.id).text,
                              body.name);
    }
    if (rc == VPM_OK)
        return fd;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int lock_region_id(struct vpm_pool *pool, uint64_t id,
                          struct vpm_entry *entry, struct vpm_error *err)
{
    int rc = vpm_lookup_id(pool, id, entry, err);

    return rc < 0 ? rc : lock_region(pool, entry, err);
}

/* The vault first: if that fails, nothing has changed.  What is cut off between
 * the two leaves a state that is proven here, and was never written to the
 * vault under the new number of runs.
 *
 * Then the epoch: from then on no state is proven, whatever the state file
 * says. */
static int advance_epoch(struct vpm_pool *pool, const struct vpm_entry *entry,
                         struct vpm_error *err)
{
    int rc = vpm_vault_advance(pool, &entry->body, err);

    if (rc == VPM_OK)
        rc = vpm_toc_set_epoch(&pool->file, &entry->body, entry->epoch + 1,
                               err);
    return rc < 0 ? rc : vpm_state_clear(pool, &entry->body, err);
}

int vpm_region_begin_epoch(struct vpm_pool *pool, uint64_t id,
                           struct vpm_error *err)
{
    struct vpm_entry entry;
    int fd = lock_region_id(pool, id, &entry, err);
    int rc;

    if (fd < 0)
        return fd;
    rc = advance_epoch(pool, &entry, err);
    close(fd);
    return rc;
}

int vpm_region_scrub(struct vpm_pool *pool, uint64_t id,
                     struct vpm_error *err)
{
    struct vpm_entry entry;
    int fd = lock_region_id(pool, id, &entry, err);
    int rc;

    if (fd < 0)
        return fd;
    rc = advance_epoch(pool, &entry, err);
    if (rc == VPM_OK && entry.body.virtual_size)
        rc = vpm_paged_restore(pool->regions_fd, &entry.body, err);
    if (rc == VPM_OK)
        rc = vpm_files_scrub(pool, &entry.body, err);
    if (rc == VPM_OK)
        rc = vpm_files_restore_size(pool, &entry.body, err);
    close(fd);
    return rc;
}

/* -- what a pager reports ------------------------------------------------ */

static void describe_status(const struct vpm_ppt_status *status,
                            uint32_t page_size,
                            struct vpm_region_stats *stats)
{
    stats->in_memory = status->in_memory * page_size;
    stats->in_swap = status->in_swap * page_size;
    stats->faults = status->faults;
    stats->refaults = status->refaults;
    stats->swap_ins = status->swap_ins;
    stats->swap_outs = status->swap_outs;
    stats->clean_outs = status->clean_outs;
    stats->error = (uint32_t)(status->error >> 32);
    stats->fatal = vpm_region_error_is_fatal(stats->error);
    stats->error_errno = (int32_t)status->error;
    stats->error_page = status->error_page;
    stats->error_slot = status->error_slot;
}

int vpm_region_stats(struct vpm_pool *pool, uint64_t id,
                     struct vpm_region_stats *stats, struct vpm_error *err)
{
    struct vpm_ppt_status status;
    struct vpm_entry entry;
    int rc = vpm_lookup_id(pool, id, &entry, err);

    if (rc < 0)
        return rc;
    memset(stats, 0, sizeof(*stats));
    stats->in_memory = entry.body.size;
    if (!entry.body.virtual_size)
        return VPM_OK;
    rc = vpm_paged_read_status(pool, &entry.body, &status, err);
    if (rc == VPM_OK)
        describe_status(&status, entry.body.vpm_page_size, stats);
    return rc;
}

/* -- nvfree -------------------------------------------------------------- */

/* The vault first: what is on a disk survives what is marked here. */
static int mark_freeing(struct vpm_pool *pool, struct vpm_entry *entry,
                        struct vpm_error *err)
{
    int rc = vpm_vault_remove(pool, &entry->body, err);

    if (rc < 0)
        return rc;
    entry->tag = VPM_TOC_FREEING;
    return vpm_toc_commit(&pool->file, &entry->body, entry->tag, err);
}

/* Marks a live region.  A file descriptor that has its lock, or a vpm_code. */
static int mark_locked(struct vpm_pool *pool, struct vpm_entry *entry,
                       struct vpm_error *err)
{
    int fd = lock_region(pool, entry, err);
    int rc;

    if (fd < 0)
        return fd;
    rc = vpm_files_known(pool->regions_fd, &entry->body, err);
    if (rc == VPM_OK)
        rc = mark_freeing(pool, entry, err);
    if (rc == VPM_OK)
        return fd;
    close(fd);
    return rc;
}

/* A region whose directory somebody removed can be freed, too. */
static bool is_lost(struct vpm_pool *pool, const struct vpm_entry *entry)
{
    return faccessat(pool->regions_fd, vpm_dir_name(entry->body.id).text,
                     F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* There is no directory to lock.  So the pool's lock keeps others from taking
 * the entry, and it is read again: somebody may have freed the region, and the
 * entry may be another one's. */
static int mark_lost(struct vpm_pool *pool, struct vpm_entry *entry,
                     struct vpm_error *err)
{
    struct vpm_toc_body body = entry->body;
    int fd = vpm_pool_lock(pool, err);
    int rc;

    if (fd < 0)
        return fd;
    rc = vpm_lookup_again(pool, &body, entry, err);
    if (rc == VPM_OK)
        rc = mark_freeing(pool, entry, err);
    close(fd);
    return rc;
}

static int free_live(struct vpm_pool *pool, struct vpm_entry *entry,
                     struct vpm_error *err)
{
    int rc = VPM_OK;
    int fd;

    if (is_lost(pool, entry)) {
        rc = mark_lost(pool, entry, err);
        return rc < 0 ? rc : vpm_finish(pool, entry, false, err);
    }
    fd = mark_locked(pool, entry, err);
    if (fd < 0)
        return fd;
    if (!vpm_pool_is_paused(pool))
        rc = vpm_finish_held(pool, entry, false, err);
    close(fd);
    return rc;
}

/* Once the entry is freeing, the region will be freed: after a failure another
 * nvfree, or vpm_pool_finish_freed, does the rest. */
int nvfree(struct vpm_pool *pool, const char *name, uint32_t sequence,
           struct vpm_error *err)
{
    struct vpm_entry entry;
    int rc;

    for (;;) {
        rc = vpm_lookup_name(pool, name, sequence, &entry, err);
        if (rc < 0)
            return rc;
        if (entry.tag == VPM_TOC_LIVE)
            return free_live(pool, &entry, err);
        rc = vpm_finish_after(pool, &entry, false, err);
        if (rc < 0 || entry.tag == VPM_TOC_FREEING)
            return rc;
    }
}
