/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c -- finding regions and describing them */
#include "lookup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "regiondir.h"
#include "swapfile.h"

static void file_path(const struct vpm_pool *pool, uint64_t id,
                      const char *name, char *path)
{
    snprintf(path, VPM_PATH_MAX + 1, "%.*s/%s/%s/%s", VPM_PATH_MAX - 40,
             pool->path, VPM_REGIONS_DIR, vpm_dir_name(id).text, name);
}

void vpm_lookup_describe(const struct vpm_pool *pool,
                         const struct vpm_entry *entry,
                         struct vpm_region_info *info)
{
    uint32_t base = pool->file.conf.uid_base;
    const struct vpm_toc_body *body = &entry->body;

    memset(info, 0, sizeof(*info));
    info->id = body->id;
    info->size = body->size;
    info->epoch = entry->epoch;
    info->created_ns = body->created_ns;
    info->sequence = body->sequence;
    info->descriptor = body->descriptor;
    info->uid = base ? base + body->descriptor : (uint32_t)geteuid();
    memcpy(info->name, body->name, sizeof(info->name));
    file_path(pool, body->id, VPM_RAM_FILE, info->ram_path);
    info->virtual_size = body->size;
    if (!body->virtual_size)
        return;
    info->virtual_size = body->virtual_size;
    info->page_size = body->vpm_page_size;
    info->policy = body->policy;
    file_path(pool, body->id, VPM_VIRTUAL_FILE, info->virtual_path);
    vpm_swapfile_path(pool->regions_fd, body->id, info->swap_path,
                      sizeof(info->swap_path));
}

/* -- finding ------------------------------------------------------------- */

/* Any entry but a free one.  Damage elsewhere does not hide it. */
static int find_entry(struct vpm_pool *pool, uint64_t id,
                      struct vpm_entry *entry, struct vpm_error *err)
{
    int bad = VPM_OK;

    for (uint32_t i = 0; i < pool->file.conf.descriptors; i++) {
        int rc = vpm_toc_read(&pool->file, i, entry, err);

        if (rc < 0)
            bad = rc;
        else if (entry->tag != VPM_TOC_FREE && entry->body.id == id)
            return VPM_OK;
    }
    if (bad < 0)
        return bad;
    return vpm_fail(err, VPM_ENOENT, "pool %s has no region %016" PRIx64,
                    pool->path, id);
}

static int check_live(const struct vpm_pool *pool,
                      const struct vpm_entry *entry, struct vpm_error *err)
{
    if (entry->tag == VPM_TOC_LIVE)
        return VPM_OK;
    return vpm_fail(err, VPM_ENOENT, "region %016" PRIx64 " of '%s' in pool "
                    "%s is being allocated or freed", entry->body.id,
                    entry->body.name, pool->path);
}

int vpm_lookup_id(struct vpm_pool *pool, uint64_t id,
                    struct vpm_entry *entry, struct vpm_error *err)
{
    int rc = find_entry(pool, id, entry, err);

    return rc < 0 ? rc : check_live(pool, entry, err);
}

int vpm_lookup_again(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     struct vpm_entry *entry, struct vpm_error *err)
{
    int rc = vpm_toc_read(&pool->file, body->descriptor, entry, err);

    if (rc < 0)
        return rc;
    if (entry->tag != VPM_TOC_LIVE ||
        memcmp(&entry->body, body, sizeof(*body)) != 0)
        return vpm_fail(err, VPM_ENOENT, "region %016" PRIx64 " of '%s' was "
                        "freed meanwhile", body->id, body->name);
    return VPM_OK;
}

int vpm_lookup_name(struct vpm_pool *pool, const char *name,
                    uint32_t sequence, struct vpm_entry *entry,
                    struct vpm_error *err)
{
    int rc = vpm_name_check(name, err);

    if (rc < 0)
        return rc;
    rc = find_entry(pool, vpm_region_id(name, sequence), entry, err);
    if (rc < 0 && rc != VPM_ENOENT)
        return rc;
    if (rc == VPM_OK && entry->body.sequence == sequence &&
        strcmp(entry->body.name, name) == 0)
        return VPM_OK;
    return vpm_fail(err, VPM_ENOENT, "pool %s has no region of '%s', "
                    "sequence number %" PRIu32, pool->path, name, sequence);
}

int vpm_region_lookup(struct vpm_pool *pool, const char *name,
                      uint32_t sequence, struct vpm_region_info *info,
                      struct vpm_error *err)
{
    struct vpm_entry entry;
    int rc = vpm_lookup_name(pool, name, sequence, &entry, err);

    if (rc == VPM_OK)
        rc = check_live(pool, &entry, err);
    if (rc == VPM_OK)
        vpm_lookup_describe(pool, &entry, info);
    return rc;
}

int vpm_region_list(struct vpm_pool *pool, struct vpm_region_info *infos,
                    uint32_t max, struct vpm_error *err)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < pool->file.conf.descriptors; i++) {
        struct vpm_entry entry;
        int rc = vpm_toc_read(&pool->file, i, &entry, err);

        if (rc < 0)
            return rc;
        if (entry.tag != VPM_TOC_LIVE)
            continue;
        if (count < max)
            vpm_lookup_describe(pool, &entry, &infos[count]);
        count++;
    }
    return (int)count;
}
