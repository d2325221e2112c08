/* SPDX-License-Identifier: Apache-2.0 */
/* test_state.c -- a state that is not exactly what was fixated is unproven,
 * with the reason in words */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "harness.h"
#include "layout.h"

#define STREAM 5000

static struct vpm_pool *pool;
static struct vpm_region_info a, b;

static int verify(uint64_t id)
{
    struct vpm_state_info info;

    return vpm_state_verify(pool, id, &info, &err);
}

/* Neither proven nor sent. */
static void unproven(uint64_t id, const char *reason)
{
    int ends[2];
    char byte;

    EXPECT(VPM_EUNPROVEN, verify(id));
    SAYS("is unproven");
    SAYS(reason);
    CHECK(pipe(ends) == 0);
    EXPECT(VPM_EUNPROVEN, vpm_state_send(pool, id, ends[1], &err));
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
}

static void start(void)
{
    pool = new_pool();
    a = alloc(pool, "a", 4096);
    b = alloc(pool, "b", 4096);
    OK(fixate(pool, a.id, 0x11, STREAM));
    OK(fixate(pool, b.id, 0x22, STREAM));
    OK(verify(a.id));
}

static void stop(void)
{
    vpm_pool_close(pool);
}

static const char *state_of(const struct vpm_region_info *region)
{
    return region_file(region->id, "state");
}

static void copy(const char *from, const char *to)
{
    char command[512];

    snprintf(command, sizeof(command), "cat %s > %s", from, to);
    CHECK(system(command) == 0);
}

static void save(const struct vpm_region_info *region, const char *name)
{
    char from[128];

    snprintf(from, sizeof(from), "%s", state_of(region));
    copy(from, name);
}

static void restore(const char *name, const struct vpm_region_info *region)
{
    copy(name, state_of(region));
}

/* Each byte of header and stream, one bit of it.  Only the rest of the
 * marker's cache line and the room behind the stream mean nothing. */
static void any_flipped_byte(void)
{
    uint8_t file[VPM_BLOCK + STREAM], bad;

    start();
    peek(state_of(&a), 0, file, sizeof(file));
    for (size_t i = 0; i < sizeof(file); i++) {
        if (i >= 4040 && i < VPM_BLOCK)
            continue;
        bad = file[i] ^ (uint8_t)(1 << i % 8);
        poke(state_of(&a), i, &bad, 1);
        unproven(a.id, i < 4032 ? "the header is damaged" :
                 i < VPM_BLOCK ? "marker" : "its 5000 bytes have checksum");
        poke(state_of(&a), i, &file[i], 1);
    }
    OK(verify(a.id));
    CHECK(check_pool(0) == 0);
    stop();
}

static void truncated(void)
{
    static const off_t lengths[] = {
        0, 1, 4032, 4095, 4096, 4097, 4096 + STREAM - 1, 4096 + STREAM,
        16 * KIB - 1,
    };

    start();
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        save(&a, FS "/whole");
        CHECK(truncate(state_of(&a), lengths[i]) == 0);
        unproven(a.id, "the state file has");
        restore(FS "/whole", &a);
        OK(verify(a.id));
    }
    stop();
}

static void lengthened(void)
{
    start();
    CHECK(truncate(state_of(&a), 20 * KIB) == 0);
    unproven(a.id, "has 20480 bytes instead of 16384");
    stop();
}

static void without_marker(void)
{
    static const uint64_t none;

    start();
    poke(state_of(&a), 4032, &none, sizeof(none));
    unproven(a.id, "there is no marker");
    CHECK(check_pool(0) == 0);
    stop();
}

static void never_fixated(void)
{
    start();
    unproven(alloc(pool, "c", 4096).id, "there is no marker");
    stop();
}

static void missing_files(void)
{
    start();
    CHECK(unlink(state_of(&a)) == 0);
    unproven(a.id, "cannot read the state file");
    CHECK(unlink(region_file(b.id, "ram")) == 0);
    unproven(b.id, "cannot examine its ram file");
    stop();
}

static void older_state_over_newer(void)
{
    start();
    save(&a, FS "/older");
    OK(vpm_region_begin_epoch(pool, a.id, &err));
    OK(fixate(pool, a.id, 0x33, STREAM));
    save(&a, FS "/newer");
    restore(FS "/older", &a);
    unproven(a.id, "it is stale: it is of epoch 0, and the region is in "
             "epoch 1");
    restore(FS "/newer", &a);
    OK(verify(a.id));
    OK(vpm_region_begin_epoch(pool, a.id, &err));
    unproven(a.id, "there is no marker");
    restore(FS "/newer", &a);
    unproven(a.id, "epoch 1, and the region is in epoch 2");
    stop();
}

static void swapped_states(void)
{
    char reason[64];

    start();
    save(&a, FS "/a");
    save(&b, FS "/b");
    restore(FS "/a", &b);
    restore(FS "/b", &a);
    snprintf(reason, sizeof(reason), "another region, %016llx",
             (unsigned long long)b.id);
    unproven(a.id, reason);
    unproven(b.id, "another region");
    CHECK(check_pool(2) == 2);
    stop();
}

static void copied_ram(void)
{
    char command[4096];

    start();
    snprintf(command, sizeof(command), "cp -a %s " FS "/ram && mv " FS "/ram "
             "%s", a.ram_path, a.ram_path);
    CHECK(system(command) == 0);
    unproven(a.id, "it belongs to another ram file: inode");
    stop();
}

static void resized_ram(void)
{
    start();
    CHECK(truncate(a.ram_path, 8192) == 0);
    unproven(a.id, "the ram file has 8192 bytes, and had 4096");
    stop();
}

static void state_of_another_pool(void)
{
    start();
    save(&a, FS "/foreign");
    stop();
    CHECK(rename(POOL, FS "/first") == 0);
    pool = new_pool();
    a = alloc(pool, "a", 4096);
    restore(FS "/foreign", &a);
    unproven(a.id, "it belongs to another pool");
    stop();
}

/* Sound checksums do not make sense of what is senseless. */
static void forge(const struct vpm_state_header *header)
{
    struct vpm_state_header forged = *header;

    forged.crc = vpm_crc32c(0, &forged,
                            offsetof(struct vpm_state_header, crc));
    forged.marker = (uint64_t)VPM_MARKER_MAGIC << 32 | forged.crc;
    poke(state_of(&a), 0, &forged, sizeof(forged));
}

static void impossible_headers(void)
{
    struct vpm_state_header header;

    start();
    peek(state_of(&a), 0, &header, sizeof(header));
    forge(&header);
    OK(verify(a.id));
    header.length = 12289;
    forge(&header);
    unproven(a.id, "its stream of 12289 bytes cannot be");
    header.length = UINT64_MAX;
    forge(&header);
    unproven(a.id, "its stream of 18446744073709551615 bytes cannot be");
    header.length = 0;
    forge(&header);
    unproven(a.id, "its stream of 0 bytes cannot be");
    header.version = VPM_FORMAT_VERSION + 1;
    forge(&header);
    unproven(a.id, "it has format version 4");
    header.magic[0] = 'X';
    forge(&header);
    unproven(a.id, "the magic at offset 0 is wrong");
    stop();
}

static void linked_state(void)
{
    start();
    save(&a, FS "/outside");
    CHECK(unlink(state_of(&a)) == 0);
    CHECK(symlink(FS "/outside", state_of(&a)) == 0);
    unproven(a.id, "cannot read the state file");
    stop();
}

int main(void)
{
    RUN(any_flipped_byte);
    RUN(truncated);
    RUN(lengthened);
    RUN(without_marker);
    RUN(never_fixated);
    RUN(missing_files);
    RUN(older_state_over_newer);
    RUN(swapped_states);
    RUN(copied_ram);
    RUN(resized_ram);
    RUN(state_of_another_pool);
    RUN(impossible_headers);
    RUN(linked_state);
    return 0;
}
