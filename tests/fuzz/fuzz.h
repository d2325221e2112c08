/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h -- what every fuzzing target needs
 *
 * A target is a file fuzz_NAME.c that defines LLVMFuzzerTestOneInput, with
 * seeds from seeds.c in corpus/NAME.  It makes a file of libvpm's, or what the
 * engine is told, of the input, lets libvpm use it, and checks what libvpm
 * says with CHECK of the harness.
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

/* -- page tables: flags, head of the header, entries ---------------------- */

#define PPT_FIT_HEADER 0x01   /* checksum */
#define PPT_FIT_SUBJECT 0x02  /* all of the header */
#define PPT_FIT_ENTRIES 0x04  /* an entry is a byte for the frame and one for
                               * the slot, plus 1; else as it is */
#define PPT_RAW 0x80          /* the rest is the file, as it is */
#define PPT_HEAD offsetof(struct vpm_ppt_header, reserved)

/* -- lines of JSON: flag, the line or what it is made of ------------------ */

#define JSON_GOOD 0x01  /* the rest says what good JSON is made of */

/* -- what QEMU says: flags, pieces (a byte with the length, and text) ------ */

#define QMP_FIRED 0x01     /* it is being fixated, and not only armed */
#define QMP_SNAPSHOT 0x02  /* by the other route */
#define QMP_ENDS 0x04      /* QEMU closes the connection at last */
#define QMP_LONG 0x08      /* each piece is written 64 times in one go */

/* -- requests to the engine: flags, the beginning of the request, each ----- */

#define REQUEST_FIT_VERSION 0x01
#define REQUEST_FIT_KIND 0x02    /* one that there is */
#define REQUEST_FIT_REGION 0x04  /* and when it was created */
#define REQUEST_FIT_FDS 0x08     /* what the kind wants, if it wants some */
#define REQUEST_FIT_PID 0x10     /* of QEMU */
#define REQUEST_CUT 0x20         /* its end is missing */
#define REQUEST_HEAD 64          /* bytes that the input has of it */

#endif
