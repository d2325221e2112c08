/* SPDX-License-Identifier: Apache-2.0 */
/* pool_pause.c -- pausing the background work on a pool */
#include "pool_pause.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "handle.h"
#include "pause.h"

/* Servers' user ids may read the file.  It is no affair of persist.h: after a
 * crash nothing depends on it. */
static int open_file(int dir_fd)
{
    int fd = openat(dir_fd, VPM_PAUSE_FILE, O_RDWR | O_CREAT | O_NOFOLLOW |
                    O_CLOEXEC, 0644);

    if (fd >= 0 && fchmod(fd, 0644) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int vpm_pool_pause_make(int dir_fd)
{
    int fd = open_file(dir_fd);
    struct stat st;
    int rc = fd < 0 ? -1 : fstat(fd, &st);

    if (rc == 0 && (uint64_t)st.st_size < sizeof(uint64_t))
        rc = fallocate(fd, 0, 0, sizeof(uint64_t));
    if (fd >= 0)
        close(fd);
    return rc;
}

/* A reader that sees half of the word takes it for another time for an
 * instant.  At worst that is a pause of VPM_PAUSE_MAX_NS. */
static int write_word(int fd, uint64_t until_ns)
{
    errno = EIO;
    return pwrite(fd, &until_ns, sizeof(until_ns), 0) ==
        sizeof(until_ns) ? 0 : -1;
}

int vpm_pool_pause(struct vpm_pool *pool, uint64_t for_ns,
                   struct vpm_error *err)
{
    int fd, rc;

    if (for_ns > VPM_PAUSE_MAX_NS)
        return vpm_fail(err, VPM_EINVAL, "a pause of %" PRIu64 " ns is longer "
                        "than %llu", for_ns, VPM_PAUSE_MAX_NS);
    fd = open_file(pool->dir_fd);
    rc = fd < 0 ? -1 : write_word(
        fd, for_ns ? vpm_now_ns(CLOCK_BOOTTIME) + for_ns : 0);
    if (rc < 0)
        rc = vpm_fail_errno(err, "cannot write %s/%s", pool->path,
                            VPM_PAUSE_FILE);
    if (fd >= 0)
        close(fd);
    return rc;
}

bool vpm_pool_is_paused(struct vpm_pool *pool)
{
    return vpm_pause_holds(vpm_pause_read(pool->dir_fd));
}
