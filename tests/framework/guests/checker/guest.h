/* SPDX-License-Identifier: Apache-2.0 */
/* guest.h -- a guest that checks its memory, its disk and its network
 *
 * Every CPU checks and changes random and successive pages.  The first one
 * also has a virtio disk and a virtio network card, if they are there, work
 * on other pages, and checks what they did.  What it finds is at REPORT. */
#ifndef GUEST_H
#define GUEST_H

#define REPORT 0x9000       /* struct report; checker_report.py reads it */
#define REPORT_CPUS 4       /* offset of a member */
#define TRAMPOLINE 0x8000
#define CPUS_MOST 8
#define PAGE 4096u
#define PAGE_WORDS (PAGE / 4)

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

struct report {
    uint32_t magic;
    uint32_t cpus;
    uint32_t boots;
    uint32_t filled;        /* all memory was, once */
    uint32_t wrong;         /* enum wrong: the first thing that was */
    uint32_t address;       /* where it was found, */
    uint32_t expected;
    uint32_t found;
    uint32_t disk_reads;    /* checked */
    uint32_t disk_writes;
    uint32_t frames_sent;
    uint32_t frames_received;  /* checked */
    uint32_t steps[CPUS_MOST];
};

enum wrong {
    WRONG_MEMORY = 1,
    WRONG_COUNT,            /* a register and memory do not agree */
    WRONG_DISK,
    WRONG_FRAME,
    WRONG_DEVICE,           /* it does not do what it should */
};

static volatile struct report *const report = (volatile void *)REPORT;

/* Reports and stops the guest's CPUs, each at its next step. */
__attribute__((noreturn))
void wrong(enum wrong what, const volatile void *address, uint32_t expected,
           uint32_t found);
void stop_if_wrong(void);

/* -- pattern.c: what pages and frames are full of -------------------------- */

/* Everywhere the same word. */
void pattern_write(void *to, uint32_t words, uint32_t word);
void pattern_check(const void *from, uint32_t words, uint32_t word,
                   enum wrong what);

/* Two pairs of arguments give different words, nearly always. */
uint32_t mix(uint32_t a, uint32_t b);

/* xorshift32; *state* is not 0. */
uint32_t next_random(uint32_t *state);

/* -- memory.c: pages that CPUs check and change --------------------------- */

/* The pages from *first* to *end* (exclusive). */
void memory_init(uint32_t first, uint32_t end);
void memory_fill(void);

/* A CPU's walk. */
struct walk {
    uint32_t random;
    uint32_t next;          /* page */
    uint32_t steps;
};

void memory_step(struct walk *walk);

/* -- buffers.c: pages for devices ----------------------------------------- */

void buffers_init(uint32_t first, uint32_t end);

/* A random page that no device has. */
void *buffer_take(uint32_t *random);
void buffer_give(void *page);

/* -- disk.c and net.c: to be called again and again ------------------------ */

void disk_init(void);
void disk_step(uint32_t *random);
void net_init(void);
void net_step(uint32_t *random);

#endif
#endif
