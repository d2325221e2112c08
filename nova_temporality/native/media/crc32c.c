/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.c -- CRC-32C (Castagnoli) by SSE 4.2 or by table */
#include "crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u  /* reflected */

static uint32_t table[256];

uint32_t vpm_crc32c_table(uint32_t crc, const void *data, size_t length)
{
    const uint8_t *byte = data;

    crc = ~crc;
    while (length--)
        crc = table[(crc ^ *byte++) & 0xff] ^ (crc >> 8);
    return ~crc;
}

#define FACTOR 0x9e3779b97f4a7c15u  /* odd: no two words have one product */

uint64_t vpm_digest_table(uint64_t seed, const void *data, size_t length)
{
    uint32_t low = vpm_crc32c_table(0, &seed, sizeof(seed));
    uint32_t high = ~low;

    for (size_t at = 0; at < length; at += 8) {
        uint64_t word;

        memcpy(&word, (const uint8_t *)data + at, sizeof(word));
        low = vpm_crc32c_table(low, &word, sizeof(word));
        word *= FACTOR;
        high = vpm_crc32c_table(high, &word, sizeof(word));
    }
    return (uint64_t)high << 32 | low;
}

static uint64_t (*best_digest)(uint64_t, const void *, size_t) =
    vpm_digest_table;
static uint32_t (*best)(uint32_t, const void *, size_t) = vpm_crc32c_table;

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2")))
static uint32_t crc32c_sse42(uint32_t crc, const void *data, size_t length)
{
    const uint8_t *byte = data;
    uint64_t wide = (uint32_t)~crc;

    for (; length >= 8; length -= 8, byte += 8) {
        uint64_t word;

        memcpy(&word, byte, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
    }
    while (length--)
        wide = _mm_crc32_u8((uint32_t)wide, *byte++);
    return ~(uint32_t)wide;
}

__attribute__((target("sse4.2")))
static uint64_t digest_sse42(uint64_t seed, const void *data, size_t length)
{
    uint64_t low = (uint32_t)~crc32c_sse42(0, &seed, sizeof(seed));
    uint64_t high = (uint32_t)~low;

    for (size_t at = 0; at < length; at += 8) {
        uint64_t word;

        memcpy(&word, (const uint8_t *)data + at, sizeof(word));
        low = _mm_crc32_u64(low, word);
        high = _mm_crc32_u64(high, word * FACTOR);
    }
    return (uint64_t)(uint32_t)~high << 32 | (uint32_t)~low;
}

static void choose_best(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2")) {
        best = crc32c_sse42;
        best_digest = digest_sse42;
    }
}
#else
static void choose_best(void)
{
}
#endif

__attribute__((constructor))
static void crc32c_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
        table[i] = crc;
    }
    choose_best();
}

uint32_t vpm_crc32c(uint32_t crc, const void *data, size_t length)
{
    return best(crc, data, length);
}

uint64_t vpm_digest(uint64_t seed, const void *data, size_t length)
{
    return best_digest(seed, data, length);
}
