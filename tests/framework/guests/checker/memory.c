/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c -- pages that CPUs check and change */
#include "guest.h"

#define PAGES_MOST 16384u

/* So many steps in a row are random, or go on from page to page. */
#define RUN 32

static uint32_t first_page, pages;
static uint32_t versions[PAGES_MOST];
static uint8_t taken[PAGES_MOST];

void memory_init(uint32_t first, uint32_t end)
{
    first_page = first;
    pages = end - first;
    if (pages > PAGES_MOST)
        pages = PAGES_MOST;
}

static void *address(uint32_t page)
{
    return (void *)((first_page + page) * PAGE);
}

static void change(uint32_t page)
{
    versions[page]++;
    pattern_write(address(page), PAGE_WORDS, mix(page, versions[page]));
}

void memory_fill(void)
{
    for (uint32_t page = 0; page < pages; page++)
        change(page);
    report->filled = 1;
}

void memory_step(struct walk *walk)
{
    uint32_t chosen = next_random(&walk->random);
    uint32_t page = walk->steps & RUN ? chosen >> 1 : walk->next++;

    page %= pages;
    /* Another CPU has it: so this one takes another page. */
    if (__atomic_exchange_n(&taken[page], 1, __ATOMIC_ACQUIRE))
        return;
    pattern_check(address(page), PAGE_WORDS, mix(page, versions[page]),
                  WRONG_MEMORY);
    if (chosen & 1)
        change(page);
    __atomic_store_n(&taken[page], 0, __ATOMIC_RELEASE);
    walk->steps++;
}
