/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c -- region id = hash(pVM name, allocation sequence number)
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012) with a fixed key: 64 bits, well
 * distributed and simple.  The key is no secret; whoever constructs two
 * names of one id gets VPM_ECOLLISION.  The id is part of the media format:
 * it is a directory's name. */
#include "hash.h"

#include <string.h>

#include "vpm.h"

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(uint64_t v[4], int count)
{
    while (count--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

uint64_t vpm_siphash(uint64_t key0, uint64_t key1, const void *data,
                     size_t length)
{
    const uint8_t *byte = data;
    uint64_t v[4] = {
        key0 ^ 0x736f6d6570736575, key1 ^ 0x646f72616e646f6d,
        key0 ^ 0x6c7967656e657261, key1 ^ 0x7465646279746573,
    };
    uint64_t word;
    size_t left = length;

    for (; left >= 8; left -= 8, byte += 8) {
        memcpy(&word, byte, sizeof(word));
        v[3] ^= word;
        rounds(v, 2);
        v[0] ^= word;
    }
    word = (uint64_t)length << 56;
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)byte[i] << (8 * i);
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t vpm_region_id(const char *name, uint32_t sequence)
{
    uint8_t input[VPM_NAME_MAX + 1 + sizeof(sequence)];
    size_t length = strnlen(name, VPM_NAME_MAX);
    uint64_t id;

    memcpy(input, name, length);
    input[length++] = 0;
    memcpy(input + length, &sequence, sizeof(sequence));
    length += sizeof(sequence);
    id = vpm_siphash(0x6c61726f706d6574, 0x00006e6f69676572, input, length);
    return id ? id : 1;
}
