/* SPDX-License-Identifier: Apache-2.0 */
/* test_fixation_touch.c -- nothing faults at the event, although the state file
 * was written back before */
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixation.h"
#include "loop_fs.h"

#define DISK_POOL DISK "/pool"
#define STREAM (600 * KIB)
#define PAGES (STREAM / 4096)

static struct vpm_pool *pool;
static struct vpm_fixation *fixation;
static struct vpm_region_info region;

/* As the periodic one of the kernel. */
static void write_back(void)
{
    int fd = open(DISK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK(fd >= 0 && syncfs(fd) == 0);
    close(fd);
}

static void touch(uint64_t length)
{
    bool done;

    OK(vpm_fixation_touch(fixation, length, UINT64_MAX, &done, &err));
    CHECK(done);
}

static long faults(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    return usage.ru_minflt;
}

/* How many there are while a stream is taken in, after all was written back,
 * and *look* was made, if it is not 0.  To begin writes back, too, here where
 * there is no DAX. */
static long faults_of_a_stream(uint64_t look)
{
    int fd = filled_pipe(0x33, STREAM);
    long before;

    OK(vpm_fixation_begin(fixation, &err));
    write_back();
    if (look)
        touch(look);
    before = faults();
    OK(vpm_fixation_receive(fixation, fd, 0, &err));
    close(fd);
    return faults() - before;
}

static void looks_keep_it_writable(void)
{
    struct vpm_pool_params params = small_params;
    long cold, touched;

    if (!loop_mount("ext4"))
        return;
    params.state_size = 4 * MIB;
    OK(vpm_pool_create(DISK_POOL, &params, &err));
    pool = vpm_pool_open(DISK_POOL, &err);
    CHECK(pool);
    region = alloc(pool, "a", 4096);
    fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(fixation);
    cold = faults_of_a_stream(0);
    touched = faults_of_a_stream(1);
    printf("faults: %ld, %ld when touched\n", cold, touched);
    CHECK(cold >= (long)PAGES && touched < (long)PAGES / 10);

    CHECK(faults_of_a_stream(UINT32_MAX) < (long)PAGES / 10);
    vpm_fixation_close(fixation);
    vpm_pool_close(pool);
    loop_unmount();
}

static void a_file_that_is_not_there_is_told_before_the_event(void)
{
    bool done;

    pool = new_pool();
    region = alloc(pool, "a", 4096);
    fixation = vpm_fixation_open(pool, region.id, &err);
    touch(0);
    CHECK(truncate(region_file(region.id, "state"), 4096) == 0);
    EXPECT(VPM_ESYS, vpm_fixation_touch(fixation, 0, UINT64_MAX, &done, &err));
    SAYS("cannot write to the state file of region");
    vpm_fixation_close(fixation);
    vpm_pool_close(pool);
}

/* Others wait for who does it: it is done in pieces. */
static void little_at_a_time(void)
{
    struct vpm_pool_params params = small_params;
    bool done;

    params.state_size = 4 * MIB;
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    region = alloc(pool, "a", 4096);
    fixation = vpm_fixation_open(pool, region.id, &err);
    OK(vpm_fixation_touch(fixation, 0, 1, &done, &err));
    CHECK(!done);
    touch(0);
    /* It comes to an end, however little a time is enough for. */
    done = false;
    for (uint64_t i = 0; !done && i < 3 * MIB / 4096; i++)
        OK(vpm_fixation_touch(fixation, 3 * MIB, 1, &done, &err));
    CHECK(done);
    /* All is touched again the next time, also if there is less of it. */
    OK(vpm_fixation_touch(fixation, 3 * MIB, 1, &done, &err));
    CHECK(!done);
    OK(vpm_fixation_touch(fixation, 3 * MIB, 1, &done, &err));
    touch(0);
    OK(vpm_fixation_touch(fixation, 0, 1, &done, &err));
    CHECK(!done);
    vpm_fixation_close(fixation);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(looks_keep_it_writable);
    RUN(little_at_a_time);
    RUN(a_file_that_is_not_there_is_told_before_the_event);
    return 0;
}
