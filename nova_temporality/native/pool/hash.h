/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h -- the hash of which region ids are made */
#ifndef VPM_HASH_H
#define VPM_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 of *length* bytes. */
uint64_t vpm_siphash(uint64_t key0, uint64_t key1, const void *data,
                     size_t length);

#endif
