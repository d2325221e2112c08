/* SPDX-License-Identifier: Apache-2.0 */
/* test_state_damage.c -- a damaged state is unproven */
#include <unistd.h>

#include "crc32c.h"
#include "layout.h"
#include "two_states.h"

/* One bit of each byte of header and stream.  Only the rest of the marker's
 * cache line and the room after the stream do not matter. */
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

/* Impossible values are refused although the checksums match. */
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

int main(void)
{
    RUN(any_flipped_byte);
    RUN(truncated);
    RUN(lengthened);
    RUN(without_marker);
    RUN(impossible_headers);
    return 0;
}
