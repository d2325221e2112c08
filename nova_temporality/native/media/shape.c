/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c -- how a VPM region is divided: pages, frames, slots */
#include "shape.h"

#include <inttypes.h>
#include <stdio.h>

#include "error.h"

#define PAGE_SIZE_MIN 4096u
#define PAGE_SIZE_MAX (2u << 20)

/* The crash explorer sets smaller ones: it has no guest to run. */

/* Fewer frames may not hold all pages that one instruction, and devices at the
 * same time, need. */
#ifndef FRAMES_MIN
#define FRAMES_MIN 64
#endif

/* More slots than pages, so that there are free ones in a row, and a batch can
 * be written before the slots that it replaces are free. */
#ifndef SPARE_SLOTS
#define SPARE_SLOTS(pages) ((pages) / 8 + 64)
#endif

#define BLOCKS(bytes) (((bytes) + VPM_BLOCK - 1) / VPM_BLOCK * VPM_BLOCK)

struct vpm_shape vpm_shape(uint64_t virtual_size, uint64_t nvram_size,
                           uint32_t page_size, uint32_t policy)
{
    struct vpm_shape shape = {
        .virtual_size = virtual_size,
        .nvram_size = nvram_size,
        .page_size = page_size,
        .policy = policy,
        .pages = virtual_size / page_size,
        .frames = nvram_size / page_size,
    };

    shape.slots = shape.pages + SPARE_SLOTS(shape.pages);
    shape.entries_at = sizeof(struct vpm_ppt_header) +
        sizeof(struct vpm_ppt_status);
    shape.slots_at = shape.entries_at + BLOCKS(shape.pages * 8);
    shape.length = shape.slots_at + BLOCKS(shape.slots * 8);
    return shape;
}

const char *vpm_shape_fault(uint64_t virtual_size, uint64_t nvram_size,
                            uint32_t page_size, uint32_t policy)
{
    struct vpm_shape shape;

    if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX ||
        (page_size & (page_size - 1)))
        return "the page size is not a power of two from 4096 to 2097152";
    if (virtual_size % page_size || nvram_size % page_size)
        return "a size is not a multiple of the page size";
    if (nvram_size >= virtual_size)
        return "the NVRAM is not less than the memory: no VPM is needed";
    if (virtual_size / page_size > VPM_PPT_INDEX_MAX)
        return "there are too many pages: use a larger page size";
    shape = vpm_shape(virtual_size, nvram_size, page_size, policy);
    if (shape.slots > VPM_PPT_INDEX_MAX)
        return "there are too many pages: use a larger page size";
    if (shape.frames < FRAMES_MIN)
        return "the NVRAM has less than 64 pages";
    if (policy != VPM_POLICY_FIFO && policy != VPM_POLICY_S3FIFO)
        return "the policy is unknown";
    return NULL;
}

/* -- mappings ------------------------------------------------------------ */

/* Every page that is in memory may be a mapping of its own, and so may every
 * gap between two of them. */
static uint64_t worst_mappings(const struct vpm_shape *shape)
{
    uint64_t gaps = shape->pages - shape->frames;

    if (gaps > shape->frames + 1)
        gaps = shape->frames + 1;
    return shape->frames + gaps;
}

static int read_limit(uint64_t *limit, struct vpm_error *err)
{
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    int got;

    if (!file)
        return vpm_fail_errno(err, "cannot read vm.max_map_count");
    got = fscanf(file, "%" SCNu64, limit);
    fclose(file);
    if (got != 1)
        return vpm_fail(err, VPM_ESYS, "vm.max_map_count is not a number");
    return VPM_OK;
}

static int check_limit(const struct vpm_shape *shape, uint64_t limit,
                       struct vpm_error *err)
{
    uint64_t worst = worst_mappings(shape);

    if (worst < limit / 2)
        return VPM_OK;
    return vpm_fail(err, VPM_EINVAL, "%" PRIu64 " pages of %" PRIu32 " bytes "
                    "in memory may need %" PRIu64 " mappings, and only half "
                    "of vm.max_map_count, %" PRIu64 ", are for them: use a "
                    "larger page size, or set vm.max_map_count to %" PRIu64,
                    shape->frames, shape->page_size, worst, limit,
                    2 * (worst + 1));
}

int vpm_shape_check_host(const struct vpm_shape *shape,
                         struct vpm_error *err)
{
    uint64_t limit;
    int rc = read_limit(&limit, err);

    return rc < 0 ? rc : check_limit(shape, limit, err);
}

/* -- choosing ------------------------------------------------------------ */

static int try_page_size(const char *name,
                         const struct vpm_vpm_params *params,
                         uint32_t page_size, uint32_t granule,
                         uint64_t limit, struct vpm_shape *shape,
                         struct vpm_error *err)
{
    uint64_t unit = page_size > granule ? page_size : granule;
    uint64_t virtual_size = (params->size + page_size - 1) / page_size *
        page_size;
    uint64_t nvram_size = (params->nvram_size + unit - 1) / unit * unit;
    const char *fault = vpm_shape_fault(virtual_size, nvram_size, page_size,
                                        params->policy);

    if (fault)
        return vpm_fail(err, VPM_EINVAL, "'%s' cannot have %" PRIu64 " bytes "
                        "of memory in %" PRIu64 " bytes of NVRAM (page size %"
                        PRIu32 ", policy %" PRIu32 "): %s", name,
                        params->size, params->nvram_size, page_size,
                        params->policy, fault);
    *shape = vpm_shape(virtual_size, nvram_size, page_size, params->policy);
    return check_limit(shape, limit, err);
}

static int check_page_size(const char *name, uint32_t page_size,
                           struct vpm_error *err)
{
    if (page_size >= PAGE_SIZE_MIN && page_size <= PAGE_SIZE_MAX &&
        (page_size & (page_size - 1)) == 0)
        return VPM_OK;
    return vpm_fail(err, VPM_EINVAL, "page size of '%s' is %" PRIu32 "; it "
                    "must be a power of two from 4096 to 2097152, or 0 to "
                    "have it chosen", name, page_size);
}

int vpm_shape_choose(const char *name, const struct vpm_vpm_params *params,
                     uint32_t granule, struct vpm_shape *shape,
                     struct vpm_error *err)
{
    uint32_t page_size = params->page_size;
    uint64_t limit;
    int rc = read_limit(&limit, err);

    if (rc == VPM_OK && (params->size == 0 || params->size > INT64_MAX / 2 ||
                         params->nvram_size == 0 ||
                         params->nvram_size > INT64_MAX / 2))
        rc = vpm_fail(err, VPM_EINVAL, "memory of '%s' is %" PRIu64 " and "
                      "its NVRAM %" PRIu64 "; both must be from 1 to %"
                      PRIu64, name, params->size, params->nvram_size,
                      (uint64_t)INT64_MAX / 2);
    if (rc == VPM_OK && page_size) {
        rc = check_page_size(name, page_size, err);
        return rc < 0 ? rc : try_page_size(name, params, page_size, granule,
                                           limit, shape, err);
    }
    if (rc < 0)
        return rc;
    for (page_size = PAGE_SIZE_MIN; page_size <= PAGE_SIZE_MAX;
         page_size *= 2) {
        rc = try_page_size(name, params, page_size, granule, limit, shape,
                           err);
        if (rc == VPM_OK)
            break;
    }
    return rc;
}
