/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_state.c -- state files: verifying, sending, checking, fixating */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "fuzz.h"

#define STATE_SIZE (8 << 10)
#define NAME "a"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct vpm_pool_params params = {
    .total_size = 16 << 10,
    .state_size = STATE_SIZE,
    .page_size = 4096,
    .descriptors = 1,
};

static struct vpm_pool *pool;
static struct vpm_region_info region;
static struct vpm_toc_entry entry;
static ino_t ram_inode;
static uint8_t file[STATE_SIZE], sent[STATE_SIZE];
static int ends[2];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct stat st;

    (void)argc;
    (void)argv;
    fresh_fs(4);
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    region = alloc(pool, NAME, 4096);
    OK(vpm_region_begin_epoch(pool, region.id, &err));
    region.epoch = 1;
    peek(POOL "/" VPM_POOL_FILE, VPM_TOC_OFFSET, &entry, sizeof(entry));
    CHECK(stat(region.ram_path, &st) == 0);
    ram_inode = st.st_ino;
    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    return 0;
}

/* -- the file ------------------------------------------------------------ */

static void fit_subject(struct vpm_state_header *header)
{
    memcpy(header->magic, VPM_STATE_MAGIC, sizeof(header->magic));
    header->version = VPM_FORMAT_VERSION;
    peek(POOL "/" VPM_POOL_FILE, offsetof(struct vpm_conf, uuid),
         header->pool_uuid, sizeof(header->pool_uuid));
    header->region_id = region.id;
    header->incarnation = entry.body.incarnation;
    header->ram_inode = ram_inode;
    header->ram_size = region.size;
    header->epoch = region.epoch;
}

/* Wherever the stream is said to end, the checksum covers what there is. */
static void fit_stream(struct vpm_state_header *header)
{
    uint64_t length = header->length;

    if (length > STATE_SIZE - sizeof(*header))
        length = STATE_SIZE - sizeof(*header);
    header->stream_crc = vpm_crc32c(0, file + sizeof(*header), length);
}

static void fit_header(struct vpm_state_header *header)
{
    header->crc = vpm_crc32c(0, header,
                             offsetof(struct vpm_state_header, crc));
    header->marker = (uint64_t)VPM_MARKER_MAGIC << 32 | header->crc;
}

static size_t make_file(struct input *input)
{
    struct vpm_state_header header = {.reserved = {0}};
    uint8_t flags;
    size_t length;

    memset(file, 0, sizeof(file));
    take(input, &flags, sizeof(flags));
    if (flags & STATE_RAW) {
        length = input->length < STATE_SIZE ? input->length : STATE_SIZE;
        take(input, file, length);
        return length;
    }
    take(input, &header, STATE_HEAD);
    take(input, &header.crc, sizeof(header.crc));
    take(input, &header.marker, sizeof(header.marker));
    length = input->length < STATE_SIZE - sizeof(header) ? input->length :
        STATE_SIZE - sizeof(header);
    take(input, file + sizeof(header), length);
    if (flags & STATE_FIT_SUBJECT)
        fit_subject(&header);
    if (flags & STATE_FIT_STREAM)
        fit_stream(&header);
    if (flags & STATE_FIT_HEADER)
        fit_header(&header);
    memcpy(file, &header, sizeof(header));
    return flags & STATE_FIT_LENGTH ? STATE_SIZE : sizeof(header) + length;
}

/* -- its use ------------------------------------------------------------- */

static void ignore(const char *finding, void *opaque)
{
    (void)opaque;
    CHECK(strlen(finding) <= VPM_MESSAGE_MAX);
}

static size_t sent_bytes(void)
{
    ssize_t got = read(ends[0], sent, sizeof(sent));

    return got > 0 ? (size_t)got : 0;
}

static void check_proven(size_t length, const struct vpm_state_info *state)
{
    CHECK(length == STATE_SIZE);
    CHECK(state->epoch == region.epoch && state->length > 0 &&
          state->length <= STATE_SIZE - VPM_BLOCK);
    CHECK(memchr(state->meta.runstate, 0, sizeof(state->meta.runstate)));
    CHECK(memchr(state->meta.producer, 0, sizeof(state->meta.producer)));
    OK(vpm_state_send(pool, region.id, ends[1], 0, &err));
    CHECK(sent_bytes() == state->length);
    CHECK(memcmp(sent, file + VPM_BLOCK, state->length) == 0);
}

/* What is proven is sent whole and not overwritten; of what is not, nothing
 * is sent. */
static void use_state(size_t length)
{
    struct vpm_fixation *fixation;
    struct vpm_state_info state;
    int rc = vpm_state_verify(pool, region.id, &state, &err);

    CHECK(rc == VPM_OK || rc == VPM_EUNPROVEN);
    if (rc == VPM_OK) {
        check_proven(length, &state);
    } else {
        EXPECT(VPM_EUNPROVEN, vpm_state_send(pool, region.id, ends[1], 0,
                                             &err));
        CHECK(sent_bytes() == 0);
    }
    CHECK(vpm_pool_check(POOL, ignore, NULL, &err) >= 0);
    fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(!fixation == (length != STATE_SIZE));
    if (fixation)
        EXPECT(rc == VPM_OK ? VPM_EFIXATED : VPM_OK,
               vpm_fixation_begin(fixation, &err));
    vpm_fixation_close(fixation);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input input = {.bytes = bytes, .length = length};

    length = make_file(&input);
    write_file(region_file(region.id, VPM_STATE_FILE), file, length);
    use_state(length);
    return 0;
}
