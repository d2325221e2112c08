/* SPDX-License-Identifier: Apache-2.0 */
/* paged_guest.h -- a process whose memory is paged, for tests of the pager
 *
 * The process is a child.  Its pages are filled with a pattern of page and
 * version.  Which versions they must have is kept in memory that it shares
 * with its parent, the test. */
#ifndef PAGED_GUEST_H
#define PAGED_GUEST_H

#include "harness.h"
#include "pager.h"
#include "persist.h"

#define PAGES_MOST 1024
#define PATIENCE 60000  /* ms */

/* A page has version *written*, or partly *wanted* if that is another. */
struct version {
    uint32_t wanted;
    uint32_t written;
};

struct shared {
    struct version versions[PAGES_MOST];
    uint64_t accesses;
    int flag;
};

extern struct shared *shared;
extern struct vpm_region_info region;
extern struct vpm_pool *pool;
extern uint32_t pages;

/* -- in the child -------------------------------------------------------- */

/* A persistence interface for tests to change and put into its place. */
extern struct vpm_persist faulty;

/* Starts a pager on fresh memory; NULL with *err*.  must_start ends the child
 * if that fails. */
struct vpm_pager *start(void);
void must_start(void);

/* What a word of a page has to be. */
uint64_t pattern(uint32_t page, uint32_t version, uint32_t word);

uint64_t *guest_page(uint32_t page);

/* Reads a page, and ends the child with status 1 if it is wrong. */
void verify(uint32_t page);

/* Writes the next version of a page. */
void change(uint32_t page);

/* Work for spawn: start, and then do so with all pages, or with two. */
void change_all(void);
void verify_all(void);
void read_all_twice(void);
void touch_few(void);

/* Work for spawn: start, set the flag, and wait to be killed. */
void hold(void);

/* -- in the parent ------------------------------------------------------- */

/* Makes pool and region; small: 128 pages in 64 frames, FIFO. */
void make(uint64_t size, uint64_t nvram_size, uint32_t page_size,
          uint32_t policy);
void make_small(void);

/* Checks the pool and closes it. */
void done(void);

/* Runs *work* in a child; it is killed when its parent ends. */
pid_t spawn(void (*work)(void));

/* Waits for the end of a child: exit status, or 128 + signal. */
int ended(pid_t pid);

void kill_it(pid_t pid);
void wait_ms(long ms);

/* Waits until a child has set the flag. */
void wait_flag(void);

/* Waits until the pager reports an error, which must be this one. */
void wait_error(enum vpm_region_error error);

struct vpm_region_stats stats(void);

#endif
