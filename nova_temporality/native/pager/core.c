/* SPDX-License-Identifier: Apache-2.0 */
/* core.c -- what all parts of a pager use (see core.h) */
#include "core.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void vpm_pager_say(struct vpm_pager *pager, const char *format, ...)
{
    char text[512];
    int used = snprintf(text, sizeof(text), "vpm: region %016" PRIx64 ": ",
                        pager->backing.ppt.header.region_id);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, sizeof(text) - (size_t)used - 1, format, args);
    va_end(args);
    strcat(text, "\n");
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;  /* there is nobody to tell */
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

    pthread_mutex_lock(&pager->error_lock);
    vpm_ppt_set_error(&pager->backing.ppt, reason, error, page, slot);
    pthread_mutex_unlock(&pager->error_lock);
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
    cleared = vpm_ppt_clear_error(&pager->backing.ppt, reason);
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
