/* SPDX-License-Identifier: Apache-2.0 */
/* test_medium.c -- a pool knows on what it was made, and arms nobody elsewhere
 */
/* build: wrap vpm_map_medium,statx */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_qemu.h"
#include "layout.h"
#include "map.h"
#include "pool_file.h"

/* What libvpm is told that FS is, and whether its files are on DAX. */
static enum vpm_medium told;
static bool is_dax;

enum vpm_medium __wrap_vpm_map_medium(int fd);

enum vpm_medium __wrap_vpm_map_medium(int fd)
{
    (void)fd;
    return told;
}

int __real_statx(int dir, const char *path, int flags, unsigned mask,
                 struct statx *st);
int __wrap_statx(int dir, const char *path, int flags, unsigned mask,
                 struct statx *st);

int __wrap_statx(int dir, const char *path, int flags, unsigned mask,
                 struct statx *st)
{
    int rc = __real_statx(dir, path, flags, mask, st);

    st->stx_attributes_mask |= STATX_ATTR_DAX;
    st->stx_attributes &= ~(uint64_t)STATX_ATTR_DAX;
    if (is_dax)
        st->stx_attributes |= STATX_ATTR_DAX;
    return rc;
}

static void be(enum vpm_medium medium)
{
    told = medium;
    is_dax = medium == VPM_MEDIUM_DAX;
}

/* Opened while FS is this medium: what vpm_pool_check_medium returns. */
static int opened_on(enum vpm_medium medium, const char *made_on)
{
    struct vpm_pool_info info;
    struct vpm_pool *opened;
    int rc;

    be(medium);
    opened = open_pool();
    OK(vpm_pool_info(opened, &info, &err));
    CHECK(strcmp(info.made_on, made_on) == 0);
    rc = vpm_pool_check_medium(opened, &err);
    vpm_pool_close(opened);
    return rc;
}

static void the_medium_is_recorded(void)
{
    be(VPM_MEDIUM_DAX);
    vpm_pool_close(new_pool());
    OK(opened_on(VPM_MEDIUM_DAX, "dax"));
    EXPECT(VPM_EMEDIUM, opened_on(VPM_MEDIUM_FILE, "dax"));
    SAYS("was made on DAX, and its file system is mounted without DAX now");
    SAYS("mount it with -o dax=always");
    OK(opened_on(VPM_MEDIUM_DAX, "dax"));
    CHECK(check_pool(0) == 0);
}

static void only_what_is_wanted_is_formatted(void)
{
    struct vpm_pool_params params = small_params;

    params.media = 1 << VPM_MEDIUM_DAX | 1 << VPM_MEDIUM_TMPFS;
    be(VPM_MEDIUM_FILE);
    EXPECT(VPM_EMEDIUM, vpm_pool_create(POOL, &params, &err));
    SAYS("is the NVRAM mounted there, with -o dax=always?");
    CHECK(!exists(POOL_FILE) && !exists(POOL "/pool.new"));
    params.media = 1 << VPM_MEDIUM_DAX;
    be(VPM_MEDIUM_TMPFS);
    EXPECT(VPM_EMEDIUM, vpm_pool_create(POOL, &params, &err));
    SAYS("is 'tmpfs', which is not the one that was asked for");
    be(VPM_MEDIUM_DAX);
    OK(vpm_pool_create(POOL, &params, &err));
    OK(opened_on(VPM_MEDIUM_DAX, "dax"));
}

/* A pool of a libvpm that did not record it. */
static void make_old_pool(void)
{
    struct vpm_conf conf;

    be(VPM_MEDIUM_DAX);
    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, &conf, sizeof(conf));
    conf.medium = VPM_MEDIUM_UNKNOWN;
    write_conf(&conf);
    CHECK(unlink(POOL "/conf") == 0);
}

static void an_earlier_pool_records_what_speaks_for_itself(void)
{
    make_old_pool();
    CHECK(check_pool(0) == 0);
    OK(opened_on(VPM_MEDIUM_DAX, "dax"));
    CHECK(exists(POOL "/conf"));
    EXPECT(VPM_EMEDIUM, opened_on(VPM_MEDIUM_FILE, "dax"));
    CHECK(check_pool(0) == 0);
}

/* It may be DAX that is mounted in another way. */
static void an_earlier_pool_on_a_file_system_asks(void)
{
    struct vpm_pool *opened;

    make_old_pool();
    EXPECT(VPM_EMEDIUM, opened_on(VPM_MEDIUM_FILE, ""));
    SAYS("did not record its medium");
    SAYS("temporality pool record " POOL " --medium file");
    EXPECT(VPM_EMEDIUM, opened_on(VPM_MEDIUM_FILE, ""));
    opened = open_pool();
    EXPECT(VPM_EMEDIUM, vpm_pool_record_medium(opened, VPM_MEDIUM_DAX, &err));
    SAYS("lies on 'file', not on 'dax'");
    OK(vpm_pool_record_medium(opened, VPM_MEDIUM_FILE, &err));
    OK(vpm_pool_check_medium(opened, &err));
    vpm_pool_close(opened);
    OK(opened_on(VPM_MEDIUM_FILE, "file"));
    EXPECT(VPM_EMEDIUM, opened_on(VPM_MEDIUM_DAX, "file"));
    SAYS("temporality pool record " POOL " --medium dax");
    CHECK(check_pool(0) == 0);
}

static int try_to_arm(struct fake *fake)
{
    int ends[2], rc;
    struct vpm_arming arming = {.runstate = "running"};

    CHECK(pipe(ends) == 0);
    arming.qmp_fd = ends[1];
    arming.stream_fd = ends[0];
    rc = vpm_unit_arm(fake->unit, &arming, &err);
    close(ends[0]);
    close(ends[1]);
    return rc;
}

static void nobody_is_armed_elsewhere(void)
{
    struct fake fake;

    be(VPM_MEDIUM_DAX);
    set_up(1);
    make(&fake, "a", SOUND);
    OK(try_to_arm(&fake));
    CHECK(vpm_unit_disarm(fake.unit));
    pool->medium = VPM_MEDIUM_FILE;
    EXPECT(VPM_EMEDIUM, try_to_arm(&fake));
    SAYS("was made on DAX");
    CHECK(vpm_unit_state(fake.unit) == VPM_UNIT_IDLE);
    drop(&fake);
    tear_down();
}

static void memory_that_is_not_as_it_was_is_not_armed(void)
{
    struct fake fake;
    const char *ram;
    int fd;

    be(VPM_MEDIUM_DAX);
    set_up(1);
    make(&fake, "a", SOUND);
    is_dax = false;
    EXPECT(VPM_EMEDIUM, try_to_arm(&fake));
    SAYS("the memory of 'a' (regions/");
    SAYS("is not on DAX, although the pool is");
    is_dax = true;
    /* a hole */
    ram = region_file(fake.region.id, "ram");
    fd = open(ram, O_RDWR | O_CLOEXEC);
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                    4096) == 0);
    EXPECT(VPM_ECORRUPT, try_to_arm(&fake));
    SAYS("a process of its user id");
    CHECK(fallocate(fd, 0, 0, 4096) == 0);
    close(fd);
    OK(try_to_arm(&fake));
    CHECK(vpm_unit_disarm(fake.unit));
    drop(&fake);
    tear_down();
}

int main(void)
{
    RUN(the_medium_is_recorded);
    RUN(only_what_is_wanted_is_formatted);
    RUN(an_earlier_pool_records_what_speaks_for_itself);
    RUN(an_earlier_pool_on_a_file_system_asks);
    RUN(nobody_is_armed_elsewhere);
    RUN(memory_that_is_not_as_it_was_is_not_armed);
    return 0;
}
