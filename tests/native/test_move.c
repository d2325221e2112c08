/* SPDX-License-Identifier: Apache-2.0 */
/* test_move.c -- pages moved out and in, stopped at each persistence step
 *
 * Every page has one byte value throughout.  What it must be is kept in memory
 * that is shared with the process that is stopped. */
#include <sys/mman.h>

#include "crash.h"
#include "harness.h"
#include "move.h"
#include "reading.h"

#define PAGES 12
#define BATCH 6

static uint8_t *values;  /* of pages */
static char dir[VPM_PATH_MAX + 1];

static void prepare(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");

    snprintf(dir, sizeof(dir), "%s", info.virtual_path);
    *strrchr(dir, '/') = 0;
    memset(values, 0, PAGES);
    vpm_pool_close(pool);
}

static void open_backing(struct vpm_backing *backing)
{
    OK(vpm_backing_open(backing, dir, &err));
    OK(vpm_backing_scan(backing, NULL, NULL, &err));
}

static struct vpm_ppt_entry entry_of(struct vpm_backing *backing,
                                     uint32_t page)
{
    struct vpm_ppt_entry entry;

    CHECK(!vpm_ppt_get(&backing->ppt, page, &entry));
    return entry;
}

/* Writes a page, as a guest does once it is mapped. */
static void set(struct vpm_backing *backing, uint32_t page, uint8_t value)
{
    uint32_t frame = entry_of(backing, page).frame;

    CHECK(frame != VPM_NONE);
    values[page] = value;
    memset(vpm_frame(backing, frame), value, 4096);
}

static void bring_in(struct vpm_backing *backing, uint32_t page)
{
    struct vpm_move move = {
        .page = page, .slot = entry_of(backing, page).slot,
    };

    move.frame = vpm_frame_take(backing, VPM_NONE, NULL);
    if (move.slot == VPM_NONE)
        CHECK(vpm_move_zero(backing, move.frame) == 0);
    else
        CHECK(read_move(backing, &move) == VPM_REGION_SOUND);
    CHECK(vpm_move_in(backing, &move, 1) == 0);
}

/* Moves pages from *page* on; frames are overwritten as soon as they are free,
 * as their next owner does. */
static void move_out(struct vpm_backing *backing, uint32_t page, int count)
{
    struct vpm_move moves[BATCH];

    for (int i = 0; i < count; i++) {
        struct vpm_ppt_entry entry = entry_of(backing, page + (uint32_t)i);

        moves[i] = (struct vpm_move){
            .page = page + (uint32_t)i, .frame = entry.frame,
            .old_slot = entry.slot,
        };
    }
    vpm_move_digest(backing, moves, count);
    for (int i = 0; i < count; i++)
        if (!moves[i].clean)
            moves[i].slot = vpm_slot_take(backing);
    CHECK(vpm_move_write(backing, moves, count) == 0);
    CHECK(vpm_move_out(backing, moves, count) == 0);
    for (int i = 0; i < count; i++) {
        memset(vpm_frame(backing, moves[i].frame), 0xee, 4096);
        vpm_frame_give(backing, moves[i].frame);
        if (!moves[i].clean && moves[i].old_slot != VPM_NONE)
            vpm_slot_give(backing, moves[i].old_slot);
    }
}

/* The slot gets another owner as soon as it is free. */
static void drop_slot(struct vpm_backing *backing, uint32_t page)
{
    struct vpm_ppt_entry entry = entry_of(backing, page);
    struct vpm_move move = {.page = page, .frame = entry.frame};
    uint64_t word;

    CHECK(entry.frame != VPM_NONE && entry.slot != VPM_NONE);
    CHECK(vpm_move_drop(backing, &move, 1) == 0);
    vpm_slot_give(backing, entry.slot);
    word = vpm_ppt_get_slot(&backing->ppt, entry.slot);
    vpm_ppt_set_slot(&backing->ppt, entry.slot, word ^ 1);
    CHECK(vpm_ppt_fence_slots(&backing->ppt) == 0);
}

static void operate(void *step)
{
    struct vpm_backing backing;

    open_backing(&backing);
    crash_at(*(long *)step);
    for (uint32_t page = 0; page < 6; page++) {
        bring_in(&backing, page);
        set(&backing, page, (uint8_t)(page + 1));
    }
    move_out(&backing, 1, 4);
    bring_in(&backing, 7);
    set(&backing, 7, 77);
    for (uint32_t page = 1; page < 4; page++)
        bring_in(&backing, page);
    set(&backing, 2, 22);       /* 1 and 3 stay as they are in their slots */
    move_out(&backing, 0, 4);
    bring_in(&backing, 2);
    drop_slot(&backing, 2);
    set(&backing, 2, 23);
    move_out(&backing, 2, 1);
    bring_in(&backing, 2);
}

static void verify(struct vpm_backing *backing, uint32_t page)
{
    struct vpm_ppt_entry entry = entry_of(backing, page);
    struct vpm_move move = {.page = page, .slot = entry.slot};
    const uint8_t *bytes;

    if (entry.frame == VPM_NONE && entry.slot == VPM_NONE) {
        CHECK(values[page] == 0);
        return;
    }
    move.frame = entry.frame;
    if (entry.frame == VPM_NONE) {
        move.frame = vpm_frame_take(backing, VPM_NONE, NULL);
        CHECK(read_move(backing, &move) == VPM_REGION_SOUND);
    }
    bytes = vpm_frame(backing, move.frame);
    for (int i = 0; i < 4096; i++)
        CHECK(bytes[i] == values[page]);
}

static void stopped_at_each_step(void)
{
    struct vpm_backing backing;
    long step = 0;
    int status;

    do {
        fresh_fs(8);
        prepare();
        status = in_child(operate, &step);
        CHECK(status == CRASHED || status == 0);
        CHECK(check_pool(0) == 0);
        open_backing(&backing);
        for (uint32_t page = 0; page < PAGES; page++)
            verify(&backing, page);
        vpm_backing_close(&backing);
        step++;
    } while (status == CRASHED);
    CHECK(values[2] == 23);
    CHECK(step > 80);
    printf("ok stopped at each of %ld steps\n", step - 1);
}

/* -- what is durable before what ------------------------------------------ */

/* A model of what survives: words of the table by flush and fence, slots by
 * datasync.  Frames are given away when a move returns. */
static struct {
    int written;      /* slots that are not durable */
    int slot_words;   /* words of slots that are not durable */
    int entries;      /* entries that are not durable */
    int frames;       /* frames that are not durable */
    int filled;       /* frames that were made durable */
    int outs;         /* entries that named a slot alone */
} dirty;

static struct vpm_persist watching;
static uint64_t slots_at, entries_at;

static void watch_store_word(const struct vpm_map *map, uint64_t offset,
                             uint64_t value)
{
    vpm_persist_real.store_word(map, offset, value);
    if (offset >= slots_at) {
        CHECK(dirty.written == 0);
        dirty.slot_words++;
    } else if (offset >= entries_at) {
        bool out = (value & (((uint64_t)1 << VPM_PPT_INDEX_BITS) - 1)) == 0;

        CHECK(dirty.slot_words == 0 && dirty.written == 0);
        CHECK(dirty.frames == 0);
        dirty.outs += out;
        dirty.entries++;
    }
}

static void watch_flush(const struct vpm_map *map, uint64_t offset,
                        size_t length)
{
    vpm_persist_real.flush(map, offset, length);
    if (map->length == small_vpm.nvram_size)
        dirty.frames++;  /* until the fence */
}

static int watch_fence(const struct vpm_map *map, uint64_t offset,
                       size_t length)
{
    dirty.filled += dirty.frames;
    dirty.slot_words = dirty.entries = dirty.frames = 0;
    return vpm_persist_real.fence(map, offset, length);
}

static int watch_write(int fd, uint64_t offset, const struct iovec *iov,
                       int count)
{
    dirty.written += count;
    return vpm_persist_real.write(fd, offset, iov, count);
}

static int watch_datasync(int fd)
{
    dirty.written = 0;
    return vpm_persist_real.datasync(fd);
}

static void order_is_kept(void)
{
    struct vpm_backing backing;

    prepare();
    open_backing(&backing);
    slots_at = backing.ppt.shape.slots_at;
    entries_at = backing.ppt.shape.entries_at;
    vpm_backing_close(&backing);
    watching = vpm_persist_real;
    watching.store_word = watch_store_word;
    watching.flush = watch_flush;
    watching.fence = watch_fence;
    watching.write = watch_write;
    watching.datasync = watch_datasync;
    vpm_persist = &watching;
    open_backing(&backing);
    bring_in(&backing, 0);
    CHECK(dirty.entries == 0);
    set(&backing, 0, 9);
    move_out(&backing, 0, 1);
    CHECK(dirty.entries == 0 && dirty.outs == 1);
    dirty.filled = 0;
    bring_in(&backing, 0);
    CHECK(dirty.entries == 0 && dirty.filled == 1);
    move_out(&backing, 0, 1);
    CHECK(dirty.entries == 0 && dirty.outs == 2);
    bring_in(&backing, 0);
    drop_slot(&backing, 0);
    CHECK(dirty.entries == 0 && dirty.outs == 2);
    vpm_backing_close(&backing);
    vpm_persist = &vpm_persist_real;
}

/* -- slots --------------------------------------------------------------- */

/* What came back from a slot and did not change is not written again, and what
 * changed by one bit is. */
static void only_changes_are_written(void)
{
    struct vpm_backing backing;
    struct vpm_move move = {.page = 4};
    struct vpm_ppt_entry before;

    prepare();
    open_backing(&backing);
    bring_in(&backing, 4);
    set(&backing, 4, 9);
    move_out(&backing, 4, 1);
    bring_in(&backing, 4);
    before = entry_of(&backing, 4);
    move.frame = before.frame;
    move.old_slot = before.slot;
    vpm_move_digest(&backing, &move, 1);
    CHECK(move.clean && move.slot == before.slot);
    vpm_frame(&backing, move.frame)[4095] ^= 0x80;
    vpm_move_digest(&backing, &move, 1);
    CHECK(!move.clean);
    vpm_backing_close(&backing);
}

/* A slot is good for its own page only, and as a whole. */
static void foreign_slots_are_refused(void)
{
    struct vpm_backing backing;
    struct vpm_move move;

    prepare();
    open_backing(&backing);
    for (uint32_t page = 0; page < 2; page++) {
        bring_in(&backing, page);
        set(&backing, page, 9);
    }
    move_out(&backing, 0, 2);
    move.page = 0;
    move.frame = vpm_frame_take(&backing, VPM_NONE, NULL);
    move.slot = entry_of(&backing, 0).slot;
    CHECK(read_move(&backing, &move) == VPM_REGION_SOUND);
    move.slot = entry_of(&backing, 1).slot;  /* the same bytes */
    CHECK(read_move(&backing, &move) == VPM_REGION_BAD_SLOT);
    move.slot = entry_of(&backing, 0).slot;
    vpm_ppt_set_slot(&backing.ppt, move.slot,
                     vpm_ppt_get_slot(&backing.ppt, move.slot) ^ 1);
    CHECK(read_move(&backing, &move) == VPM_REGION_BAD_SLOT);
    vpm_backing_close(&backing);
}

static void frames_and_slots_go_round(void)
{
    struct vpm_backing backing;
    uint32_t first;
    bool zero;

    prepare();
    open_backing(&backing);
    CHECK(vpm_frame_take(&backing, 5, &zero) == 5 && zero);
    CHECK(vpm_frame_take(&backing, 5, &zero) == 0);
    CHECK(vpm_frame_take(&backing, 1000, NULL) == 1);
    vpm_frame_give(&backing, 5);
    CHECK(vpm_frame_take(&backing, 5, &zero) == 5 && !zero);
    while (backing.free_frames > 0)
        CHECK(vpm_frame_take(&backing, VPM_NONE, NULL) < 64);
    CHECK(vpm_frame_take(&backing, VPM_NONE, NULL) == VPM_NONE);
    vpm_frame_give(&backing, 3);
    CHECK(vpm_frame_take(&backing, VPM_NONE, NULL) == 3);

    first = vpm_slot_take(&backing);
    CHECK(vpm_slot_take(&backing) == first + 1);
    vpm_slot_give(&backing, first);
    CHECK(vpm_slot_take(&backing) == first + 2);
    for (uint64_t i = 3; i < backing.ppt.shape.slots; i++)
        CHECK(vpm_slot_take(&backing) == i);
    CHECK(vpm_slot_take(&backing) == first);
    vpm_slot_give(&backing, 77);
    CHECK(vpm_slot_take(&backing) == 77);
    vpm_backing_close(&backing);
}

int main(void)
{
    values = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(values != MAP_FAILED);
    stopped_at_each_step();
    RUN(order_is_kept);
    RUN(only_changes_are_written);
    RUN(foreign_slots_are_refused);
    RUN(frames_and_slots_go_round);
    return 0;
}
