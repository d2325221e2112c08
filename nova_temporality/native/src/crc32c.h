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

#endif
