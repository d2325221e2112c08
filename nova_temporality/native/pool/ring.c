/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c -- the ring of outcomes in the pool file
 *
 * Outcomes are read by people; no code decides by them, because states prove
 * themselves.  So an entry that a crash tears is simply lost.  Only the
 * notifier writes, from several threads; each sequence number has one writer,
 * and so has each entry. */
#include "ring.h"

#include <string.h>

#include "crc32c.h"
#include "error.h"
#include "guard.h"

static uint64_t offset_of(const struct vpm_pool *pool, uint64_t sequence)
{
    return vpm_ring_offset(pool->file.conf.descriptors) +
        sequence % VPM_RING_ENTRIES * sizeof(struct vpm_ring_entry);
}

static uint32_t entry_crc(const struct vpm_ring_entry *entry)
{
    return vpm_crc32c(0, entry, offsetof(struct vpm_ring_entry, crc));
}

/* Whether the entry with this sequence number is there, and sound. */
static bool get(const struct vpm_pool *pool, uint64_t sequence,
                struct vpm_ring_entry *entry)
{
    if (vpm_guard_copy(entry, pool->file.map.addr + offset_of(pool, sequence),
                       sizeof(*entry)) < 0)
        return false;
    return entry->outcome.sequence % VPM_RING_ENTRIES ==
               sequence % VPM_RING_ENTRIES &&
           entry->outcome.sequence != 0 && entry->crc == entry_crc(entry);
}

static uint64_t latest(const struct vpm_pool *pool)
{
    uint64_t found = 0;

    for (uint64_t i = 0; i < VPM_RING_ENTRIES; i++) {
        struct vpm_ring_entry entry;

        if (get(pool, i, &entry) && entry.outcome.sequence > found)
            found = entry.outcome.sequence;
    }
    return found;
}

void vpm_ring_open(struct vpm_pool *pool)
{
    pool->ring_sequence = latest(pool);
}

int vpm_outcome_record(struct vpm_pool *pool, struct vpm_outcome *outcome,
                       struct vpm_error *err)
{
    const struct vpm_map *map = &pool->file.map;
    struct vpm_ring_entry entry;
    uint64_t offset;

    outcome->sequence = __atomic_add_fetch(&pool->ring_sequence, 1,
                                           __ATOMIC_RELAXED);
    memset(&entry, 0, sizeof(entry));
    entry.outcome = *outcome;
    entry.crc = entry_crc(&entry);
    offset = offset_of(pool, outcome->sequence);
    if (vpm_persist_bytes(map, offset, &entry, sizeof(entry)) < 0)
        return vpm_fail_errno(err, "cannot record what became of region "
                              "%016llx",
                              (unsigned long long)outcome->region);
    return VPM_OK;
}

static void end_texts(struct vpm_outcome *outcome)
{
    outcome->name[VPM_NAME_MAX] = '\0';
    outcome->runstate[VPM_RUNSTATE_MAX] = '\0';
    outcome->raised_by[VPM_RAISED_BY_MAX] = '\0';
    outcome->reason[VPM_REASON_MAX] = '\0';
}

uint32_t vpm_outcome_list(struct vpm_pool *pool,
                          struct vpm_outcome *outcomes, uint32_t max)
{
    uint64_t last = latest(pool);
    uint64_t span = max < VPM_RING_ENTRIES ? max : VPM_RING_ENTRIES;
    uint64_t sequence = last > span ? last - span : 0;
    uint32_t count = 0;

    while (sequence++ < last) {
        struct vpm_ring_entry entry;

        if (!get(pool, sequence, &entry) ||
            entry.outcome.sequence != sequence)
            continue;
        end_texts(&entry.outcome);
        outcomes[count++] = entry.outcome;
    }
    return count;
}
