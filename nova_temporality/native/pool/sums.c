/* SPDX-License-Identifier: Apache-2.0 */
/* sums.c -- checksums of what lies in the vault */
#include "sums.h"

#include <stdbool.h>
#include <string.h>

#include "crc32c.h"

static bool is_zero(const uint8_t *data, size_t length)
{
    static const uint8_t zero[VPM_VAULT_CHUNK];

    return memcmp(data, zero, length) == 0;
}

/* 0 is for chunks that are all zero. */
static uint64_t not_zero(uint64_t number)
{
    return number ? number : 1;
}

void vpm_vault_digests(const uint8_t *data, uint64_t length,
                       uint64_t *digests)
{
    for (uint64_t done = 0; done < length; done += VPM_VAULT_CHUNK) {
        size_t some = length - done < VPM_VAULT_CHUNK ?
            length - done : VPM_VAULT_CHUNK;

        *digests++ = is_zero(data + done, some) ? 0 :
            not_zero(vpm_digest(0, data + done, some));
    }
}

void vpm_vault_sums(uint64_t seed, uint64_t at, const uint64_t *digests,
                    uint64_t count, uint64_t *sums)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t bound[] = {at + i * VPM_VAULT_CHUNK, digests[i]};

        sums[i] = !digests[i] ? 0 :
            not_zero(vpm_digest(seed, bound, sizeof(bound)));
    }
}
