/* SPDX-License-Identifier: Apache-2.0 */
/* vpm.h -- libvpm: named, crash-safe memory regions in NVRAM
 *
 * A *pool* is a directory on an NVRAM file system (fsdax ext4 or XFS; tmpfs
 * emulates one).  It holds:
 *
 *   pool             CONF (what the pool is) and TOC (table of contents)
 *   lock             flock(2)ed while the TOC changes; a killed owner leaves
 *                    no lock behind
 *   regions/<id>/    one directory per region, <id> in 16 hex digits:
 *     ram            the server's memory, owned by the region's own user id
 *     state          the virtual environment (vCPU and device state) of the
 *                    last fixation, readable by the owner of the pool only
 *
 * A *VPM region* (virtual persistent memory) has more memory than NVRAM.  It
 * has also, owned by the region's user id:
 *
 *     ppt            the persistent page table: where every page is
 *     virtual        an empty file of the memory's size, which QEMU is given
 *                    in ram's place; the pager that is preloaded into QEMU
 *                    knows it again by it (see pager.h)
 *     swap           a symbolic link to the swap file, in a directory on a
 *                    disk; all its space is reserved, too
 *
 * The words CONF, TOC, PPT, nvalloc, nvfree, region id and fixation are those
 * of Temporality (SRDS 2015, sections 3 and 4).
 *
 * Invariants, at every instant, whatever crashes:
 *
 *   - A region is in the TOC as a whole or not at all.
 *   - All space that a region needs is reserved when nvalloc returns.
 *   - Space that nvfree gave back was zeroed durably before.
 *   - A state file proves itself: marker, checksums, pool, region, the very
 *     ram file and the epoch must all fit, or it is *unproven* and nothing
 *     may run from it.
 *   - A page of a VPM region is in one frame of NVRAM, or in one slot of the
 *     swap file, or was never touched.  It is in a slot only once the slot is
 *     durable, and a frame is used again only after that.  No frame and no
 *     slot has two owners.
 *   - A slot proves itself: its checksum covers region, incarnation, page and
 *     data.  What does not fit is never given to a guest.
 *   - The *epoch* of a region counts the times its vCPUs were allowed to run.
 *     It is advanced durably before they do, so a state of an earlier epoch
 *     (a stale or copied one) never fits again.
 *
 * Locks: nvalloc and nvfree exclude each other (flock(2) of the file lock, all
 * the time that they take).  What changes one region only, begin_epoch and
 * scrub, waits for others that change the same region, by flock(2) of its
 * directory.  Reading and fixating take no lock and never wait.
 *
 * Functions return VPM_OK (0) or a negative enum vpm_code and then describe
 * the failure in *err (never NULL): what was found, where, and the remedy.
 * Sizes are bytes, times are nanoseconds.  Functions may be called from any
 * thread; one pool handle may be shared by threads.
 */
#ifndef VPM_H
#define VPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VPM_NAME_MAX 63         /* bytes of a pVM name, a server's UUID */
#define VPM_RUNSTATE_MAX 31     /* bytes of a QEMU run state's name */
#define VPM_MESSAGE_MAX 511
#define VPM_PATH_MAX 1023

enum vpm_code {
    VPM_OK = 0,
    VPM_EINVAL = -1,      /* an argument is out of range */
    VPM_ENOENT = -2,      /* no such pool or region */
    VPM_EEXIST = -3,      /* pool or region is there already */
    VPM_ENOSPC = -4,      /* pool, descriptors or file system full */
    VPM_ECOLLISION = -5,  /* two names hash to one region id */
    VPM_ECORRUPT = -6,    /* a checksum or an invariant does not hold */
    VPM_EFOREIGN = -7,    /* not a pool, or moved from another device */
    VPM_EVERSION = -8,    /* written by a newer libvpm */
    VPM_EUNPROVEN = -9,   /* state is missing, stale, incomplete, damaged */
    VPM_EFIXATED = -10,   /* refused: would overwrite a proven state */
    VPM_ETIMEDOUT = -11,  /* the stream did not end before the deadline */
    VPM_ESYS = -12,       /* a system call failed; errno is in the message */
};

struct vpm_error {
    int code;
    char message[VPM_MESSAGE_MAX + 1];
};

struct vpm_pool;
struct vpm_fixation;

/* -- pools -------------------------------------------------------------- */

struct vpm_pool_params {
    uint64_t total_size;   /* NVRAM for servers' memory; page_size multiple */
    uint64_t state_size;   /* of every region's state file; 4 KiB multiple */
    uint32_t page_size;    /* power of two, 4 KiB to 2 MiB */
    uint32_t descriptors;  /* most regions the pool can hold, 1 to 65536 */
    uint32_t uid_base;     /* region with descriptor i belongs to uid_base+i;
                            * 0: all files stay with the caller (tests) */
};

struct vpm_pool_info {
    uint32_t version;
    uint8_t uuid[16];
    uint64_t total_size;
    uint64_t used_size;    /* sum of the regions' sizes */
    uint64_t state_size;
    uint32_t page_size;
    uint32_t descriptors;
    uint32_t used_descriptors;
    uint32_t uid_base;
    char medium[16];       /* "dax", "tmpfs" (emulated) or "file" (msync) */
    char flush[16];        /* "clwb", "clflushopt", "clflush" or "msync" */
};

/* Formats directory *dir*, which must be empty or not exist (its parent
 * must).  The pool file is written last and complete or not at all: a crash
 * leaves a directory that can be formatted again. */
int vpm_pool_create(const char *dir, const struct vpm_pool_params *params,
                    struct vpm_error *err);

/* Opens a pool, having checked magic, version, device identity and all
 * checksums, and finishes or rolls back what a crash interrupted (an
 * allocation, a scrub); what resists that is left for vpm_pool_check to
 * report, its space stays used.  When another process is allocating or
 * freeing, it has done so before, and is not waited for.  NULL on failure.
 * The handle is closed by vpm_pool_close. */
struct vpm_pool *vpm_pool_open(const char *dir, struct vpm_error *err);
void vpm_pool_close(struct vpm_pool *pool);

int vpm_pool_info(struct vpm_pool *pool, struct vpm_pool_info *info,
                  struct vpm_error *err);

/* Examines everything without changing anything (not even what a crash
 * interrupted; works on pools that vpm_pool_open refuses) and calls
 * *report* once per finding.  Returns the number of findings, or a negative
 * vpm_code when *dir* cannot be examined at all. */
int vpm_pool_check(const char *dir,
                   void (*report)(const char *finding, void *opaque),
                   void *opaque, struct vpm_error *err);

/* -- regions ------------------------------------------------------------ */

/* Which page leaves NVRAM when room is needed. */
enum vpm_policy {
    VPM_POLICY_NONE = 0,    /* none does: a fully resident region */
    VPM_POLICY_FIFO = 1,    /* the one that came first (SRDS 2015) */
    VPM_POLICY_S3FIFO = 2,  /* one that was not used again since it came, if
                             * there is one (S3-FIFO with faults as signal) */
};

struct vpm_region_info {
    uint64_t id;
    uint64_t size;         /* of the ram file: as asked for, rounded up to
                            * the pool's page size */
    uint64_t virtual_size; /* of the server's memory; size, or more */
    uint64_t epoch;
    uint64_t created_ns;   /* CLOCK_REALTIME */
    uint32_t sequence;
    uint32_t descriptor;
    uint32_t uid;
    uint32_t page_size;    /* of its page table; 0: fully resident */
    uint32_t policy;       /* enum vpm_policy */
    char name[VPM_NAME_MAX + 1];
    char ram_path[VPM_PATH_MAX + 1];
    char virtual_path[VPM_PATH_MAX + 1];  /* empty when fully resident, */
    char swap_path[VPM_PATH_MAX + 1];     /* as is this */
};

/* id = hash(pVM name, allocation sequence number); never 0. */
uint64_t vpm_region_id(const char *name, uint32_t sequence);

/* Allocates a zeroed region; everything it will ever need is reserved.  A
 * name has 1 to VPM_NAME_MAX printable ASCII characters other than '/'. */
int nvalloc(struct vpm_pool *pool, const char *name, uint32_t sequence,
            uint64_t size, struct vpm_region_info *info,
            struct vpm_error *err);

struct vpm_vpm_params {
    uint64_t size;         /* of the server's memory */
    uint64_t nvram_size;   /* less than that: what the pool is charged */
    uint32_t page_size;    /* power of two from 4 KiB to 2 MiB; 0: the
                            * smallest that needs, at worst, less than half of
                            * vm.max_map_count mappings */
    uint32_t policy;       /* VPM_POLICY_FIFO or VPM_POLICY_S3FIFO */
    const char *swap_dir;  /* absolute; writable by its owner only */
};

/* Allocates a VPM region.  Sizes are rounded up to the page size, the NVRAM's
 * to that of the pool as well; *info* says what was taken.  The swap file has
 * room for more than all pages: VPM_ENOSPC when that does not fit. */
int nvalloc_vpm(struct vpm_pool *pool, const char *name, uint32_t sequence,
                const struct vpm_vpm_params *params,
                struct vpm_region_info *info, struct vpm_error *err);

/* Scrubs a region durably, then forgets it.  Nothing may have its ram mapped
 * any more.  An interrupted nvfree is finished by the next vpm_pool_open,
 * nvalloc or nvfree. */
int nvfree(struct vpm_pool *pool, const char *name, uint32_t sequence,
           struct vpm_error *err);

int vpm_region_lookup(struct vpm_pool *pool, const char *name,
                      uint32_t sequence, struct vpm_region_info *info,
                      struct vpm_error *err);

/* Copies up to *max* regions to *infos*; returns how many there are (which
 * may be more than *max*), or a negative vpm_code. */
int vpm_region_list(struct vpm_pool *pool, struct vpm_region_info *infos,
                    uint32_t max, struct vpm_error *err);

/* Zeroes a region's ram (and swap file) and drops its state, durably: a cold
 * boot must not find the memory of an earlier run.  Begins an epoch first, and
 * gives files that were cut off their size back.  The region stays allocated.
 * Nothing may have its memory mapped.  */
int vpm_region_scrub(struct vpm_pool *pool, uint64_t id,
                     struct vpm_error *err);

/* To be called before vCPUs may run (cold boot, recovery, call-off of a
 * fixation): advances the epoch, which makes any fixated state stale, and
 * clears the marker; both are durable on return. */
int vpm_region_begin_epoch(struct vpm_pool *pool, uint64_t id,
                           struct vpm_error *err);

/* Why a VPM region's guest is blocked, or soon will be. */
enum vpm_region_error {
    VPM_REGION_SOUND = 0,
    VPM_REGION_SWAP_IN = 1,    /* a slot could not be read: errno */
    VPM_REGION_BAD_SLOT = 2,   /* a slot is torn or foreign */
    VPM_REGION_SWAP_OUT = 3,   /* a page could not be written: errno; it is
                                * tried again, nothing is lost */
    VPM_REGION_BAD_ENTRY = 4,  /* a page table entry is damaged */
    VPM_REGION_MAPPING = 5,    /* no more mappings, or no memory: errno */
};

/* What the pager of a region says about itself; all zero before the first
 * one ran.  Of a fully resident region only the first two are set. */
struct vpm_region_stats {
    uint64_t in_memory;        /* bytes in NVRAM */
    uint64_t in_swap;          /* bytes in the swap file alone */
    uint64_t faults;           /* all of them */
    uint64_t refaults;         /* of pages whose frame was still intact */
    uint64_t swap_ins;         /* pages read, those read ahead included */
    uint64_t swap_outs;        /* pages written */
    uint64_t clean_outs;       /* pages that left without being written */
    uint32_t error;            /* enum vpm_region_error: the first since the
                                * region was allocated or scrubbed */
    int32_t error_errno;       /* 0: none */
    uint64_t error_page;       /* number; UINT32_MAX: none in particular */
    uint64_t error_slot;       /* likewise */
};

/* Reads them while the pager works.  MRR = in_memory / (in_memory + in_swap).
 */
int vpm_region_stats(struct vpm_pool *pool, uint64_t id,
                     struct vpm_region_stats *stats, struct vpm_error *err);

/* -- fixation ------------------------------------------------------------ */

/* What the notifier knows about a fixation, kept in the state's header. */
struct vpm_fixation_meta {
    uint64_t wall_ns;       /* CLOCK_REALTIME of the event */
    uint64_t signal_ns;     /* the following are CLOCK_MONOTONIC: event, */
    uint64_t stopped_ns;    /* vCPUs stopped and block I/O drained, */
    uint64_t saved_ns;      /* stream complete, QEMU reports completion */
    char runstate[VPM_RUNSTATE_MAX + 1];  /* before the stop: "running" */
    char producer[VPM_RUNSTATE_MAX + 1];  /* e.g. "qemu 10.0.2" */
};

/* Prepares for fixations of one region while power is good: opens, maps and
 * touches the state file, so that none of that happens at the event.  Does
 * not change it.  NULL on failure.  One thread at a time may use a fixation;
 * it may be closed, but not used, after its pool was closed. */
struct vpm_fixation *vpm_fixation_open(struct vpm_pool *pool, uint64_t id,
                                       struct vpm_error *err);
void vpm_fixation_close(struct vpm_fixation *fixation);

/* Starts: VPM_EFIXATED when a proven state of this epoch is there already
 * (the vCPUs cannot have run since).  Else any old marker is durably
 * cleared. */
int vpm_fixation_begin(struct vpm_fixation *fixation, struct vpm_error *err);

/* Reads *fd* (socket or pipe) to its end into the state file and checksums
 * what comes.  VPM_ENOSPC when the stream is longer than the state file
 * holds, VPM_EUNPROVEN when it is empty, VPM_ETIMEDOUT at CLOCK_MONOTONIC
 * *deadline_ns* (0: none).  After a failure begin anew. */
int vpm_fixation_receive(struct vpm_fixation *fixation, int fd,
                         uint64_t deadline_ns, struct vpm_error *err);

/* Persists stream and header, then, last, the marker.  *persisted_ns*
 * (CLOCK_MONOTONIC) is the instant at which the marker was durable.
 * VPM_EUNPROVEN when an epoch was begun since vpm_fixation_begin. */
int vpm_fixation_commit(struct vpm_fixation *fixation,
                        const struct vpm_fixation_meta *meta,
                        uint64_t *persisted_ns, struct vpm_error *err);

/* -- recovery ------------------------------------------------------------ */

struct vpm_state_info {
    uint64_t epoch;
    uint64_t length;        /* of the stream */
    uint64_t persisted_ns;  /* stream durable; header, which says this, and
                             * marker not yet */
    struct vpm_fixation_meta meta;
};

/* Proves a state: VPM_OK, or VPM_EUNPROVEN with the reason in words. */
int vpm_state_verify(struct vpm_pool *pool, uint64_t id,
                     struct vpm_state_info *info, struct vpm_error *err);

/* Verifies again and writes the stream to *fd*, a socket or pipe (whose
 * SIGPIPE is the caller's affair). */
int vpm_state_send(struct vpm_pool *pool, uint64_t id, int fd,
                   struct vpm_error *err);

#endif
