/* SPDX-License-Identifier: Apache-2.0 */
/* ppt.c -- the persistent page table of a VPM region */
#include "ppt.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitmap.h"
#include "crc32c.h"
#include "error.h"

#define CHECK_SHIFT (2 * VPM_PPT_INDEX_BITS)
#define INDEX_MASK (((uint64_t)1 << VPM_PPT_INDEX_BITS) - 1)
#define STATUS_AT sizeof(struct vpm_ppt_header)

struct vpm_shape vpm_body_shape(const struct vpm_toc_body *body)
{
    return vpm_shape(body->virtual_size, body->size, body->vpm_page_size,
                     body->policy);
}

/* -- the file ------------------------------------------------------------ */

static uint32_t header_crc(const struct vpm_ppt_header *header)
{
    return vpm_crc32c(0, header, offsetof(struct vpm_ppt_header, crc));
}

int vpm_ppt_format(int fd, const struct vpm_conf *conf,
                   const struct vpm_toc_body *body,
                   const struct vpm_ppt_files *files, struct vpm_error *err)
{
    struct vpm_ppt_header header = {
        .magic = VPM_PPT_MAGIC,
        .version = VPM_FORMAT_VERSION,
        .page_size = body->vpm_page_size,
        .region_id = body->id,
        .incarnation = body->incarnation,
        .virtual_size = body->virtual_size,
        .nvram_size = body->size,
        .ram_inode = files->ram_inode,
        .virtual_inode = files->virtual_inode,
        .swap_inode = files->swap_inode,
        .policy = body->policy,
    };
    const struct iovec iov = {&header, sizeof(header)};

    memcpy(header.pool_uuid, conf->uuid, sizeof(header.pool_uuid));
    header.crc = header_crc(&header);
    if (vpm_persist->write(fd, 0, &iov, 1) < 0 || vpm_persist->sync(fd) < 0)
        return vpm_fail_errno(err, "cannot write the page table of region %016"
                              PRIx64 " of '%s'", body->id, body->name);
    return VPM_OK;
}

static int corrupt(struct vpm_error *err, const char *path, const char *fault)
{
    return vpm_fail(err, VPM_ECORRUPT, "%s is damaged: %s", path, fault);
}

static int check_header(const struct vpm_ppt_header *header,
                        const char *path, struct vpm_error *err)
{
    const char *fault;

    if (memcmp(header->magic, VPM_PPT_MAGIC, sizeof(header->magic)))
        return corrupt(err, path, "it is no page table: the magic at offset "
                       "0 is wrong");
    if (header->crc != header_crc(header))
        return vpm_fail(err, VPM_ECORRUPT, "%s is damaged: its header has "
                        "checksum 0x%08" PRIx32 " but says 0x%08" PRIx32,
                        path, header_crc(header), header->crc);
    if (header->version != VPM_FORMAT_VERSION)
        return vpm_fail(err, VPM_EVERSION, "%s has format version %" PRIu32
                        ", this libvpm reads %d", path, header->version,
                        VPM_FORMAT_VERSION);
    fault = vpm_shape_fault(header->virtual_size, header->nvram_size,
                            header->page_size, header->policy);
    return fault ? corrupt(err, path, fault) : VPM_OK;
}

/* What *ppt* has as header, in a file of this size. */
static int check_file(struct vpm_ppt *ppt, off_t size, const char *path,
                      struct vpm_error *err)
{
    const struct vpm_ppt_header *header = &ppt->header;
    int rc = check_header(header, path, err);

    if (rc < 0)
        return rc;
    ppt->shape = vpm_shape(header->virtual_size, header->nvram_size,
                           header->page_size, header->policy);
    if ((uint64_t)size != ppt->shape.length)
        return vpm_fail(err, VPM_ECORRUPT, "%s is damaged: it has %lld bytes "
                        "instead of %" PRIu64, path, (long long)size,
                        ppt->shape.length);
    return VPM_OK;
}

static int read_copy(struct vpm_map *map, int fd, size_t length)
{
    return vpm_map_blank(map, length) < 0 ? -1 :
        vpm_map_fill(map, fd, 0, length);
}

static int map_checked(struct vpm_ppt *ppt, int fd, const char *path,
                       bool writable, struct vpm_error *err)
{
    struct stat st;
    int rc;

    if (fstat(fd, &st) < 0)
        return vpm_fail_errno(err, "cannot examine %s", path);
    if (pread(fd, &ppt->header, sizeof(ppt->header), 0) !=
        sizeof(ppt->header))
        return corrupt(err, path, "it has no header");
    rc = check_file(ppt, st.st_size, path, err);
    if (rc < 0)
        return rc;
    if ((writable ? vpm_map_open(&ppt->map, fd, (size_t)st.st_size, true) :
         read_copy(&ppt->map, fd, (size_t)st.st_size)) < 0)
        return vpm_fail_errno(err, "cannot %s %s", writable ? "map" : "read",
                              path);
    return VPM_OK;
}

int vpm_ppt_open(struct vpm_ppt *ppt, int fd, const char *path,
                 bool writable, struct vpm_error *err)
{
    int rc;

    memset(ppt, 0, sizeof(*ppt));
    rc = map_checked(ppt, fd, path, writable, err);
    if (rc < 0)
        vpm_ppt_close(ppt);
    return rc;
}

int vpm_ppt_read_status(int fd, const struct vpm_conf *conf,
                        const struct vpm_toc_body *body, const char *path,
                        struct vpm_ppt_status *status, struct vpm_error *err)
{
    struct vpm_ppt ppt = {0};
    struct stat st;
    int rc;

    if (fstat(fd, &st) < 0)
        return vpm_fail_errno(err, "cannot examine %s", path);
    if (pread(fd, &ppt.header, sizeof(ppt.header), 0) !=
        sizeof(ppt.header) ||
        pread(fd, status, sizeof(*status), STATUS_AT) != sizeof(*status))
        return corrupt(err, path, "it has no header");
    rc = check_file(&ppt, st.st_size, path, err);
    return rc < 0 ? rc : vpm_ppt_belongs(&ppt, conf, body, path, err);
}

void vpm_ppt_close(struct vpm_ppt *ppt)
{
    vpm_map_close(&ppt->map);
}

int vpm_ppt_belongs(const struct vpm_ppt *ppt, const struct vpm_conf *conf,
                    const struct vpm_toc_body *body, const char *path,
                    struct vpm_error *err)
{
    const struct vpm_ppt_header *header = &ppt->header;

    if (memcmp(header->pool_uuid, conf->uuid, sizeof(header->pool_uuid)) ||
        header->region_id != body->id ||
        header->incarnation != body->incarnation)
        return corrupt(err, path, "it belongs to another region");
    if (header->virtual_size != body->virtual_size ||
        header->nvram_size != body->size ||
        header->page_size != body->vpm_page_size ||
        header->policy != body->policy)
        return corrupt(err, path, "it does not agree with the table of "
                       "contents");
    return VPM_OK;
}

/* -- entries ------------------------------------------------------------- */

static uint64_t entry_at(const struct vpm_ppt *ppt, uint32_t page)
{
    return ppt->shape.entries_at + (uint64_t)page * 8;
}

static uint64_t load_word(const struct vpm_ppt *ppt, uint64_t offset)
{
    return __atomic_load_n((uint64_t *)(void *)(ppt->map.addr + offset),
                           __ATOMIC_ACQUIRE);
}

/* The check bits bind an entry to its page and region. */
static uint64_t with_check(const struct vpm_ppt *ppt, uint32_t page,
                           uint64_t value)
{
    const uint64_t bound[] = {ppt->header.incarnation, page, value};

    return value | (uint64_t)vpm_crc32c(0, bound, sizeof(bound)) <<
        CHECK_SHIFT;
}

const char *vpm_ppt_get(const struct vpm_ppt *ppt, uint32_t page,
                        struct vpm_ppt_entry *entry)
{
    uint64_t word = load_word(ppt, entry_at(ppt, page));
    uint64_t value = word & (((uint64_t)1 << CHECK_SHIFT) - 1);

    entry->frame = (uint32_t)(value & INDEX_MASK) - 1;
    entry->slot = (uint32_t)(value >> VPM_PPT_INDEX_BITS) - 1;
    if (word == 0)
        return NULL;
    if (value == 0 || word != with_check(ppt, page, value))
        return "its check bits are wrong";
    if (entry->frame != VPM_NONE && entry->frame >= ppt->shape.frames)
        return "there is no such frame";
    if (entry->slot != VPM_NONE && entry->slot >= ppt->shape.slots)
        return "there is no such slot";
    return NULL;
}

void vpm_ppt_set(const struct vpm_ppt *ppt, uint32_t page,
                 struct vpm_ppt_entry entry)
{
    uint64_t value = (uint64_t)(entry.slot + 1) << VPM_PPT_INDEX_BITS |
        (uint64_t)(entry.frame + 1);
    uint64_t at = entry_at(ppt, page);

    vpm_persist->store_word(&ppt->map, at,
                            value ? with_check(ppt, page, value) : 0);
    vpm_persist->flush(&ppt->map, at, 8);
}

int vpm_ppt_fence_entries(const struct vpm_ppt *ppt)
{
    return vpm_persist->fence(&ppt->map, ppt->shape.entries_at,
                              ppt->shape.pages * 8);
}

/* -- slots --------------------------------------------------------------- */

uint64_t vpm_ppt_slot_word(const struct vpm_ppt *ppt, uint32_t page,
                           const void *data)
{
    const uint64_t bound[] = {
        ppt->header.region_id, ppt->header.incarnation, page,
    };

    return vpm_digest(vpm_digest(0, bound, sizeof(bound)), data,
                      ppt->shape.page_size);
}

static uint64_t slot_at(const struct vpm_ppt *ppt, uint32_t slot)
{
    return ppt->shape.slots_at + (uint64_t)slot * 8;
}

uint64_t vpm_ppt_get_slot(const struct vpm_ppt *ppt, uint32_t slot)
{
    return load_word(ppt, slot_at(ppt, slot));
}

void vpm_ppt_set_slot(const struct vpm_ppt *ppt, uint32_t slot,
                      uint64_t word)
{
    vpm_persist->store_word(&ppt->map, slot_at(ppt, slot), word);
    vpm_persist->flush(&ppt->map, slot_at(ppt, slot), 8);
}

int vpm_ppt_fence_slots(const struct vpm_ppt *ppt)
{
    return vpm_persist->fence(&ppt->map, ppt->shape.slots_at,
                              ppt->shape.slots * 8);
}

/* -- scanning ------------------------------------------------------------ */

static const char *own(struct vpm_ppt_entry entry, uint64_t *frames,
                       uint64_t *slots)
{
    if (entry.frame != VPM_NONE && vpm_bit_get(frames, entry.frame))
        return "another page owns its frame, too";
    if (entry.slot != VPM_NONE && vpm_bit_get(slots, entry.slot))
        return "another page owns its slot, too";
    if (entry.frame != VPM_NONE)
        vpm_bit_set(frames, entry.frame);
    if (entry.slot != VPM_NONE)
        vpm_bit_set(slots, entry.slot);
    return NULL;
}

int vpm_ppt_scan(const struct vpm_ppt *ppt, const char *path,
                 uint64_t *frames, uint64_t *slots,
                 void (*found)(void *opaque, uint32_t page,
                               struct vpm_ppt_entry entry),
                 void *opaque, struct vpm_error *err)
{
    for (uint32_t page = 0; page < ppt->shape.pages; page++) {
        struct vpm_ppt_entry entry;
        const char *fault = vpm_ppt_get(ppt, page, &entry);

        if (!fault)
            fault = own(entry, frames, slots);
        if (fault)
            return vpm_fail(err, VPM_ECORRUPT, "%s is damaged: entry of page "
                            "%" PRIu32 " (offset %" PRIu64 ", 0x%016" PRIx64
                            "): %s", path, page, entry_at(ppt, page),
                            load_word(ppt, entry_at(ppt, page)), fault);
        if (found && (entry.frame != VPM_NONE || entry.slot != VPM_NONE))
            found(opaque, page, entry);
    }
    return VPM_OK;
}

/* -- status -------------------------------------------------------------- */

struct vpm_ppt_status *vpm_ppt_status(const struct vpm_ppt *ppt)
{
    return (struct vpm_ppt_status *)(void *)(ppt->map.addr + STATUS_AT);
}

bool vpm_region_error_is_fatal(uint32_t error)
{
    return error == VPM_REGION_SWAP_IN || error == VPM_REGION_BAD_SLOT ||
        error == VPM_REGION_BAD_ENTRY || error == VPM_REGION_MAPPING;
}

/* Nothing can be done about an error that cannot be made durable. */
void vpm_ppt_set_error(const struct vpm_ppt *ppt,
                       enum vpm_region_error reason, int error,
                       uint32_t page, uint32_t slot)
{
    const uint64_t where[] = {page, slot};
    uint32_t known = (uint32_t)(load_word(ppt, STATUS_AT) >> 32);

    if (known && (vpm_region_error_is_fatal(known) ||
                  !vpm_region_error_is_fatal(reason)))
        return;
    vpm_persist->store(&ppt->map, STATUS_AT +
                       offsetof(struct vpm_ppt_status, error_page), where,
                       sizeof(where));
    vpm_persist_range(&ppt->map, STATUS_AT, 64);
    vpm_persist_word(&ppt->map, STATUS_AT,
                     (uint64_t)reason << 32 | (uint32_t)error);
}

bool vpm_ppt_clear_error(const struct vpm_ppt *ppt,
                         enum vpm_region_error reason)
{
    if (load_word(ppt, STATUS_AT) >> 32 != reason)
        return false;
    vpm_persist_word(&ppt->map, STATUS_AT, 0);
    return true;
}

void vpm_ppt_clear_errors(const struct vpm_ppt *ppt)
{
    vpm_persist_word(&ppt->map, STATUS_AT, 0);
}
