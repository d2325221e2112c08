/* SPDX-License-Identifier: Apache-2.0 */
/* bitmap.h -- bits in words */
#ifndef VPM_BITMAP_H
#define VPM_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#define VPM_BITMAP_WORDS(bits) (((bits) + 63) / 64)

static inline bool vpm_bit_get(const uint64_t *bitmap, uint64_t bit)
{
    return bitmap[bit / 64] >> bit % 64 & 1;
}

static inline void vpm_bit_set(uint64_t *bitmap, uint64_t bit)
{
    bitmap[bit / 64] |= (uint64_t)1 << bit % 64;
}

static inline void vpm_bit_clear(uint64_t *bitmap, uint64_t bit)
{
    bitmap[bit / 64] &= ~((uint64_t)1 << bit % 64);
}

#endif
