/* SPDX-License-Identifier: Apache-2.0 */
/* paging.c -- scenarios of a VPM region: pages between NVRAM and swap file */
#include "paging.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "explore.h"
#include "harness.h"
#include "move.h"
#include "reading.h"
#include "record.h"
#include "say.h"

#define PAGE 4096u
#define FRAMES 2u
#define NAME "8c1d2f6a-the-victim-4b7e-8a11-9abcde"

static const struct vpm_pool_params params = {
    .total_size = 32 * KIB,
    .state_size = 8 * KIB,
    .page_size = PAGE,
    .descriptors = 4,
    .uid_base = UID_BASE,
};

static struct vpm_vpm_params region_params = {
    .nvram_size = FRAMES * PAGE,
    .page_size = PAGE,
    .policy = VPM_POLICY_FIFO,
    .swap_dir = SWAP,
};

static uint32_t page_count;

static void use_plan(const struct paging_plan *plan)
{
    page_count = plan->pages ? plan->pages : PAGING_PAGES;
    region_params.size = page_count * PAGE;
}

/* -- doing --------------------------------------------------------------- */

static struct vpm_pool *pool;
static struct vpm_backing backing;
static bool paging;                /* backing is open */
static struct vpm_ppt_entry where[PAGING_PAGES_MOST];

static void learn(void *opaque, uint32_t page, struct vpm_ppt_entry entry)
{
    struct vpm_ppt_entry *entries = opaque;

    entries[page] = entry;
}

static void forget(struct vpm_ppt_entry *entries)
{
    for (uint32_t i = 0; i < page_count; i++)
        entries[i] = (struct vpm_ppt_entry){VPM_NONE, VPM_NONE};
}

static const char *directory(void)
{
    static char path[128];

    snprintf(path, sizeof(path), POOL "/regions/%016" PRIx64,
             vpm_region_id(NAME, 0));
    return path;
}

static void start_paging(void)
{
    if (paging)
        return;
    forget(where);
    OK(vpm_backing_open(&backing, directory(), &err));
    OK(vpm_backing_scan(&backing, learn, where, &err));
    paging = true;
}

static void stop_paging(void)
{
    if (paging)
        vpm_backing_close(&backing);
    paging = false;
}

static void touch(uint32_t page)
{
    struct vpm_move move = {.page = page, .slot = VPM_NONE};
    bool zero;

    move.frame = vpm_frame_take(&backing, VPM_NONE, &zero);
    CHECK(move.frame != VPM_NONE);
    if (!zero)
        CHECK(vpm_move_zero(&backing, move.frame) == 0);
    CHECK(vpm_move_in(&backing, &move, 1) == 0);
    where[page].frame = move.frame;
}

static void page_in(uint32_t page)
{
    struct vpm_move move = {.page = page, .slot = where[page].slot};

    move.frame = vpm_frame_take(&backing, VPM_NONE, NULL);
    CHECK(move.frame != VPM_NONE);
    CHECK(read_move(&backing, &move) == VPM_REGION_SOUND);
    CHECK(vpm_move_in(&backing, &move, 1) == 0);
    where[page].frame = move.frame;
}

static void page_out(const uint32_t *pages, int count)
{
    struct vpm_move moves[2];

    for (int i = 0; i < count; i++)
        moves[i] = (struct vpm_move){
            .page = pages[i], .frame = where[pages[i]].frame,
            .old_slot = where[pages[i]].slot,
        };
    vpm_move_digest(&backing, moves, count);
    for (int i = 0; i < count; i++)
        if (!moves[i].clean)
            moves[i].slot = vpm_slot_take(&backing);
    CHECK(vpm_move_write(&backing, moves, count) == 0);
    CHECK(vpm_move_out(&backing, moves, count) == 0);
    for (int i = 0; i < count; i++) {
        vpm_frame_give(&backing, moves[i].frame);
        if (!moves[i].clean && moves[i].old_slot != VPM_NONE)
            vpm_slot_give(&backing, moves[i].old_slot);
        where[pages[i]] = (struct vpm_ppt_entry){VPM_NONE, moves[i].slot};
    }
}

static void drop_slot(uint32_t page)
{
    struct vpm_move move = {.page = page, .frame = where[page].frame};

    CHECK(move.frame != VPM_NONE && where[page].slot != VPM_NONE);
    CHECK(vpm_move_drop(&backing, &move, 1) == 0);
    vpm_slot_give(&backing, where[page].slot);
    where[page].slot = VPM_NONE;
}

static void ruin(void)
{
    uint64_t id = vpm_region_id(NAME, 0);

    poke(region_file(id, "ppt"), 0, "ruin", 4);
    CHECK(truncate(region_file(id, "swap"), 100) == 0);
    CHECK(truncate(region_file(id, "virtual"), 100) == 0);
}

static void write_page(uint32_t page, int byte, bool recorded)
{
    uint8_t *frame = vpm_frame(&backing, where[page].frame);

    if (recorded)
        record_memory(frame, byte, PAGE);
    else
        memset(frame, byte, PAGE);
}

static void do_step(const struct paging_step *step, bool recorded)
{
    const uint32_t pages[] = {step->page, step->also};
    struct vpm_region_info info;

    record_operation();
    if (step->kind >= PAGING_TOUCH)
        start_paging();
    else
        stop_paging();
    switch (step->kind) {
    case PAGING_ALLOC:
        OK(nvalloc_vpm(pool, NAME, 0, &region_params, &info, &err));
        break;
    case PAGING_FREE:
        OK(nvfree(pool, NAME, 0, &err));
        break;
    case PAGING_SCRUB:
        OK(vpm_region_scrub(pool, vpm_region_id(NAME, 0), &err));
        break;
    case PAGING_RUIN:
        ruin();
        break;
    case PAGING_TOUCH:
        touch(step->page);
        break;
    case PAGING_WRITE:
        write_page(step->page, step->byte, recorded);
        break;
    case PAGING_OUT:
        page_out(pages, step->also == step->page ? 1 : 2);
        break;
    case PAGING_IN:
        page_in(step->page);
        break;
    case PAGING_DROP:
        drop_slot(step->page);
        break;
    case PAGING_END:
        break;
    }
}

static void do_steps(const struct paging_step *step, bool recorded)
{
    pool = open_pool();
    for (; step->kind; step++) {
        do_step(step, recorded);
        if (recorded)
            record_done();
    }
    stop_paging();
    vpm_pool_close(pool);
}

void paging_prepare(const struct scenario *self)
{
    const struct paging_plan *plan = self->plan;

    use_plan(plan);
    CHECK(mkdir(SWAP, 0711) == 0);
    OK(vpm_pool_create(POOL, &params, &err));
    do_steps(plan->before, false);
}

void paging_operate(const struct scenario *self)
{
    const struct paging_plan *plan = self->plan;

    use_plan(plan);
    do_steps(plan->steps, true);
}

struct vpm_pool *paging_recover(const struct scenario *self)
{
    struct vpm_pool *opened = vpm_pool_open(POOL, &err);

    (void)self;
    if (opened && vpm_pool_finish_freed(opened, &err) < 0) {
        vpm_pool_close(opened);
        return NULL;
    }
    return opened;
}

/* -- expecting ----------------------------------------------------------- */

struct memory {
    bool live;
    bool empty;       /* in all files, whatever the page table says */
    bool ruined;
    uint64_t epoch;
    int bytes[PAGING_PAGES_MOST];
};

static void advance(const struct paging_step *step, struct memory *memory)
{
    switch (step->kind) {
    case PAGING_ALLOC:
        *memory = (struct memory){.live = true, .empty = true};
        break;
    case PAGING_FREE:
        memory->live = false;
        break;
    case PAGING_SCRUB:
        *memory = (struct memory){
            .live = true, .empty = true, .epoch = memory->epoch + 1,
        };
        break;
    case PAGING_RUIN:
        memory->ruined = true;
        break;
    case PAGING_WRITE:
        memory->empty = false;
        memory->bytes[step->page] = step->byte;
        break;
    default:
        break;
    }
}

/* -- seeing -------------------------------------------------------------- */

/* The page as a server would see it. */
static const char *read_page(const struct vpm_backing *from, uint32_t page,
                             struct vpm_ppt_entry entry, uint8_t *bytes)
{
    memset(bytes, 0, PAGE);
    if (entry.frame != VPM_NONE) {
        memcpy(bytes, vpm_frame(from, entry.frame), PAGE);
        return NULL;
    }
    if (entry.slot == VPM_NONE)
        return NULL;
    if (pread(from->swap_fd, bytes, PAGE, (off_t)entry.slot * PAGE) != PAGE)
        return say("page %" PRIu32 " cannot be read", page);
    if (vpm_ppt_slot_word(&from->ppt, page, bytes) !=
        vpm_ppt_get_slot(&from->ppt, entry.slot))
        return say("page %" PRIu32 " is in slot %" PRIu32 ", which does not "
                   "prove itself", page, entry.slot);
    return NULL;
}

static const char *check_page(const struct vpm_backing *from, uint32_t page,
                              struct vpm_ppt_entry entry, int before,
                              int after)
{
    _Alignas(PAGE) uint8_t bytes[PAGE];
    const char *wrong = read_page(from, page, entry, bytes);

    for (uint32_t i = 0; !wrong && i < PAGE; i++)
        if (bytes[i] != before && bytes[i] != after)
            wrong = say("page %" PRIu32 " has byte %d at %" PRIu32 ", not %d",
                        page, bytes[i], i, before);
    return wrong;
}

static const char *check_memory(const struct memory *before,
                                const struct memory *after)
{
    struct vpm_ppt_entry entries[PAGING_PAGES_MOST];
    const char *wrong = NULL;
    struct vpm_backing from;

    forget(entries);
    if (vpm_backing_open(&from, directory(), &err) < 0)
        return err.message;
    if (vpm_backing_scan(&from, learn, entries, &err) < 0)
        wrong = err.message;
    for (uint32_t i = 0; !wrong && i < page_count; i++)
        wrong = check_page(&from, i, entries[i], before->bytes[i],
                           after->bytes[i]);
    vpm_backing_close(&from);
    return wrong;
}

static const char *check_empty(void)
{
    static const char *const names[] = {"ram", "swap", "state"};

    for (int i = 0; i < 3; i++)
        if (!file_is(region_file(vpm_region_id(NAME, 0), names[i]), 0))
            return say("the file %s is not empty", names[i]);
    return NULL;
}

static bool swap_is_empty(void)
{
    DIR *dir = opendir(SWAP);
    int count = 0;

    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count == 2;
}

/* -- checking ------------------------------------------------------------ */

static const struct memory fresh = {.live = true};

static const char *check_gone(struct vpm_pool *of)
{
    struct vpm_region_info info;
    const char *wrong;

    if (!swap_is_empty())
        return "a swap file is left";
    if (nvalloc_vpm(of, NAME, 0, &region_params, &info, &err) < 0)
        return say("the space is lost: %s", err.message);
    wrong = check_memory(&fresh, &fresh);
    return wrong ? wrong : explore_unsound();
}

/* Once its epoch is over, a scrub may have removed what it likes. */
static const char *check_live(struct vpm_pool *of,
                              const struct paging_step *next,
                              const struct memory *before,
                              const struct memory *after,
                              const struct vpm_region_info *info)
{
    const char *wrong = NULL;

    if (info->epoch != before->epoch && info->epoch != after->epoch)
        return say("it is in epoch %" PRIu64, info->epoch);
    if (!before->ruined && (next->kind != PAGING_SCRUB ||
                            info->epoch == before->epoch))
        wrong = check_memory(before, after);
    if (!wrong && before->empty && after->empty)
        wrong = check_empty();
    if (!wrong && vpm_region_scrub(of, info->id, &err) < 0)
        wrong = say("it cannot be scrubbed: %s", err.message);
    if (!wrong)
        wrong = check_memory(&fresh, &fresh);
    if (!wrong && nvfree(of, NAME, 0, &err) < 0)
        wrong = say("it cannot be freed: %s", err.message);
    return wrong;
}

const char *paging_check(const struct scenario *self, struct vpm_pool *of,
                         int done)
{
    const struct paging_plan *plan = self->plan;
    const struct paging_step *next = plan->steps;
    struct memory before = {.live = false}, after;
    struct vpm_region_info info;
    const char *wrong;
    int rc;

    use_plan(plan);
    for (const struct paging_step *step = plan->before; step->kind; step++)
        advance(step, &before);
    for (; done > 0; done--)
        advance(next++, &before);
    after = before;
    advance(next, &after);
    wrong = before.ruined ? NULL : explore_unsound();
    if (wrong)
        return wrong;
    rc = vpm_region_lookup(of, NAME, 0, &info, &err);
    if (rc < 0 && rc != VPM_ENOENT)
        return err.message;
    if ((rc == VPM_OK) != before.live && (rc == VPM_OK) != after.live)
        return say("that the region is live is %d", rc == VPM_OK);
    if (rc == VPM_OK)
        wrong = check_live(of, next, &before, &after, &info);
    return wrong ? wrong : check_gone(of);
}
