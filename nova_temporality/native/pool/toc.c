/* SPDX-License-Identifier: Apache-2.0 */
/* toc.c -- the pool file: TOC, the table of contents */
#include "toc.h"

#include <inttypes.h>
#include <string.h>

#include "crc32c.h"
#include "error.h"
#include "guard.h"
#include "shape.h"

#define EPOCH_BITS 40
#define EPOCH_MASK (((uint64_t)1 << EPOCH_BITS) - 1)

/* A reader sees an entry torn at most once per change that somebody makes.  An
 * entry that stays torn is damaged. */
#define READ_ATTEMPTS 100

static uint64_t entry_offset(uint32_t index)
{
    return VPM_TOC_OFFSET + (uint64_t)index * sizeof(struct vpm_toc_entry);
}

static uint64_t load_word(const struct vpm_map *map, uint64_t offset)
{
    return __atomic_load_n((uint64_t *)(void *)(map->addr + offset),
                           __ATOMIC_ACQUIRE);
}

static uint64_t commit_word(const struct vpm_toc_body *body,
                            enum vpm_toc_tag tag)
{
    uint32_t crc = 0;

    if (tag != VPM_TOC_FREE)
        crc = vpm_crc32c(0, body, sizeof(*body));
    return (uint64_t)tag << 32 | crc;
}

/* The check bits bind an epoch to its region. */
static uint64_t epoch_word(const struct vpm_toc_body *body, uint64_t epoch)
{
    const uint64_t bound[] = {body->id, body->incarnation, epoch};

    return (uint64_t)vpm_crc32c(0, bound, sizeof(bound)) << EPOCH_BITS |
           epoch;
}

int vpm_name_check(const char *name, struct vpm_error *err)
{
    size_t length = strnlen(name, VPM_NAME_MAX + 1);

    if (length < 1 || length > VPM_NAME_MAX)
        return vpm_fail(err, VPM_EINVAL, "pVM name '%.*s%s' has %s; it must "
                        "have 1 to %d", VPM_NAME_MAX, name,
                        length ? "..." : "", length ? "too many bytes" :
                        "no bytes", VPM_NAME_MAX);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name[i];

        if (byte < 0x20 || byte > 0x7e || byte == '/')
            return vpm_fail(err, VPM_EINVAL, "pVM name '%.*s' has byte 0x%02x"
                            " at position %zu; only printable ASCII "
                            "characters other than '/' are allowed",
                            (int)i, name, byte, i);
    }
    return VPM_OK;
}

/* What can be wrong although the checksum matches, or NULL. */
static const char *body_fault(const struct vpm_poolfile *file,
                              uint32_t index,
                              const struct vpm_toc_body *body)
{
    struct vpm_error ignored;

    if (body->descriptor != index)
        return "it belongs to another descriptor";
    if (!memchr(body->name, 0, sizeof(body->name)) ||
        vpm_name_check(body->name, &ignored) < 0)
        return "its name is impossible";
    if (body->id != vpm_region_id(body->name, body->sequence))
        return "its id is not the hash of its name and sequence number";
    if (body->size == 0 || body->size % file->conf.page_size ||
        body->size > file->conf.total_size)
        return "its size is impossible";
    if (body->virtual_size)
        return vpm_shape_fault(body->virtual_size, body->size,
                               body->vpm_page_size, body->policy);
    if (body->vpm_page_size || body->policy)
        return "it is fully resident and has a page size or a policy";
    return NULL;
}

static int corrupt(const struct vpm_poolfile *file, uint32_t index,
                   struct vpm_error *err, const char *fault)
{
    return vpm_fail(err, VPM_ECORRUPT, "%s is damaged: TOC entry %" PRIu32
                    " (offset %" PRIu64 "): %s", file->path, index,
                    entry_offset(index), fault);
}

static int corrupt_words(const struct vpm_poolfile *file, uint32_t index,
                         struct vpm_error *err, const char *fault,
                         uint64_t expected, uint64_t found)
{
    return vpm_fail(err, VPM_ECORRUPT, "%s is damaged: TOC entry %" PRIu32
                    " (offset %" PRIu64 "): %s: expected 0x%016" PRIx64
                    ", found 0x%016" PRIx64, file->path, index,
                    entry_offset(index), fault, expected, found);
}

/* An entry as it is at one instant, if both commit words are the same. */
struct snapshot {
    const struct vpm_map *map;
    uint64_t at;
    uint64_t before, epoch, after;
    struct vpm_toc_body *body;
};

static int take_snapshot(void *opaque)
{
    struct snapshot *snapshot = opaque;
    const struct vpm_map *map = snapshot->map;
    uint64_t at = snapshot->at;

    snapshot->before = load_word(map, at);
    snapshot->epoch = load_word(map,
                                at + offsetof(struct vpm_toc_entry, epoch));
    memcpy(snapshot->body, map->addr + at +
           offsetof(struct vpm_toc_entry, body), sizeof(*snapshot->body));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    snapshot->after = load_word(map, at);
    return 0;
}

/* Checks one snapshot of an entry. */
static int check_entry(const struct vpm_poolfile *file,
                       struct vpm_entry *entry, uint64_t commit,
                       uint64_t epoch, struct vpm_error *err)
{
    uint32_t index = entry->index;
    const char *fault;

    entry->tag = (enum vpm_toc_tag)(commit >> 32);
    entry->epoch = epoch & EPOCH_MASK;
    switch (entry->tag) {
    case VPM_TOC_FREE:
    case VPM_TOC_ALLOCATING:
    case VPM_TOC_LIVE:
    case VPM_TOC_FREEING:
        break;
    default:
        return corrupt_words(file, index, err, "unknown commit word",
                             (uint64_t)VPM_TOC_FREE << 32, commit);
    }
    if (commit != commit_word(&entry->body, entry->tag))
        return corrupt_words(file, index, err, "wrong checksum",
                             commit_word(&entry->body, entry->tag), commit);
    if (entry->tag == VPM_TOC_FREE)
        return VPM_OK;
    fault = body_fault(file, index, &entry->body);
    if (fault)
        return corrupt(file, index, err, fault);
    if (entry->tag == VPM_TOC_LIVE &&
        epoch != epoch_word(&entry->body, entry->epoch))
        return corrupt_words(file, index, err, "wrong epoch check bits",
                             epoch_word(&entry->body, entry->epoch), epoch);
    return VPM_OK;
}

int vpm_toc_read(const struct vpm_poolfile *file, uint32_t index,
                 struct vpm_entry *entry, struct vpm_error *err)
{
    struct snapshot snapshot = {
        .map = &file->map,
        .at = entry_offset(index),
        .body = &entry->body,
    };
    int rc = VPM_OK;

    entry->index = index;
    for (int i = 0; i < READ_ATTEMPTS; i++) {
        if (vpm_guard(take_snapshot, &snapshot) < 0)
            return corrupt(file, index, err, "its memory cannot be read "
                           "(a media error, or the file was cut off)");
        if (snapshot.before != snapshot.after)
            continue;
        rc = check_entry(file, entry, snapshot.before, snapshot.epoch, err);
        if (rc == VPM_OK)
            return VPM_OK;
    }
    if (rc == VPM_OK)
        rc = corrupt(file, index, err, "it does not come to rest");
    return rc;
}

void vpm_toc_pack(const struct vpm_entry *entry,
                  uint8_t bytes[sizeof(struct vpm_toc_entry)])
{
    const struct vpm_toc_entry packed = {
        .commit = commit_word(&entry->body, VPM_TOC_LIVE),
        .epoch = epoch_word(&entry->body, entry->epoch),
        .body = entry->body,
    };

    memcpy(bytes, &packed, sizeof(packed));
}

int vpm_toc_unpack(const struct vpm_poolfile *file,
                   const uint8_t bytes[sizeof(struct vpm_toc_entry)],
                   struct vpm_entry *entry, struct vpm_error *err)
{
    struct vpm_toc_entry packed;
    uint32_t index;

    memcpy(&packed, bytes, sizeof(packed));
    index = packed.body.descriptor;
    if (packed.commit >> 32 != VPM_TOC_LIVE ||
        index >= file->conf.descriptors)
        return corrupt(file, index, err, "it is none of a live region");
    entry->index = index;
    entry->body = packed.body;
    return check_entry(file, entry, packed.commit, packed.epoch, err);
}

static int write_failed(const struct vpm_poolfile *file, uint32_t index,
                        struct vpm_error *err)
{
    return vpm_fail_errno(err, "cannot write TOC entry %" PRIu32 " of %s",
                          index, file->path);
}

int vpm_toc_write(const struct vpm_poolfile *file,
                  const struct vpm_toc_body *body, struct vpm_error *err)
{
    const struct vpm_toc_entry entry = {
        .epoch = epoch_word(body, 0),
        .body = *body,
    };
    size_t from = offsetof(struct vpm_toc_entry, epoch);

    if (vpm_persist_bytes(&file->map, entry_offset(body->descriptor) + from,
                          &entry.epoch, sizeof(entry) - from) < 0)
        return write_failed(file, body->descriptor, err);
    return VPM_OK;
}

int vpm_toc_commit(const struct vpm_poolfile *file,
                   const struct vpm_toc_body *body, enum vpm_toc_tag tag,
                   struct vpm_error *err)
{
    if (vpm_persist_word(&file->map, entry_offset(body->descriptor),
                         commit_word(body, tag)) < 0)
        return write_failed(file, body->descriptor, err);
    return VPM_OK;
}

int vpm_toc_set_epoch(const struct vpm_poolfile *file,
                      const struct vpm_toc_body *body, uint64_t epoch,
                      struct vpm_error *err)
{
    uint64_t at = entry_offset(body->descriptor) +
        offsetof(struct vpm_toc_entry, epoch);

    if (epoch > EPOCH_MASK)
        return vpm_fail(err, VPM_EINVAL, "region %016" PRIx64 " has used up "
                        "its %d bits of epochs: free it", body->id,
                        EPOCH_BITS);
    if (vpm_persist_word(&file->map, at, epoch_word(body, epoch)) < 0)
        return write_failed(file, body->descriptor, err);
    return VPM_OK;
}
