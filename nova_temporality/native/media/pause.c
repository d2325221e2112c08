/* SPDX-License-Identifier: Apache-2.0 */
/* pause.c -- background work that waits while power may fail */
#include "pause.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "pool.h"

static uint64_t boot_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool vpm_pause_holds(uint64_t until_ns)
{
    uint64_t now = until_ns ? boot_ns() : 0;

    return until_ns > now && until_ns - now <= VPM_PAUSE_MAX_NS;
}

uint64_t vpm_pause_read(int dir)
{
    int fd = openat(dir, VPM_PAUSE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    uint64_t until_ns;

    if (fd < 0)
        return 0;
    if (pread(fd, &until_ns, sizeof(until_ns), 0) != sizeof(until_ns))
        until_ns = 0;
    close(fd);
    return until_ns;
}

const uint64_t *vpm_pause_map(const char *region)
{
    char path[VPM_PATH_MAX + 1];
    void *word = MAP_FAILED;
    struct stat st;
    int fd;

    snprintf(path, sizeof(path), "%s/../../%s", region, VPM_PAUSE_FILE);
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(uint64_t))
        word = mmap(NULL, sizeof(uint64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return word == MAP_FAILED ? NULL : word;
}

/* All may read it.  Should a reader see half of the word, it holds nonsense
 * for an instant, which at worst is a pause of VPM_PAUSE_MAX_NS. */
static int write_word(int fd, uint64_t until_ns)
{
    if (fchmod(fd, 0644) < 0)
        return -1;
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
    fd = openat(pool->dir_fd, VPM_PAUSE_FILE, O_WRONLY | O_CREAT |
                O_NOFOLLOW | O_CLOEXEC, 0644);
    rc = fd < 0 ? -1 : write_word(fd, for_ns ? boot_ns() + for_ns : 0);
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
