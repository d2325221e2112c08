/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h -- what every fuzzing target needs
 *
 * A target is a file fuzz_NAME.c that defines LLVMFuzzerTestOneInput, with
 * seeds from seeds.c in corpus/NAME.  It makes a file of libvpm's of the
 * input, lets libvpm use it, and checks what libvpm says with CHECK of the
 * harness.
 *
 * No fuzzer finds a checksum, so the first byte of an input says which of
 * them (and of what else libvpm compares) are made to fit.  The rest is the
 * file without the long runs of zeros in it. */
#ifndef FUZZ_H
#define FUZZ_H

#include "harness.h"
#include "layout.h"

/* What is left of an input. */
struct input {
    const uint8_t *bytes;
    size_t length;
};

/* Takes *length* bytes; zeros where there are none. */
void take(struct input *input, void *to, size_t length);

/* Gives a file in the pool new contents. */
void write_file(const char *path, const void *bytes, size_t length);

/* The check bits that make *body* and *epoch* a live entry's. */
uint64_t live_word(const struct vpm_toc_body *body, uint32_t tag);
uint64_t epoch_word(const struct vpm_toc_body *body, uint64_t epoch);

/* -- pool files: flags, head of CONF, entries ---------------------------- */

#define POOL_FIT_CONF 0x01         /* magic, version and checksum */
#define POOL_FIT_DEVICE 0x02
#define POOL_FIT_IDS 0x04          /* of regions */
#define POOL_FIT_BODIES 0x08       /* checksums of entries */
#define POOL_FIT_EPOCHS 0x10
#define POOL_FIT_LENGTH 0x20       /* of the file */
#define POOL_FIT_DESCRIPTORS 0x40  /* indices in entries */
#define POOL_RAW 0x80              /* the rest is the file, as it is */
#define POOL_CONF_HEAD offsetof(struct vpm_conf, reserved)

/* -- state files: flags, head of the header, checksum, marker, stream ---- */

#define STATE_FIT_HEADER 0x01   /* checksum, in the marker too */
#define STATE_FIT_SUBJECT 0x02  /* pool, region, ram file, epoch */
#define STATE_FIT_STREAM 0x04   /* checksum of the stream */
#define STATE_FIT_LENGTH 0x08   /* of the file */
#define STATE_RAW 0x80          /* the rest is the file, as it is */
#define STATE_HEAD offsetof(struct vpm_state_header, reserved)

#endif
