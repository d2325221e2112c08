/* SPDX-License-Identifier: Apache-2.0 */
/* test_checksums.c -- crc32c and the region id's hash against published
 * values, and the CPU's crc32c against the table's */
#include "crc32c.h"
#include "harness.h"
#include "hash.h"

/* RFC 3720, appendix B.4. */
static void crc32c_known_values(void)
{
    uint8_t data[32];

    CHECK(vpm_crc32c(0, "123456789", 9) == 0xe3069283);
    memset(data, 0, sizeof(data));
    CHECK(vpm_crc32c(0, data, sizeof(data)) == 0x8a9136aa);
    memset(data, 0xff, sizeof(data));
    CHECK(vpm_crc32c(0, data, sizeof(data)) == 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)i;
    CHECK(vpm_crc32c(0, data, sizeof(data)) == 0x46dd794e);
}

static void crc32c_ways_agree(void)
{
    uint8_t data[257];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 167 + 13);
    for (size_t start = 0; start < 9; start++)
        for (size_t end = start; end <= sizeof(data); end++)
            CHECK(vpm_crc32c(7, data + start, end - start) ==
                  vpm_crc32c_table(7, data + start, end - start));
}

static void crc32c_continues(void)
{
    const char *text = "the same, in two parts";
    size_t length = strlen(text);

    for (size_t cut = 0; cut <= length; cut++)
        CHECK(vpm_crc32c(vpm_crc32c(0, text, cut), text + cut,
                         length - cut) == vpm_crc32c(0, text, length));
}

/* The example of the paper's appendix A, and two of its reference vectors. */
static void siphash_known_values(void)
{
    const uint64_t key0 = 0x0706050403020100, key1 = 0x0f0e0d0c0b0a0908;
    uint8_t data[15];

    for (uint8_t i = 0; i < sizeof(data); i++)
        data[i] = i;
    CHECK(vpm_siphash(key0, key1, data, 15) == 0xa129ca6149be45e5);
    CHECK(vpm_siphash(key0, key1, data, 0) == 0x726fdb47dd0e0e31);
    CHECK(vpm_siphash(key0, key1, data, 1) == 0x74f839c593dc67fd);
}

/* The id is a directory's name: it may never change. */
static void region_id_is_stable(void)
{
    CHECK(vpm_region_id("a", 0) == 0x4a9c6c72b60cf5d9);
    CHECK(vpm_region_id("a", 1) != vpm_region_id("a", 0));
    CHECK(vpm_region_id("b", 0) != vpm_region_id("a", 0));
    CHECK(vpm_region_id("", 0) != 0);
}

/* It is on the media: it may never change. */
static void digest_known_values(void)
{
    const uint64_t words[] = {1, 2, 3};

    CHECK(vpm_digest(0, words, 0) != vpm_digest(1, words, 0));
    CHECK(vpm_digest(7, words, sizeof(words)) == 0x833a5147ba1e2c31);
}

static void digest_ways_agree(void)
{
    uint64_t data[64];

    for (uint64_t i = 0; i < 64; i++)
        data[i] = i * 0x0123456789abcdefu;
    for (size_t words = 0; words <= 64; words++)
        CHECK(vpm_digest(words, data, 8 * words) ==
              vpm_digest_table(words, data, 8 * words));
}

/* Each half sees every single bit, so none is seen by one of them only. */
static void digest_sees_every_bit(void)
{
    uint64_t data[8] = {0};
    uint64_t before = vpm_digest(0, data, sizeof(data));

    for (unsigned bit = 0; bit < 512; bit++) {
        uint64_t after;

        data[bit / 64] ^= (uint64_t)1 << bit % 64;
        after = vpm_digest(0, data, sizeof(data)) ^ before;
        CHECK((uint32_t)after != 0 && after >> 32 != 0);
        data[bit / 64] ^= (uint64_t)1 << bit % 64;
    }
}

int main(void)
{
    RUN(crc32c_known_values);
    RUN(crc32c_ways_agree);
    RUN(crc32c_continues);
    RUN(digest_known_values);
    RUN(digest_ways_agree);
    RUN(digest_sees_every_bit);
    RUN(siphash_known_values);
    RUN(region_id_is_stable);
    return 0;
}
