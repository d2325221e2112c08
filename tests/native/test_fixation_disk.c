/* SPDX-License-Identifier: Apache-2.0 */
/* test_fixation_disk.c -- a proven state on an ordinary file system has its
 * memory, whatever the page cache loses */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loop_fs.h"
#include "persist.h"

#define DISK_POOL DISK "/pool"
#define SIZE (512 * KIB)

static struct vpm_pool *pool;
static struct vpm_region_info region;

static void reopen(void)
{
    pool = vpm_pool_open(DISK_POOL, &err);
    CHECK(pool);
}

/* A server writes to its memory by a mapping, and nobody syncs that. */
static void write_memory(int byte)
{
    int fd = open(region.ram_path, O_RDWR | O_CLOEXEC);
    void *ram = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    CHECK(fd >= 0 && ram != MAP_FAILED);
    memset(ram, byte, SIZE);
    CHECK(munmap(ram, SIZE) == 0);
    close(fd);
}

static int verify(void)
{
    struct vpm_state_info info;

    return vpm_state_verify(pool, region.id, &info, &err);
}

static void start(void)
{
    OK(vpm_pool_create(DISK_POOL, &small_params, &err));
    reopen();
    region = alloc(pool, "a", SIZE);
    OK(vpm_region_begin_epoch(pool, region.id, &err));
    write_memory(0x5a);
}

static void cut_power(void)
{
    vpm_pool_close(pool);
    loop_cut_power();
    reopen();
}

static void a_proven_state_has_its_memory(const char *kind)
{
    fresh_fs(64);
    if (!loop_mount(kind))
        return;
    start();
    OK(fixate(pool, region.id, 0x66, 500));
    cut_power();
    OK(verify());
    CHECK(file_is(region.ram_path, 0x5a));
    vpm_pool_close(pool);
    loop_unmount();
}

/* What is under way when power goes has no proven state, synced or not. */
static void a_cut_before_the_marker_proves_nothing(void)
{
    struct vpm_fixation *fixation;
    int fd;

    if (!loop_mount("ext4"))
        return;
    start();
    fixation = vpm_fixation_open(pool, region.id, &err);
    fd = filled_pipe(1, 500);
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_EINVAL, vpm_fixation_sync(fixation, &err));
    SAYS("no complete stream");
    OK(vpm_fixation_begin(fixation, &err));
    OK(vpm_fixation_receive(fixation, fd, 0, &err));
    OK(vpm_fixation_sync(fixation, &err));
    OK(vpm_fixation_sync(fixation, &err));
    close(fd);
    vpm_fixation_close(fixation);
    cut_power();
    EXPECT(VPM_EUNPROVEN, verify());
    CHECK(file_is(region.ram_path, 0x5a));
    vpm_pool_close(pool);
    loop_unmount();
}

static int fails(int fd)
{
    (void)fd;
    errno = EIO;
    return -1;
}

/* A disk that does not take the memory leaves no marker. */
static void a_disk_that_fails_proves_nothing(void)
{
    struct vpm_persist failing = vpm_persist_real;
    struct vpm_persist const *careful = vpm_persist;

    if (!loop_mount("ext4"))
        return;
    start();
    failing.sync = fails;
    vpm_persist = &failing;
    EXPECT(VPM_ESYS, fixate(pool, region.id, 0x66, 500));
    SAYS("cannot write the memory of region");
    SAYS("of 'a' to its disk: Input/output error");
    vpm_persist = careful;
    EXPECT(VPM_EUNPROVEN, verify());
    SAYS("there is no marker");
    vpm_pool_close(pool);
    loop_unmount();
}

int main(void)
{
    a_proven_state_has_its_memory("ext4");
    a_proven_state_has_its_memory("xfs");
    printf("ok a_proven_state_has_its_memory\n");
    RUN(a_cut_before_the_marker_proves_nothing);
    RUN(a_disk_that_fails_proves_nothing);
    return 0;
}
