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

static void choose_best(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2"))
        best = crc32c_sse42;
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
