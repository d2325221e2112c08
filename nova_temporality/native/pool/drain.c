/* SPDX-License-Identifier: Apache-2.0 */
/* drain.c -- emptying a file of a freed region, from its end */
#include "drain.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "regiondir.h"

/* Bytes that are zeroed at once: some tens of milliseconds.  The crash
 * explorer sets less. */
#ifndef VPM_DRAIN_CHUNK
#define VPM_DRAIN_CHUNK (64u << 20)
#endif

/* What is sparse, and was never written, is nobody's. */
static bool has_data(int fd)
{
    return lseek(fd, 0, SEEK_DATA) >= 0 || errno != ENXIO;
}

int vpm_drain(struct vpm_pool *pool, int fd, bool urgent, bool *left)
{
    struct stat st;
    uint64_t size;

    if (fstat(fd, &st) < 0)
        return -1;
    size = (uint64_t)st.st_size;
    while (size > 0 && has_data(fd)) {
        uint64_t from = (size - 1) / VPM_DRAIN_CHUNK * VPM_DRAIN_CHUNK;

        if (!urgent && vpm_pool_is_paused(pool)) {
            *left = true;
            return 0;
        }
        if (vpm_dir_zero_data(fd, from) < 0 || vpm_persist->sync(fd) < 0 ||
            vpm_persist->truncate(fd, from) < 0)
            return -1;
        size = from;
    }
    return 0;
}
