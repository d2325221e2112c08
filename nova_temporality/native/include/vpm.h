/* SPDX-License-Identifier: Apache-2.0 */
/* vpm.h -- libvpm: named, crash-safe memory regions in NVRAM
 *
 * A *pool* is a directory on an NVRAM file system (fsdax ext4 or XFS; tmpfs
 * emulates one).  It holds:
 *
 *   pool             CONF (what the pool is), TOC (table of contents) and a
 *                    ring of the latest outcomes of fixations
 *   conf             a copy of CONF, in case that one is damaged
 *   lock             flock(2)ed while descriptors are taken or given back; a
 *                    killed owner leaves no lock behind
 *   pause            until when background work waits; volatile
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
 *                    instead of ram; by it the pager that is preloaded into
 *                    QEMU knows which memory to page (see preload.h)
 *     swap           a symbolic link to the swap file, which is in a directory
 *                    on a disk; all its space is reserved, too
 *
 * A pool on tmpfs may have a *vault*, a directory on a disk, to which all of it
 * is written before a planned reboot, and from which it is made again (package
 * nova_temporality.vault).  libvpm keeps there:
 *
 *   records/<id>     one small file per region: how often its vCPUs were
 *                    allowed to run.  What was written to the vault counts for
 *                    one such number only.
 *   servers/<id>.data, servers/<id>.manifest
 *                    what was written; the room of the former is reserved when
 *                    the region is allocated
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
 *     ram file and the epoch must all fit.  Otherwise it is *unproven*, and
 *     nothing may run from it.
 *   - A page of a VPM region is in one frame of NVRAM, or in one slot of the
 *     swap file, or was never touched.  It is in a slot only once the slot is
 *     durable, and a frame is used again only after that.  No frame and no
 *     slot has two owners.
 *   - A slot proves itself: its checksum covers region, incarnation, page and
 *     data.  A page whose checksum does not fit is never shown to a guest.
 *   - The *epoch* of a region counts the times its vCPUs were allowed to run.
 *     It is advanced durably before they do, so a state of an earlier epoch
 *     (a stale or copied one) never fits again.
 *   - The record in the vault is advanced, durably, before the epoch is.  If
 *     that cannot be done, the epoch is not begun.  A region that is freed has
 *     lost its record, durably, before.
 *
 * Locks: functions that change one region (nvalloc, nvfree, begin_epoch, scrub)
 * exclude each other for that region, by flock(2) of its directory, for all
 * the time that they take.  nvalloc and nvfree also take the file lock, but
 * only for the instants in which a descriptor is taken or given back.  Reading
 * and fixating take no lock and never wait.
 *
 * Errors: functions return VPM_OK (0), or a negative enum vpm_code.  Those
 * that return a pointer return NULL on failure.  In either case *err (never
 * NULL) has the code, and says what was found, where, and the remedy.
 * Comments name the codes that a caller may want to tell apart; VPM_EINVAL,
 * VPM_ECORRUPT and VPM_ESYS may come from any function.
 *
 * Media errors: memory of NVRAM that cannot be read or written (a poisoned line
 * of an NVDIMM, a file that was cut off) fails the call that needs it, and
 * nothing else.  For that vpm_pool_open and vpm_pool_check have the process
 * handle SIGBUS, of which the rest goes on to the handler that was there
 * before.  No thread that calls libvpm may block SIGBUS.
 *
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
#define VPM_RAISED_BY_MAX 95    /* bytes of names of sources, with commas */
#define VPM_REASON_MAX 207      /* bytes of an outcome's reason */
#define VPM_PRIORITY_MAX 100    /* the highest priority; 0 is the lowest */
#define VPM_MESSAGE_MAX 511     /* bytes of an error's message */
#define VPM_PATH_MAX 1023       /* bytes of a path */

enum vpm_code {
    VPM_OK = 0,
    VPM_EINVAL = -1,      /* an argument is out of range */
    VPM_ENOENT = -2,      /* no such pool or region */
    VPM_EEXIST = -3,      /* pool or region exists already */
    VPM_ENOSPC = -4,      /* pool, descriptors or file system full */
    VPM_ECOLLISION = -5,  /* two names hash to one region id */
    VPM_ECORRUPT = -6,    /* a checksum or an invariant does not hold */
    VPM_EFOREIGN = -7,    /* not a pool, or moved from another device */
    VPM_EVERSION = -8,    /* written by another version of libvpm */
    VPM_EUNPROVEN = -9,   /* state is missing, stale, incomplete, damaged */
    VPM_EFIXATED = -10,   /* refused: would overwrite a proven state */
    VPM_ETIMEDOUT = -11,  /* the stream did not end before the deadline */
    VPM_ESYS = -12,       /* a system call failed; errno is in the message */
    VPM_EMEDIUM = -13,    /* not the medium that the pool was made on */
    VPM_EVAULT = -14,     /* the vault cannot be had, or is another one */
};

struct vpm_error {
    int code;
    char message[VPM_MESSAGE_MAX + 1];
};

struct vpm_pool;
struct vpm_fixation;

/* -- pools -------------------------------------------------------------- */

/* On what a pool lies. */
enum vpm_medium {
    VPM_MEDIUM_UNKNOWN = 0,
    VPM_MEDIUM_DAX = 1,    /* NVRAM: what was written survives */
    VPM_MEDIUM_TMPFS = 2,  /* emulates NVRAM: nothing survives a power cut */
    VPM_MEDIUM_FILE = 3,   /* any other file system: a fixation writes the
                            * server's memory to its disk, however long that
                            * takes, before the state is marked */
};

struct vpm_pool_params {
    uint64_t total_size;   /* NVRAM for servers' memory; page_size multiple */
    uint64_t state_size;   /* of every region's state file; 4 KiB multiple */
    uint32_t page_size;    /* power of two, 4 KiB to 2 MiB */
    uint32_t descriptors;  /* most regions the pool can hold, 1 to 65536 */
    uint32_t uid_base;     /* region with descriptor i belongs to uid_base+i;
                            * 0: all files stay with the caller (tests) */
    uint32_t media;        /* those that are wanted: the bits 1 << enum
                            * vpm_medium; 0: any */
    const char *vault;     /* absolute path of its directory, in which records
                            * and servers are; NULL: the pool has none */
    uint8_t uuid[16];      /* of a pool that is made again; all zero: a new
                            * one */
};

struct vpm_pool_info {
    uint32_t version;
    uint8_t uuid[16];
    uint64_t total_size;
    uint64_t used_size;    /* sum of the regions' sizes */
    uint64_t freed_size;   /* of that, freed, and not scrubbed yet */
    uint64_t state_size;
    uint32_t page_size;
    uint32_t descriptors;
    uint32_t used_descriptors;
    uint32_t uid_base;
    char medium[16];       /* on what it lies now: "dax", "tmpfs", "file" */
    char made_on[16];      /* on what it was made; empty: it does not say */
    char flush[16];        /* "clwb", "clflushopt", "clflush" or "msync" */
    char vault[VPM_PATH_MAX + 1];  /* directory of its vault; empty: none */
};

/* Formats directory *dir*, which must be empty or not exist; its parent must
 * exist.  The pool file is written last, and complete or not at all: a crash
 * leaves a directory that can be formatted again.  VPM_EEXIST when the
 * directory holds something, VPM_ENOSPC when the file system is too small,
 * VPM_EMEDIUM when it is none that is wanted.  CONF records the medium. */
int vpm_pool_create(const char *dir, const struct vpm_pool_params *params,
                    struct vpm_error *err);

/* Opens a pool, after checking magic, version, device identity and all
 * checksums.  NULL on failure: VPM_ENOENT when there is no pool, VPM_EFOREIGN
 * when it is a copy or was moved, VPM_EVERSION, VPM_ECORRUPT.
 *
 * Then an allocation that a crash interrupted is rolled back.  What was freed
 * and is not scrubbed yet stays so: scrubbing takes time, and nobody waits for
 * it before servers can be recovered; see vpm_pool_finish_freed.  What cannot
 * be rolled back keeps its space and is reported by vpm_pool_check.
 *
 * CONF is mended if only its copy is sound.  A pool of a libvpm that did not
 * record the medium gets it recorded if that is dax or tmpfs.
 *
 * The handle is closed by vpm_pool_close. */
struct vpm_pool *vpm_pool_open(const char *dir, struct vpm_error *err);
void vpm_pool_close(struct vpm_pool *pool);

int vpm_pool_info(struct vpm_pool *pool, struct vpm_pool_info *info,
                  struct vpm_error *err);

/* VPM_EMEDIUM when the pool is not on the medium that it was made on (mounted
 * without DAX, for example), with the remedy.  Then no unit can be armed.  The
 * same for a pool that does not say on what it was made and lies on "file":
 * that may be DAX, mounted in another way. */
int vpm_pool_check_medium(struct vpm_pool *pool, struct vpm_error *err);

/* Records, durably, that the pool was made on the medium on which it lies.
 * VPM_EMEDIUM when that is not *medium* (enum vpm_medium).  Other handles go by
 * the former record until they are opened again. */
int vpm_pool_record_medium(struct vpm_pool *pool, uint32_t medium,
                           struct vpm_error *err);

/* Examines everything and calls *report* once per finding.  Nothing is
 * changed, not even what a crash interrupted, and pools that vpm_pool_open
 * refuses can be examined, too.  Returns the number of findings, or a negative
 * vpm_code when *dir* cannot be examined at all. */
int vpm_pool_check(const char *dir,
                   void (*report)(const char *finding, void *opaque),
                   void *opaque, struct vpm_error *err);

/* -- background work ---------------------------------------------------- */

#define VPM_PAUSE_MAX_NS 10000000000ull

/* Pauses background work from now on, for *for_ns* nanoseconds; 0 ends the
 * pause.  At most VPM_PAUSE_MAX_NS: whoever needs longer calls again, so a
 * pause ends soon after the process that wants it.
 *
 * During a pause no process on this host scrubs regions that are freed, and
 * pagers write pages only when a fault finds no free frame.  Work that has
 * begun goes on.  The file that says so is there from the beginning: a full
 * file system prevents no pause. */
int vpm_pool_pause(struct vpm_pool *pool, uint64_t for_ns,
                   struct vpm_error *err);

/* Whether there is a pause. */
bool vpm_pool_is_paused(struct vpm_pool *pool);

/* Scrubs what was freed and is not scrubbed yet: because of a pause, a crash,
 * or a swap file that could not be had.  Regions that another process scrubs
 * are left to it.  Does nothing during a pause, and stops soon when one begins;
 * what was done until then is not done again, also after a crash. */
int vpm_pool_finish_freed(struct vpm_pool *pool, struct vpm_error *err);

/* -- regions ------------------------------------------------------------ */

/* Which page leaves NVRAM when frames are needed. */
enum vpm_policy {
    VPM_POLICY_NONE = 0,    /* none does: a fully resident region */
    VPM_POLICY_FIFO = 1,    /* the one that came first (SRDS 2015) */
    VPM_POLICY_S3FIFO = 2,  /* one that was not used again since it came, if
                             * there is one (S3-FIFO, faults count as use) */
};

struct vpm_region_info {
    uint64_t id;
    uint64_t size;         /* of the ram file: as asked for, rounded up to
                            * the pool's page size */
    uint64_t virtual_size; /* of the server's memory; size, or more */
    uint64_t epoch;
    uint64_t created_ns;   /* CLOCK_REALTIME */
    uint32_t sequence;     /* allocation sequence number */
    uint32_t descriptor;   /* index in the TOC */
    uint32_t uid;          /* user id that the memory belongs to */
    uint32_t page_size;    /* of its page table; 0: fully resident */
    uint32_t policy;       /* enum vpm_policy */
    char name[VPM_NAME_MAX + 1];
    char ram_path[VPM_PATH_MAX + 1];
    char virtual_path[VPM_PATH_MAX + 1];  /* empty when fully resident, */
    char swap_path[VPM_PATH_MAX + 1];     /* as is this */
};

/* id = hash(pVM name, allocation sequence number); never 0. */
uint64_t vpm_region_id(const char *name, uint32_t sequence);

/* Allocates a region of at least *size* bytes, all zero; everything it will
 * ever need is reserved.  A name has 1 to VPM_NAME_MAX printable ASCII
 * characters other than '/'.  VPM_EEXIST when this name has a region of this
 * sequence number, VPM_ECOLLISION when another region has the same id,
 * VPM_ENOSPC when pool, descriptors or file system are full. */
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

/* Allocates a VPM region, as nvalloc does.  Sizes are rounded up to the page
 * size, that of the NVRAM also to the pool's; *info* has the rounded ones.
 * The swap file has room for more than all pages: VPM_ENOSPC when it does not
 * fit. */
int nvalloc_vpm(struct vpm_pool *pool, const char *name, uint32_t sequence,
                const struct vpm_vpm_params *params,
                struct vpm_region_info *info, struct vpm_error *err);

/* Scrubs a region durably, then removes it.  Nothing may have its ram mapped
 * any more.  VPM_ENOENT when there is no such region.
 *
 * While background work is paused, the region is only marked as freeing,
 * durably: nobody finds it any more, and nobody gets its space.  A region that
 * is freeing, also after a crash, is scrubbed by vpm_pool_finish_freed, by
 * another nvfree of it, outside of a pause by an nvalloc that needs its room,
 * and, even during a pause, by an nvalloc of the same id. */
int nvfree(struct vpm_pool *pool, const char *name, uint32_t sequence,
           struct vpm_error *err);

/* Finds a region by its name: VPM_ENOENT when there is none, or when it is
 * being allocated or freed. */
int vpm_region_lookup(struct vpm_pool *pool, const char *name,
                      uint32_t sequence, struct vpm_region_info *info,
                      struct vpm_error *err);

/* Copies up to *max* regions to *infos*; returns how many there are (which
 * may be more than *max*), or a negative vpm_code. */
int vpm_region_list(struct vpm_pool *pool, struct vpm_region_info *infos,
                    uint32_t max, struct vpm_error *err);

/* Zeroes a region's ram (and swap file) and clears its state, durably: a cold
 * boot must not find the memory of an earlier run.  Begins an epoch first, and
 * gives files that were truncated their size back.  The region stays
 * allocated.  Nothing may have its memory mapped. */
int vpm_region_scrub(struct vpm_pool *pool, uint64_t id,
                     struct vpm_error *err);

/* To be called before vCPUs may run (at a cold boot, at a recovery, when a
 * fixation is called off): advances the epoch, which makes any fixated state
 * stale, and clears the marker; both are durable on return. */
int vpm_region_begin_epoch(struct vpm_pool *pool, uint64_t id,
                           struct vpm_error *err);

/* A region as it goes to the vault. */
struct vpm_region_export {
    uint8_t entry[256];    /* of the TOC */
    uint64_t runs;         /* of its record in the vault */
};

/* Tells what a region is, for vpm_region_import.  VPM_EVAULT when its record
 * cannot be read, is a copy, or is of another pool. */
int vpm_region_export(struct vpm_pool *pool, uint64_t id,
                      struct vpm_region_export *out, struct vpm_error *err);

/* Allocates a region again, in a pool that is made again: the very same one,
 * with its epoch, without memory and state; from now on it can run in this pool
 * only.  Its swap file, if it has one, is
 * the one in *swap_dir* if that is still there.  VPM_EVAULT when the record in
 * the vault is not this region's: it was freed.  With *proven*, VPM_EUNPROVEN
 * when the record was advanced since the export. */
int vpm_region_import(struct vpm_pool *pool,
                      const struct vpm_region_export *from, bool proven,
                      const char *swap_dir, struct vpm_region_info *info,
                      struct vpm_error *err);

/* Has a page table and a state that were written into an imported region's
 * files belong to these files; the marker is durable last.  VPM_EUNPROVEN when
 * they are not this region's, or another epoch's. */
int vpm_region_adopt(struct vpm_pool *pool, uint64_t id,
                     struct vpm_error *err);

#define VPM_VAULT_CHUNK 65536u

/* Tells digests of what goes to the vault, or comes from it: one for each
 * VPM_VAULT_CHUNK of the *length* bytes of *data*, a multiple of 8; the last one
 * may be shorter.  0: a chunk is all zero; no other one has 0. */
void vpm_vault_digests(const uint8_t *data, uint64_t length,
                       uint64_t *digests);

/* Tells the checksums of *count* chunks, which are bound to a place and to a
 * state.  *at* is the offset of the first one in what the vault has of the
 * region, *seed* says whose it is, and of when.  0: a chunk is all zero; no
 * other one has 0. */
void vpm_vault_sums(uint64_t seed, uint64_t at, const uint64_t *digests,
                    uint64_t count, uint64_t *sums);

/* Errors of a VPM region's pager.  A *fatal* error is about a page that the
 * guest needs and that cannot be had: its QEMU has been ended.  After any
 * other error the pager tries again, and nothing is lost. */
enum vpm_region_error {
    VPM_REGION_SOUND = 0,
    VPM_REGION_SWAP_IN = 1,    /* fatal: a slot could not be read (errno) */
    VPM_REGION_BAD_SLOT = 2,   /* fatal: a slot is torn or foreign */
    VPM_REGION_SWAP_OUT = 3,   /* a page could not be written (errno) */
    VPM_REGION_BAD_ENTRY = 4,  /* fatal: a page table entry is damaged */
    VPM_REGION_MAPPING = 5,    /* fatal: a page could not be mapped (errno) */
    VPM_REGION_UNMAPPING = 6,  /* a page could not be unmapped (errno) */
};

/* Figures of a region's pager; all zero before the first pager ran.  Of a
 * fully resident region only the first two are set. */
struct vpm_region_stats {
    uint64_t in_memory;        /* bytes in NVRAM */
    uint64_t in_swap;          /* bytes in the swap file alone */
    uint64_t faults;           /* of all kinds */
    uint64_t refaults;         /* of pages whose frame was still intact */
    uint64_t swap_ins;         /* pages read, those read ahead included */
    uint64_t swap_outs;        /* pages written */
    uint64_t clean_outs;       /* pages that left without being written */
    bool fatal;                /* whether *error* is */
    uint32_t error;            /* enum vpm_region_error: the first error of the
                                * latest pager, or its first fatal one; one
                                * that is not fatal is cleared when the same
                                * thing succeeds */
    int32_t error_errno;       /* 0: none */
    uint64_t error_page;       /* its number; UINT32_MAX: no certain one */
    uint64_t error_slot;       /* likewise */
};

/* Reads the figures, also while the pager works.
 * MRR = in_memory / (in_memory + in_swap). */
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

/* Begins a fixation: clears an old marker durably.  VPM_EFIXATED when there is
 * a proven state of this epoch already: the vCPUs cannot have run since, so it
 * is kept. */
int vpm_fixation_begin(struct vpm_fixation *fixation, struct vpm_error *err);

/* Reads *fd* (socket or pipe) to its end into the state file, with a checksum.
 * VPM_ENOSPC when the stream is longer than the state file holds,
 * VPM_EUNPROVEN when it is empty, VPM_ETIMEDOUT when it does not end before
 * *deadline_ns* of CLOCK_MONOTONIC (0: no deadline).  After a failure, start
 * again with vpm_fixation_begin. */
int vpm_fixation_receive(struct vpm_fixation *fixation, int fd,
                         uint64_t deadline_ns, struct vpm_error *err);

/* On the medium "file": makes the server's memory durable, which takes as long
 * as it takes.  On others there is nothing to do.  vpm_fixation_commit does so,
 * too, unless it was done. */
int vpm_fixation_sync(struct vpm_fixation *fixation, struct vpm_error *err);

/* Persists stream and header, then, last, the marker.  *persisted_ns*
 * (CLOCK_MONOTONIC) is the instant at which the marker was durable.
 * VPM_EUNPROVEN when an epoch was begun since vpm_fixation_begin. */
int vpm_fixation_commit(struct vpm_fixation *fixation,
                        const struct vpm_fixation_meta *meta,
                        uint64_t *persisted_ns, struct vpm_error *err);

/* -- the engine ---------------------------------------------------------- */

/* Fixates many regions' servers at once: a few threads of its own, each of
 * which serves its share of *units*, one unit per pVM.  What a fixation needs
 * is prepared by vpm_unit_arm, while power is good.  From vpm_engine_fire on
 * nothing is allocated or logged, and no lock is taken that anybody holds for
 * more than some microseconds.
 *
 * Units that are fired together start in *waves*, in descending order of
 * priority, those of one priority together.  A wave starts when all units of
 * higher priority have ended, successfully or not, but at the latest at its
 * share of the hold-up time: the second of three waves after a third of it.
 * Apart from that no unit waits for another one.
 *
 * For each unit the engine takes the run lock, writes the note, has QEMU stop
 * the vCPUs and then save, receives the stream, and commits when QEMU reports
 * that all is saved and the disks are flushed. */
struct vpm_engine;
struct vpm_unit;
struct vpm_note;

struct vpm_engine_params {
    uint32_t threads;      /* 1 to 64 */
    uint32_t priority;     /* of SCHED_FIFO, 1 to 99; 0: SCHED_OTHER */
    const uint32_t *cpus;  /* the threads run on these only */
    uint32_t cpu_count;    /* 0: they run on any */
    bool lock_memory;      /* keep the process from being paged out */
    uint64_t hold_up_ns;   /* how long power lasts after an event; 0: all
                            * waves start at once */
};

/* Starts the threads.  NULL on failure.  It is no failure when the process may
 * not have real-time priority, CPUs or locked memory: *lost* (never NULL) says
 * in words what is missing, and is empty when nothing is. */
struct vpm_engine *vpm_engine_open(struct vpm_pool *pool,
                                   const struct vpm_engine_params *params,
                                   struct vpm_error *lost,
                                   struct vpm_error *err);

/* For platforms that lose the CPU caches with power: from now on the POD
 * driver (POD_WRITE_BACK of pod/pod.h) writes them back before any marker is
 * set; if that fails, the marker is not set.  *pod_fd* must stay open as long
 * as the engine. */
void vpm_engine_write_back_by(struct vpm_engine *engine, int pod_fd);

/* Ends the threads.  All units must have been closed. */
void vpm_engine_close(struct vpm_engine *engine);

/* Why to fixate, and until when. */
struct vpm_event {
    uint64_t wall_ns;      /* CLOCK_REALTIME */
    uint64_t monotonic_ns; /* the same instant, CLOCK_MONOTONIC */
    uint64_t deadline_ns;  /* CLOCK_MONOTONIC: no marker is set later */
    char raised_by[VPM_RAISED_BY_MAX + 1];
};

/* How QEMU is made to write its state. */
enum vpm_route {
    VPM_ROUTE_MIGRATE = 0,  /* QMP "migrate"; with KVM its cost grows with
                             * RAM, because dirty logging is switched on */
    VPM_ROUTE_SNAPSHOT = 1, /* the same with "background-snapshot", which
                             * needs userfaultfd; its cost grows with the
                             * memory that is not the server's RAM */
};

enum vpm_result {
    VPM_RESULT_FIXATED = 1,
    VPM_RESULT_SKIPPED = 2,  /* there was nothing to be saved */
    VPM_RESULT_FAILED = 3,   /* the state is unproven */
};

/* What became of one pVM.  Instants are CLOCK_MONOTONIC, except wall_ns; 0: it
 * did not happen. */
struct vpm_outcome {
    uint64_t sequence;     /* counts all outcomes of a pool */
    uint64_t wall_ns;      /* of the event, CLOCK_REALTIME */
    uint64_t signal_ns;    /* of the event */
    uint64_t command_ns;   /* the first command was handed to the kernel */
    uint64_t stopped_ns;   /* vCPUs stopped and block I/O drained */
    uint64_t stream_ns;    /* the first bytes of the stream */
    uint64_t saved_ns;     /* stream complete, QEMU reports completion */
    uint64_t fixated_ns;   /* the marker was durable */
    uint64_t region;
    uint64_t length;       /* of the stream, bytes */
    uint32_t result;       /* enum vpm_result */
    uint32_t route;        /* enum vpm_route */
    int32_t code;          /* enum vpm_code of a failure */
    uint32_t pid;          /* of QEMU */
    char name[VPM_NAME_MAX + 1];
    char runstate[VPM_RUNSTATE_MAX + 1];  /* before the stop; may be empty */
    char raised_by[VPM_RAISED_BY_MAX + 1];
    char reason[VPM_REASON_MAX + 1];
};

/* Prepares a unit for a region's server; it is not armed.  Maps the state
 * file as vpm_fixation_open does.  NULL on failure. */
struct vpm_unit *vpm_unit_open(struct vpm_engine *engine, uint64_t id,
                               struct vpm_note *note, struct vpm_error *err);

/* Disarms the unit; a fixation under way is aborted.  Note and run lock stay
 * as they are. */
void vpm_unit_close(struct vpm_unit *unit);

/* What a unit needs of a QEMU, for one fixation. */
struct vpm_arming {
    int qmp_fd;            /* QMP connection, capabilities negotiated, no
                            * command outstanding; nobody else may use it
                            * until the unit was fired or disarmed */
    int stream_fd;         /* a pipe whose other end QEMU was given with
                            * "getfd" under the name VPM_STREAM_NAME */
    int lock_fd;           /* of the run lock (flock(2)), which is taken at
                            * the event, and then is the caller's to give
                            * back */
    uint32_t pid;          /* of QEMU */
    uint32_t route;        /* enum vpm_route */
    uint32_t priority;     /* 0 to VPM_PRIORITY_MAX, which comes first */
    char runstate[VPM_RUNSTATE_MAX + 1];  /* of QEMU, as of now */
    char before[VPM_RUNSTATE_MAX + 1];    /* if it is still stopped for an
                            * earlier event: its run state before that; else
                            * empty */
    char producer[VPM_RUNSTATE_MAX + 1];  /* e.g. "qemu 10.0.2" */
};

#define VPM_STREAM_NAME "temporality-state"

/* Arms a unit: VPM_EINVAL if it is armed or fired, VPM_EMEDIUM if the pool or
 * the region's ram is not on the medium that the pool was made on,
 * VPM_ECORRUPT if the ram was truncated, extended, given more or less space by
 * a process of its user id, because no state would be proven, or space is
 * missing.  The unit has copies of connection and pipe; the run lock's
 * descriptor must stay open. */
int vpm_unit_arm(struct vpm_unit *unit, const struct vpm_arming *arming,
                 struct vpm_error *err);

/* To be called now and then, as writing back takes it away: makes what a
 * fixation writes writable without a fault, in the unit's state file and the
 * pool's ring.  Takes half a millisecond, or little more, and says in *done*
 * whether that was enough; if not, go on.  Nobody waits for it at the event.
 * VPM_ESYS when it is not possible: the memory has an error. */
int vpm_unit_touch(struct vpm_unit *unit, bool *done, struct vpm_error *err);

enum vpm_unit_state {
    VPM_UNIT_IDLE = 0,
    VPM_UNIT_ARMED = 1,
    VPM_UNIT_UNDER_WAY = 2,
    VPM_UNIT_SETTLED = 3,  /* vpm_unit_wait returns the outcome at once */
    VPM_UNIT_LOST = 4,     /* it was disarmed, because its QEMU closed the
                            * connection, or wrote so much to it that it would
                            * keep a thread busy */
};

/* How the unit is. */
enum vpm_unit_state vpm_unit_state(struct vpm_unit *unit);

/* Disarms a unit.  False when it is fired already. */
bool vpm_unit_disarm(struct vpm_unit *unit);

/* Fires all armed units; returns at once, with their number.  Others are left
 * alone. */
uint32_t vpm_engine_fire(struct vpm_engine *engine,
                         const struct vpm_event *event);

/* Fires one unit, which belongs to no wave and starts at once; whether it was
 * armed. */
bool vpm_unit_fire(struct vpm_unit *unit, const struct vpm_event *event);

/* Waits until a unit that was fired has ended; then it can be armed again.
 * VPM_ENOENT when it was not fired, VPM_ETIMEDOUT at *deadline_ns* of
 * CLOCK_MONOTONIC (0: no deadline).  A failure of the fixation is no error of
 * this function: it is in *outcome*, which is in the pool's ring, too. */
int vpm_unit_wait(struct vpm_unit *unit, uint64_t deadline_ns,
                  struct vpm_outcome *outcome, struct vpm_error *err);

/* From now on *event_fd* (eventfd(2), O_NONBLOCK) is written to whenever a unit
 * has settled or is lost; -1: no more. */
void vpm_engine_tell(struct vpm_engine *engine, int event_fd);

/* Whether all threads have worked since the last call.  Each call has them show
 * that; so the first one says that they have. */
bool vpm_engine_works(struct vpm_engine *engine);

/* Steps of a unit's fixation, for tests: *probe* is called after each of them
 * in the engine's threads.  Set it before any unit is armed. */
enum vpm_step {
    VPM_STEP_NOTED = 1,
    VPM_STEP_FIRED = 2,    /* the first commands were sent */
    VPM_STEP_BEGUN = 3,    /* the old marker is durably cleared */
    VPM_STEP_STOPPED = 4,
    VPM_STEP_SAVING = 5,   /* the commands for the save were sent */
    VPM_STEP_RECEIVED = 6,
    VPM_STEP_SAVED = 7,    /* QEMU says so */
    VPM_STEP_FIXATED = 8,
};
void vpm_engine_set_probe(void (*probe)(uint32_t step, uint64_t region,
                                        uint32_t pid));

/* The note that a pVM was stopped, in a file of its own.  It survives when the
 * notifier is killed, at any instant, but not a reboot of the host. */
struct vpm_stopped {
    uint32_t pid;          /* of QEMU; 0: there is no note */
    char runstate[VPM_RUNSTATE_MAX + 1];  /* before */
    char raised_by[VPM_RAISED_BY_MAX + 1];
};

/* Opens the note; the file is made if it is not there.  NULL on failure. */
struct vpm_note *vpm_note_open(const char *path, struct vpm_error *err);

/* The file of a note that is open, for another process. */
int vpm_note_fd(const struct vpm_note *note);

/* Opens a note whose file another process has opened.  The descriptor stays
 * the caller's. */
struct vpm_note *vpm_note_open_fd(int fd, struct vpm_error *err);
void vpm_note_close(struct vpm_note *note);

/* Whether there is a note. */
bool vpm_note_read(struct vpm_note *note, struct vpm_stopped *stopped);

/* Replaces the note in one piece.  No two threads may do so at the same time;
 * a unit that is fired does so, too. */
void vpm_note_write(struct vpm_note *note, const struct vpm_stopped *stopped);

/* -- outages ------------------------------------------------------------- */

#define VPM_OUTCOMES_MAX 512  /* that a pool remembers */

/* Adds what became of a pVM to the pool's ring, durably; the oldest is
 * forgotten.  The sequence number is given to it. */
int vpm_outcome_record(struct vpm_pool *pool, struct vpm_outcome *outcome,
                       struct vpm_error *err);

/* Copies the latest outcomes, at most *max*, the oldest of them first; returns
 * their number. */
uint32_t vpm_outcome_list(struct vpm_pool *pool,
                          struct vpm_outcome *outcomes, uint32_t max);

/* -- recovery ------------------------------------------------------------ */

struct vpm_state_info {
    uint64_t epoch;
    uint64_t length;        /* of the stream */
    uint64_t persisted_ns;  /* CLOCK_MONOTONIC: the stream was durable; the
                             * header, which has this, and the marker were not
                             * yet */
    struct vpm_fixation_meta meta;
};

/* Proves a state: VPM_OK, or VPM_EUNPROVEN with the reason in words.
 * VPM_ENOENT when there is no such region. */
int vpm_state_verify(struct vpm_pool *pool, uint64_t id,
                     struct vpm_state_info *info, struct vpm_error *err);

/* Proves a state as vpm_state_verify does, and writes its stream to *fd*, a
 * socket or pipe.  VPM_ETIMEDOUT when the other end has not taken all of it
 * before *deadline_ns* of CLOCK_MONOTONIC (0: no deadline), for example because
 * it does not read any more.  The caller must be prepared for SIGPIPE of a
 * pipe. */
int vpm_state_send(struct vpm_pool *pool, uint64_t id, int fd,
                   uint64_t deadline_ns, struct vpm_error *err);

#endif
