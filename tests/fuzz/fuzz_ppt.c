/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_ppt.c -- page tables and swap slots: opening, scanning, reading in */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "fuzz.h"
#include "move.h"
#include "reading.h"

#define PAGES 65u
#define FRAMES 64u
#define PAGE 4096u
#define FILE_MAX (32u << 10)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct vpm_pool_params params = {
    .total_size = 1 << 20,
    .state_size = 8 << 10,
    .page_size = PAGE,
    .descriptors = 1,
};

static const struct vpm_vpm_params region_params = {
    .size = PAGES * PAGE,
    .nvram_size = FRAMES * PAGE,
    .page_size = PAGE,
    .policy = VPM_POLICY_FIFO,
    .swap_dir = SWAP,
};

static uint8_t original[FILE_MAX], file[FILE_MAX];
static uint8_t data[PAGE] __attribute__((aligned(PAGE)));  /* of a slot */
static size_t original_length;
static struct vpm_pool *pool;
static uint64_t id;
static char directory[128], table[160];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct vpm_region_info info;
    struct stat st;

    (void)argc;
    (void)argv;
    fresh_fs(4);
    CHECK(mkdir(SWAP, 0711) == 0);
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    OK(nvalloc_vpm(pool, "a", 0, &region_params, &info, &err));
    id = info.id;
    snprintf(directory, sizeof(directory), "%s", region_file(id, ""));
    snprintf(table, sizeof(table), "%s", region_file(id, VPM_PPT_FILE));
    CHECK(stat(table, &st) == 0 && st.st_size <= FILE_MAX);
    original_length = (size_t)st.st_size;
    peek(table, 0, original, original_length);
    return 0;
}

/* -- the file ------------------------------------------------------------ */

static struct vpm_ppt_header *header(void)
{
    return (struct vpm_ppt_header *)(void *)file;
}

static void take_header(struct input *input, uint8_t flags)
{
    struct vpm_ppt_header *of = header();

    take(input, of, PPT_HEAD);
    if (flags & PPT_FIT_SUBJECT)
        memcpy(of, original, PPT_HEAD);
    if (flags & PPT_FIT_HEADER)
        of->crc = vpm_crc32c(0, of, offsetof(struct vpm_ppt_header, crc));
}

/* Entries as pairs of frame and slot, whose check bits fit. */
static void take_entries(struct input *input, const struct vpm_ppt *ppt)
{
    for (uint32_t page = 0; page < PAGES && input->length; page++) {
        uint8_t pair[2];

        take(input, pair, sizeof(pair));
        if (pair[0] || pair[1])
            vpm_ppt_set(ppt, page, (struct vpm_ppt_entry){
                pair[0] ? pair[0] - 1u : VPM_NONE,
                pair[1] ? pair[1] - 1u : VPM_NONE,
            });
    }
}

static size_t make_file(struct input *input, uint8_t *flags)
{
    size_t length = original_length;

    memset(file, 0, sizeof(file));
    take(input, flags, sizeof(*flags));
    if (*flags & PPT_RAW) {
        length = input->length < FILE_MAX ? input->length : FILE_MAX;
        take(input, file, length);
        return length;
    }
    take_header(input, *flags);
    if (!(*flags & PPT_FIT_ENTRIES)) {
        size_t rest = input->length < length - 2 * VPM_BLOCK ?
            input->length : length - 2 * VPM_BLOCK;

        take(input, file + 2 * VPM_BLOCK, rest);
    }
    return length;
}

static void fit_entries(struct input *input)
{
    int fd = open(table, O_RDWR | O_CLOEXEC);
    struct vpm_ppt ppt;

    CHECK(fd >= 0);
    if (vpm_ppt_open(&ppt, fd, table, true, &err) == VPM_OK) {
        if (ppt.shape.pages == PAGES)
            take_entries(input, &ppt);
        vpm_ppt_close(&ppt);
    }
    close(fd);
}

/* -- its use ------------------------------------------------------------- */

static void ignore(const char *finding, void *opaque)
{
    (void)opaque;
    CHECK(strlen(finding) <= VPM_MESSAGE_MAX);
}

static uint8_t owners[256];  /* of frames */

/* Nothing that is found is out of range, or owned twice. */
static void found(void *opaque, uint32_t page, struct vpm_ppt_entry entry)
{
    const struct vpm_backing *backing = opaque;
    const struct vpm_shape *shape = &backing->ppt.shape;

    CHECK(page < shape->pages);
    CHECK(entry.frame != VPM_NONE || entry.slot != VPM_NONE);
    CHECK(entry.frame == VPM_NONE || entry.frame < shape->frames);
    CHECK(entry.slot == VPM_NONE || entry.slot < shape->slots);
    if (entry.frame != VPM_NONE)
        CHECK(owners[entry.frame]++ == 0);
}

static void write_slot(struct vpm_backing *backing, uint32_t slot)
{
    const struct iovec iov = {.iov_base = data, .iov_len = PAGE};

    CHECK(vpm_persist_real.write(backing->swap_fd, (uint64_t)slot * PAGE,
                                 &iov, 1) == 0);
}

/* A slot is read if it is of this page, and every bit of it as written. */
static void try_slot(struct vpm_backing *backing, struct input *input,
                     const struct vpm_move *move)
{
    const struct vpm_ppt *ppt = &backing->ppt;
    uint8_t bit[2];

    take(input, bit, sizeof(bit));
    take(input, data, PAGE);
    write_slot(backing, move->slot);
    vpm_ppt_set_slot(ppt, move->slot, vpm_ppt_slot_word(ppt, move->page,
                                                        data));
    CHECK(read_move(backing, move) == VPM_REGION_SOUND);
    CHECK(memcmp(vpm_frame(backing, move->frame), data, PAGE) == 0);
    vpm_ppt_set_slot(ppt, move->slot, vpm_ppt_slot_word(ppt, move->page + 1,
                                                        data));
    CHECK(read_move(backing, move) == VPM_REGION_BAD_SLOT);
    vpm_ppt_set_slot(ppt, move->slot, vpm_ppt_slot_word(ppt, move->page,
                                                        data));
    data[(bit[0] << 8 | bit[1]) % PAGE] ^= (uint8_t)(1 << bit[0] % 8);
    write_slot(backing, move->slot);
    CHECK(read_move(backing, move) == VPM_REGION_BAD_SLOT);
}

/* No slot was ever written that the table has no word of, so none of them is
 * given to a server.  Then one is written. */
static void read_in(struct vpm_backing *backing, struct input *input)
{
    bool tried = false;

    for (uint32_t page = 0; page < PAGES; page++) {
        struct vpm_move move = {.page = page};
        struct vpm_ppt_entry entry;

        CHECK(!vpm_ppt_get(&backing->ppt, page, &entry));
        if (entry.slot == VPM_NONE)
            continue;
        move.slot = entry.slot;
        move.frame = 0;
        if (vpm_ppt_get_slot(&backing->ppt, entry.slot) == 0)
            CHECK(read_move(backing, &move) == VPM_REGION_BAD_SLOT);
        if (!tried)
            try_slot(backing, input, &move);
        tried = true;
    }
}

static void use_table(struct input *input)
{
    struct vpm_region_stats stats;
    struct vpm_backing backing;

    CHECK(vpm_pool_check(POOL, ignore, NULL, &err) >= 0);
    vpm_region_stats(pool, id, &stats, &err);
    if (vpm_backing_open(&backing, directory, &err) < 0)
        return;
    memset(owners, 0, sizeof(owners));
    if (vpm_backing_scan(&backing, found, &backing, &err) == VPM_OK)
        read_in(&backing, input);
    vpm_backing_close(&backing);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input input = {.bytes = bytes, .length = length};
    uint8_t flags;

    length = make_file(&input, &flags);
    write_file(table, file, length);
    if (!(flags & PPT_RAW) && flags & PPT_FIT_ENTRIES)
        fit_entries(&input);
    use_table(&input);
    return 0;
}
