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

static uint64_t sum_of(uint64_t seed, uint64_t at, const uint8_t *data,
                       size_t length)
{
    uint64_t sum = vpm_digest(vpm_digest(seed, &at, sizeof(at)), data, length);

    return sum ? sum : 1;
}

void vpm_vault_sums(uint64_t seed, uint64_t at, const uint8_t *data,
                    uint64_t length, uint64_t *sums)
{
    for (uint64_t done = 0; done < length; done += VPM_VAULT_CHUNK) {
        size_t some = length - done < VPM_VAULT_CHUNK ?
            length - done : VPM_VAULT_CHUNK;

        *sums++ = is_zero(data + done, some) ? 0 :
            sum_of(seed, at + done, data + done, some);
    }
}
