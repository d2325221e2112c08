/* SPDX-License-Identifier: Apache-2.0 */
/* core.c -- what all parts of a pager use (see core.h) */
#include "core.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* An error that is not fatal is tried again all the time; a line per minute is
 * enough, and the region's status says the rest. */
#define SAY_AGAIN_NS 60000000000ull

void vpm_pager_say(struct vpm_pager *pager, const char *format, ...)
{
    char text[512];
    int used = snprintf(text, sizeof(text), "vpm: region %016" PRIx64 ": ",
                        pager->backing.ppt.header.region_id);
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, sizeof(text) - (size_t)used - 1, format, args);
    va_end(args);
    strcat(text, "\n");
    /* A pipe that can be written has room for PIPE_BUF bytes. */
    if (poll(&ready, 1, 0) != 1 ||
        write(STDERR_FILENO, text, strlen(text)) < 0)
        return;  /* there is nobody to tell */
}

/* With error_lock held: whether to say an error. */
static bool is_news(struct vpm_pager *pager, enum vpm_region_error reason)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

    if (vpm_region_error_is_fatal(reason))
        return true;
    if (pager->said_ns && now - pager->said_ns < SAY_AGAIN_NS)
        return false;
    pager->said_ns = now;
    return pager->said = true;
}

void vpm_pager_report(struct vpm_pager *pager, enum vpm_region_error reason,
                      int error, uint32_t page, uint32_t slot)
{
    static const char *const words[] = {
        [VPM_REGION_SWAP_IN] = "cannot be read from the swap file",
        [VPM_REGION_BAD_SLOT] = "is torn or foreign in the swap file",
        [VPM_REGION_SWAP_OUT] = "cannot be written to the swap file",
        [VPM_REGION_BAD_ENTRY] = "has a damaged page table entry",
        [VPM_REGION_MAPPING] = "cannot be mapped",
        [VPM_REGION_UNMAPPING] = "cannot be unmapped",
    };
    void (*end)(void) = __atomic_load_n(&pager->end, __ATOMIC_ACQUIRE);

    bool news;

    pthread_mutex_lock(&pager->error_lock);
    vpm_ppt_set_error(&pager->backing.ppt, reason, error, page, slot);
    news = is_news(pager, reason);
    pthread_mutex_unlock(&pager->error_lock);
    if (news)
        vpm_pager_say(pager, "page %" PRIu32 " (slot %" PRIu32 ") %s%s%s", page,
                      slot, words[reason], error ? ": " : "",
                      error ? strerror(error) : "");
    if (end && vpm_region_error_is_fatal(reason))
        end();
}

void vpm_pager_recovered(struct vpm_pager *pager,
                         enum vpm_region_error reason)
{
    bool cleared;

    pthread_mutex_lock(&pager->error_lock);
    cleared = vpm_ppt_clear_error(&pager->backing.ppt, reason) && pager->said;
    if (cleared)
        pager->said = false;
    pthread_mutex_unlock(&pager->error_lock);
    if (cleared)
        vpm_pager_say(pager, "pages leave memory again");
}

void vpm_pager_wake(struct vpm_pager *pager, uint32_t page, uint32_t pages)
{
    vpm_uffd_wake(&pager->uffd, page * pager->page_size,
                  pages * pager->page_size);
}

int vpm_pager_show(struct vpm_pager *pager, uint32_t page, uint32_t frame,
                   uint32_t pages)
{
    return vpm_uffd_show(&pager->uffd, page * pager->page_size,
                         pages * pager->page_size, pager->backing.ram_fd,
                         frame * pager->page_size);
}
