/* SPDX-License-Identifier: Apache-2.0 */
/* layout.h -- what lies on the media
 *
 * All numbers are little-endian.  All structures have fixed sizes.  Reserved
 * bytes are zero, and covered by the checksums; a libvpm that knows nothing of
 * them ignores them.  Any other change needs a new VPM_FORMAT_VERSION; only the
 * places of magic, version and crc of CONF stay for ever, so that any libvpm
 * can tell a newer pool from a damaged one.
 *
 * Pool file: CONF, then one TOC entry per descriptor, then, from the next
 * block on, the ring of outcomes.
 *
 * A TOC entry is what its commit word says, a tag and the checksum of the
 * body, written in one piece after the body is durable:
 *
 *   FREE -> ALLOCATING -> LIVE -> FREEING -> FREE
 *
 * The epoch changes while the entry is live, so it is a word of its own with
 * its own check bits.
 *
 * Page table file (PPT) of a VPM region: header, status, one entry per page,
 * one word per slot of the swap file; entries and words begin at blocks.
 *
 * State file: header, then the stream.  The marker is stored last.  It is
 * alone in its cache line, so that it is not written back early with other
 * data. */
#ifndef VPM_LAYOUT_H
#define VPM_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "vpm.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the media format is little-endian"
#endif

#define VPM_FORMAT_VERSION 3
/* Of CONF of a pool that has a vault.  A libvpm that knows no vaults must not
 * let its servers run. */
#define VPM_FORMAT_VERSION_VAULT 4
#define VPM_BLOCK 4096

#define VPM_POOL_FILE "pool"
#define VPM_POOL_FILE_NEW "pool.new"
#define VPM_CONF_FILE "conf"
#define VPM_CONF_FILE_NEW "conf.new"
#define VPM_LOCK_FILE "lock"
#define VPM_REGIONS_DIR "regions"
#define VPM_RAM_FILE "ram"
#define VPM_STATE_FILE "state"
#define VPM_PPT_FILE "ppt"
#define VPM_VIRTUAL_FILE "virtual"
#define VPM_SWAP_LINK "swap"

/* -- CONF ---------------------------------------------------------------- */

#define VPM_CONF_MAGIC "VPMPOOL"  /* and its NUL */

enum vpm_device_kind {
    VPM_DEVICE_TYPE_ONLY = 1,  /* the file system has no stable identity */
    VPM_DEVICE_FSID = 2,       /* statfs f_fsid */
    VPM_DEVICE_UUID = 3,       /* of the superblock */
};

/* Where a pool file lives: a copy of it lives elsewhere. */
struct vpm_device {
    uint64_t fs_type;          /* statfs f_type */
    uint8_t fs_id[16];
    uint64_t inode;            /* of the pool file */
    uint32_t kind;             /* enum vpm_device_kind: what fs_id is */
    uint32_t reserved;
};

/* It changes only when the medium is recorded.  Then the copy, a file of its
 * own, is replaced durably first: one of the two is sound at every instant. */
struct vpm_conf {
    char magic[8];
    uint32_t version;
    uint32_t page_size;
    uint8_t uuid[16];
    uint64_t total_size;
    uint64_t state_size;
    uint32_t descriptors;
    uint32_t uid_base;
    struct vpm_device device;
    uint32_t medium;           /* enum vpm_medium on which it was made; 0: a
                                * libvpm that did not record it made it */
    char vault[VPM_PATH_MAX + 1];  /* its directory; empty: there is none */
    uint32_t reserved_word;
    uint64_t instance;         /* random; with a vault only */
    uint8_t reserved[2956];
    uint32_t crc;              /* crc32c of all before it */
};

static_assert(sizeof(struct vpm_device) == 40, "media format");
static_assert(sizeof(struct vpm_conf) == VPM_BLOCK, "media format");
static_assert(offsetof(struct vpm_conf, version) == 8, "media format");
static_assert(offsetof(struct vpm_conf, total_size) == 32, "media format");
static_assert(offsetof(struct vpm_conf, device) == 56, "media format");
static_assert(offsetof(struct vpm_conf, medium) == 96, "media format");
static_assert(offsetof(struct vpm_conf, vault) == 100, "media format");
static_assert(offsetof(struct vpm_conf, instance) == 1128, "media format");
static_assert(offsetof(struct vpm_conf, crc) == 4092, "media format");

/* -- TOC ----------------------------------------------------------------- */

/* They differ in many bits, and can be read in a hex dump. */
enum vpm_toc_tag {
    VPM_TOC_FREE = 0x65657266,        /* "free" */
    VPM_TOC_ALLOCATING = 0x6f6c6c41,  /* "Allo" */
    VPM_TOC_LIVE = 0x4556494c,        /* "LIVE" */
    VPM_TOC_FREEING = 0x6e697246,     /* "Frin" */
};

struct vpm_toc_body {
    uint64_t id;
    uint64_t size;
    uint64_t created_ns;
    uint64_t incarnation;      /* random; a region that is allocated again
                                * under the same id is another region */
    uint32_t sequence;
    uint32_t descriptor;       /* index of this entry */
    char name[VPM_NAME_MAX + 1];
    uint64_t virtual_size;     /* 0: fully resident, as are the next two */
    uint32_t vpm_page_size;
    uint32_t policy;           /* enum vpm_policy */
    uint64_t serial;           /* counts the pool's allocations; 0: made by a
                                * libvpm that did not.  Of a free entry: of
                                * the last region that had it */
    uint8_t reserved[112];
};

struct vpm_toc_entry {
    uint64_t commit;           /* tag << 32 | crc32c(body); FREE: crc 0 */
    uint64_t epoch;            /* check << 40 | epoch */
    struct vpm_toc_body body;
};

static_assert(sizeof(struct vpm_toc_body) == 240, "media format");
static_assert(sizeof(struct vpm_toc_entry) == 256, "media format");
static_assert(offsetof(struct vpm_toc_entry, body) == 16, "media format");
static_assert(offsetof(struct vpm_toc_body, sequence) == 32, "media format");
static_assert(offsetof(struct vpm_toc_body, name) == 40, "media format");
static_assert(offsetof(struct vpm_toc_body, virtual_size) == 104,
              "media format");
static_assert(offsetof(struct vpm_toc_body, serial) == 120, "media format");

#define VPM_TOC_OFFSET sizeof(struct vpm_conf)

/* -- ring ---------------------------------------------------------------- */

/* Enough for some outages of a full host; tests have smaller ones. */
#ifndef VPM_RING_ENTRIES
#define VPM_RING_ENTRIES VPM_OUTCOMES_MAX
#endif

/* What became of a pVM in an outage.  The entry of sequence number n is number
 * n modulo VPM_RING_ENTRIES.  One that is torn is none. */
struct vpm_ring_entry {
    struct vpm_outcome outcome;
    uint8_t reserved[12];
    uint32_t crc;              /* crc32c of all before it */
};

static_assert(sizeof(struct vpm_ring_entry) == 512, "media format");
static_assert(offsetof(struct vpm_outcome, result) == 80, "media format");
static_assert(offsetof(struct vpm_outcome, name) == 96, "media format");
static_assert(offsetof(struct vpm_outcome, reason) == 288, "media format");

/* -- page table file ----------------------------------------------------- */

#define VPM_PPT_MAGIC "VPMPPTv"  /* and its NUL */

/* Never changes while the region is live. */
struct vpm_ppt_header {
    char magic[8];
    uint32_t version;
    uint32_t page_size;
    uint8_t pool_uuid[16];
    uint64_t region_id;
    uint64_t incarnation;
    uint64_t virtual_size;
    uint64_t nvram_size;
    uint64_t ram_inode;
    uint64_t virtual_inode;
    uint64_t swap_inode;
    uint32_t policy;
    uint8_t reserved[4000];
    uint32_t crc;              /* crc32c of all before it */
};

/* What the pager reports to other processes.  The counters are never flushed;
 * the error is, *error* last. */
struct vpm_ppt_status {
    uint64_t error;            /* 0, or enum vpm_region_error << 32 | errno */
    uint64_t error_page;
    uint64_t error_slot;
    uint64_t in_memory;        /* pages */
    uint64_t in_swap;          /* pages */
    uint64_t faults;
    uint64_t refaults;
    uint64_t swap_ins;         /* pages */
    uint64_t swap_outs;        /* pages */
    uint64_t clean_outs;       /* pages */
    uint8_t reserved[4016];
};

static_assert(sizeof(struct vpm_ppt_header) == VPM_BLOCK, "media format");
static_assert(offsetof(struct vpm_ppt_header, region_id) == 32,
              "media format");
static_assert(offsetof(struct vpm_ppt_header, policy) == 88, "media format");
static_assert(offsetof(struct vpm_ppt_header, crc) == 4092, "media format");
static_assert(sizeof(struct vpm_ppt_status) == VPM_BLOCK, "media format");

/* Entry of a page: frame + 1, slot + 1 and check bits, or 0 when the page was
 * never touched and reads as zeros.  A frame that is named is the page; a slot
 * beside it is its page's own, but may be older than the frame. */
#define VPM_PPT_INDEX_BITS 28
#define VPM_PPT_INDEX_MAX (((uint64_t)1 << VPM_PPT_INDEX_BITS) - 2)

/* Word of a slot: the digest (crc32c.h) of what it holds, seeded with region
 * id, incarnation and page. */

/* -- state file ---------------------------------------------------------- */

#define VPM_STATE_MAGIC "VPMSTAT"  /* and its NUL */
#define VPM_MARKER_MAGIC 0x444e4553u  /* "SEND" */

struct vpm_state_meta {
    uint64_t wall_ns;
    uint64_t signal_ns;
    uint64_t stopped_ns;
    uint64_t saved_ns;
    char runstate[VPM_RUNSTATE_MAX + 1];
    char producer[VPM_RUNSTATE_MAX + 1];
};

struct vpm_state_header {
    char magic[8];
    uint32_t version;
    uint32_t stream_crc;       /* crc32c of the stream */
    uint8_t pool_uuid[16];
    uint64_t region_id;
    uint64_t incarnation;
    uint64_t ram_inode;
    uint64_t ram_size;
    uint64_t epoch;
    uint64_t length;           /* of the stream */
    uint64_t persisted_ns;
    struct vpm_state_meta meta;
    uint8_t reserved[3844];
    uint32_t crc;              /* crc32c of all before it */
    uint64_t marker;           /* VPM_MARKER_MAGIC << 32 | crc */
    uint8_t marker_line[56];
};

static_assert(sizeof(struct vpm_state_meta) == 96, "media format");
static_assert(sizeof(struct vpm_state_header) == VPM_BLOCK, "media format");
static_assert(offsetof(struct vpm_state_header, region_id) == 32,
              "media format");
static_assert(offsetof(struct vpm_state_header, meta) == 88, "media format");
static_assert(offsetof(struct vpm_state_header, crc) == 4028,
              "media format");
static_assert(offsetof(struct vpm_state_header, marker) == 4032,
              "media format");

/* -- the vault ----------------------------------------------------------- */

#define VPM_VAULT_RECORDS "records"
#define VPM_VAULT_SERVERS "servers"
#define VPM_VAULT_MANIFEST "manifest"  /* suffixes of names there */
#define VPM_VAULT_DATA "data"
#define VPM_VAULT_MAGIC "VPMVREC"      /* and its NUL */
#define VPM_VAULT_VERSION 1

/* A region's record, a file of its own on the vault's disk.  A copy of the
 * region in the vault counts for one value of *runs* only.  The record is
 * replaced by another file, never changed, and names the very file that it is:
 * a copy of it that is put back, also over it, is none. */
struct vpm_vault_record {
    char magic[8];
    uint32_t version;
    uint32_t reserved_zero;
    uint8_t pool_uuid[16];
    uint64_t region_id;
    uint64_t incarnation;
    uint64_t runs;             /* times that it was advanced */
    uint64_t birth_ns;         /* of the file, CLOCK_REALTIME */
    struct vpm_device device;  /* of the file */
    uint64_t instance;         /* of the pool that it is in now */
    uint8_t reserved[396];
    uint32_t crc;              /* crc32c of all before it */
};

static_assert(sizeof(struct vpm_vault_record) == 512, "media format");
static_assert(offsetof(struct vpm_vault_record, device) == 64,
              "media format");

#endif
