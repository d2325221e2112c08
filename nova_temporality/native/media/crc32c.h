/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.h -- CRC-32C (Castagnoli), as iSCSI and ext4 use it */
#ifndef VPM_CRC32C_H
#define VPM_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Checksum of *length* bytes; *crc* is 0, or the checksum of what came
 * before them. */
uint32_t vpm_crc32c(uint32_t crc, const void *data, size_t length);

/* The same without instructions of the CPU for it. */
uint32_t vpm_crc32c_table(uint32_t crc, const void *data, size_t length);

/* 64 bits that tell two blocks apart, also when one is a change of the other:
 * the checksum, and that of all 8-byte words multiplied by an odd number.
 * *length* is a multiple of 8, *seed* tells equal blocks apart. */
uint64_t vpm_digest(uint64_t seed, const void *data, size_t length);

/* The same without instructions of the CPU for it. */
uint64_t vpm_digest_table(uint64_t seed, const void *data, size_t length);

#endif
