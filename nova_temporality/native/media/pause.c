/* SPDX-License-Identifier: Apache-2.0 */
/* pause.c -- background work that waits while power may fail */
#include "pause.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "layout.h"

bool vpm_pause_holds(uint64_t until_ns)
{
    uint64_t now = until_ns ? vpm_now_ns(CLOCK_BOOTTIME) : 0;

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
