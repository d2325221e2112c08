/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_resume.c -- a scrub that is cut off goes on where it was */
#include <sys/stat.h>
#include <unistd.h>

#include "careful.h"
#include "harness.h"

#define SIZE (160 * MIB)
#define CHUNK (64 * MIB)  /* of drain.c */

static const struct vpm_pool_params params = {
    .total_size = SIZE, .state_size = 16 << 10, .page_size = 4096,
    .descriptors = 2,
};

static struct vpm_pool *pool;
static struct vpm_persist spy;
static uint64_t zeroed;       /* bytes */
static void (*after_cut)(void);

static int spy_zero(int fd, uint64_t offset, uint64_t length)
{
    zeroed += length;
    return vpm_persist_real.zero(fd, offset, length);
}

static int spy_truncate(int fd, uint64_t length)
{
    int rc = careful_truncate(fd, length);

    if (length && after_cut)
        after_cut();
    return rc;
}

static struct vpm_region_info prepare(void)
{
    struct vpm_region_info info;

    fresh_fs(200);
    spy = vpm_persist_real;
    spy.zero = spy_zero;
    spy.truncate = spy_truncate;
    vpm_persist = &spy;
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    info = alloc(pool, "a", SIZE);
    fill_file(info.ram_path, 0xaa);
    zeroed = 0;
    return info;
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    CHECK(stat(path, &st) == 0);
    return (uint64_t)st.st_size;
}

static void begin_a_pause(void)
{
    OK(vpm_pool_pause(pool, VPM_PAUSE_MAX_NS, &err));
}

static void end_the_process(void)
{
    _exit(7);
}

static void free_a(void *arg)
{
    (void)arg;
    OK(nvfree(pool, "a", 0, &err));
}

/* What is left is zeroed, and what was is not zeroed again. */
static void finish(const struct vpm_region_info *info)
{
    CHECK(size_of(info->ram_path) == 2 * CHUNK);
    zeroed = 0;
    after_cut = NULL;
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(zeroed == 2 * CHUNK);
    CHECK(!exists(info->ram_path) && check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* A warning comes while a server is deleted. */
static void a_pause_stops_it(void)
{
    struct vpm_region_info info = prepare();

    after_cut = begin_a_pause;
    free_a(NULL);
    OK(vpm_pool_finish_freed(pool, &err));
    OK(vpm_pool_pause(pool, 0, &err));
    finish(&info);
}

/* Opening the pool does not wait for the rest. */
static void a_crash_stops_it(void)
{
    struct vpm_region_info info = prepare();

    after_cut = end_the_process;
    CHECK(in_child(free_a, NULL) == 7);
    vpm_pool_close(pool);
    pool = open_pool();
    CHECK(zeroed == 0);
    finish(&info);
}

int main(void)
{
    RUN(a_pause_stops_it);
    RUN(a_crash_stops_it);
    return 0;
}
