/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c -- locks that end with the process that owns them */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "error.h"

static int lock(int dir_fd, const char *name, int operation)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc, saved;

    if (fd < 0)
        return -1;
    do {
        rc = flock(fd, operation);
    } while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int vpm_lock(int dir_fd, const char *name)
{
    return lock(dir_fd, name, LOCK_EX);
}

int vpm_lock_try(int dir_fd, const char *name)
{
    return lock(dir_fd, name, LOCK_EX | LOCK_NB);
}

int vpm_pool_lock(struct vpm_pool *pool, struct vpm_error *err)
{
    int fd = vpm_lock(pool->dir_fd, VPM_LOCK_FILE);

    if (fd < 0)
        return vpm_fail_errno(err, "cannot lock %s/%s", pool->path,
                              VPM_LOCK_FILE);
    return fd;
}
