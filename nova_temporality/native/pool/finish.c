/* SPDX-License-Identifier: Apache-2.0 */
/* finish.c -- finishing what was begun with a region: freeing, allocating */
#include "finish.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "files.h"
#include "lock.h"
#include "regiondir.h"
#include "vault.h"

/* Whether an entry still says what was found in it.  An incarnation is never
 * used twice. */
static bool is_still(struct vpm_pool *pool, const struct vpm_entry *found)
{
    struct vpm_error ignored;
    struct vpm_entry entry;

    return vpm_toc_read(&pool->file, found->index, &entry, &ignored) ==
            VPM_OK &&
        entry.tag == found->tag &&
        memcmp(&entry.body, &found->body, sizeof(entry.body)) == 0;
}

/* The pool's lock makes it durable before somebody else gets the entry.  It is
 * free already if somebody found the directory gone. */
static int free_entry(struct vpm_pool *pool, const struct vpm_entry *entry,
                      struct vpm_error *err)
{
    int fd = vpm_pool_lock(pool, err);
    int rc = VPM_OK;

    if (fd < 0)
        return fd;
    if (is_still(pool, entry))
        rc = vpm_toc_commit(&pool->file, &entry->body, VPM_TOC_FREE, err);
    close(fd);
    return rc;
}

/* A region that is still allocating was never given to anybody, so there is
 * nothing to scrub.  A region that is freeing was used. */
int vpm_finish_held(struct vpm_pool *pool, const struct vpm_entry *entry,
                    bool urgent, struct vpm_error *err)
{
    bool left = false;
    int rc = VPM_OK;

    if (entry->tag == VPM_TOC_FREEING)
        rc = vpm_files_drain(pool, &entry->body, urgent, &left, err);
    if (rc == VPM_OK && left)
        return VPM_OK;
    if (rc == VPM_OK)
        rc = vpm_files_remove(pool, &entry->body, err);
    if (rc == VPM_OK && entry->tag == VPM_TOC_ALLOCATING)
        rc = vpm_vault_remove(pool, &entry->body, err);
    return rc < 0 ? rc : free_entry(pool, entry, err);
}

/* The pool's lock is held: a region that is allocating has its directory, and
 * its allocator that directory's lock, before the allocator gives it back.
 * The region's lock, or -1 with errno; EWOULDBLOCK: there is nothing to do. */
static int claim(struct vpm_pool *pool, const struct vpm_entry *found)
{
    if (!is_still(pool, found)) {
        errno = EWOULDBLOCK;
        return -1;
    }
    return vpm_lock_try(pool->regions_fd, vpm_dir_name(found->body.id).text);
}

static int claim_failed(struct vpm_pool *pool, const struct vpm_entry *found,
                        struct vpm_error *err)
{
    if (errno == EWOULDBLOCK)
        return VPM_OK;
    if (errno == ENOENT)
        return vpm_toc_commit(&pool->file, &found->body, VPM_TOC_FREE, err);
    return vpm_fail_errno(err, "cannot lock %s/%s of '%s'", VPM_REGIONS_DIR,
                          vpm_dir_name(found->body.id).text,
                          found->body.name);
}

/* Undoing an allocation is never put off: it is little work. */
static bool is_due(struct vpm_pool *pool, const struct vpm_entry *entry,
                   bool urgent)
{
    return entry->tag == VPM_TOC_ALLOCATING || urgent ||
        !vpm_pool_is_paused(pool);
}

int vpm_finish(struct vpm_pool *pool, const struct vpm_entry *found,
               bool urgent, struct vpm_error *err)
{
    int lock, fd, rc = VPM_OK;

    if (!is_due(pool, found, urgent))
        return VPM_OK;
    lock = vpm_pool_lock(pool, err);
    if (lock < 0)
        return lock;
    fd = claim(pool, found);
    if (fd < 0)
        rc = claim_failed(pool, found, err);
    close(lock);
    if (fd < 0)
        return rc;
    rc = vpm_finish_held(pool, found, urgent, err);
    close(fd);
    return rc;
}

int vpm_finish_after(struct vpm_pool *pool, const struct vpm_entry *found,
                     bool urgent, struct vpm_error *err)
{
    int fd = vpm_lock(pool->regions_fd, vpm_dir_name(found->body.id).text);

    if (fd >= 0)
        close(fd);
    return vpm_finish(pool, found, urgent, err);
}

int vpm_finish_all(struct vpm_pool *pool, bool freeing, bool wait,
                   struct vpm_error *err)
{
    int first = VPM_OK;

    for (uint32_t i = 0; i < pool->file.conf.descriptors; i++) {
        struct vpm_error failure;
        struct vpm_entry entry;
        int rc = vpm_toc_read(&pool->file, i, &entry, &failure);

        if (rc == VPM_OK && (entry.tag == VPM_TOC_ALLOCATING ||
                             (freeing && entry.tag == VPM_TOC_FREEING)))
            rc = wait ? vpm_finish_after(pool, &entry, false, &failure) :
                vpm_finish(pool, &entry, false, &failure);
        if (rc < 0 && first == VPM_OK) {
            first = rc;
            *err = failure;
        }
    }
    return first;
}

int vpm_pool_finish_freed(struct vpm_pool *pool, struct vpm_error *err)
{
    return vpm_finish_all(pool, true, false, err);
}
