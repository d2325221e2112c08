/* SPDX-License-Identifier: Apache-2.0 */
/* buffers.c -- pages for devices */
#include "guest.h"

#define BUFFERS_MOST 4096u

static uint32_t first_page, pages;
static uint8_t taken[BUFFERS_MOST];

void buffers_init(uint32_t first, uint32_t end)
{
    first_page = first;
    pages = end - first;
    if (pages > BUFFERS_MOST)
        pages = BUFFERS_MOST;
}

void *buffer_take(uint32_t *random)
{
    uint32_t page;

    do
        page = next_random(random) % pages;
    while (taken[page]);
    taken[page] = 1;
    return (void *)((first_page + page) * PAGE);
}

void buffer_give(void *page)
{
    taken[(uint32_t)page / PAGE - first_page] = 0;
}
