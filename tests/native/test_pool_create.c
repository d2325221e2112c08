/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_create.c -- formatting pools */
#include <sys/stat.h>

#include "layout.h"
#include "pool_file.h"

static void create_sets_everything(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_pool_info info;
    struct stat st;

    OK(vpm_pool_info(pool, &info, &err));
    CHECK(info.version == VPM_FORMAT_VERSION && info.total_size == MIB);
    CHECK(info.state_size == 16 * KIB && info.page_size == 4096);
    CHECK(info.descriptors == 8 && info.used_descriptors == 0);
    CHECK(info.used_size == 0 && info.uid_base == UID_BASE);
    CHECK(strcmp(info.medium, "tmpfs") == 0);
    CHECK(strncmp(info.flush, "cl", 2) == 0);
    CHECK(stat(POOL, &st) == 0 && (st.st_mode & 07777) == 0711);
    CHECK(stat(POOL "/regions", &st) == 0 && (st.st_mode & 07777) == 0711);
    CHECK(stat(POOL_FILE, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(stat(POOL "/lock", &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(!exists(POOL "/pool.new"));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* A strict umask must not keep servers from their files. */
static void create_whatever_the_umask(void)
{
    mode_t old = umask(0777);
    struct stat st;
    int rc = vpm_pool_create(POOL, &small_params, &err);

    umask(old);
    OK(rc);
    CHECK(stat(POOL "/regions", &st) == 0 && (st.st_mode & 07777) == 0711);
}

static void bad_params(const struct vpm_pool_params *params,
                       const char *reason)
{
    EXPECT(VPM_EINVAL, vpm_pool_create(POOL, params, &err));
    SAYS(reason);
    CHECK(!exists(POOL));
}

static void create_checks_params(void)
{
    struct vpm_pool_params params;

#define BAD(field, value, reason)                                        \
    params = small_params;                                               \
    params.field = value;                                                \
    bad_params(&params, reason)

    BAD(page_size, 2048, "page size is 2048");
    BAD(page_size, 4 << 20, "page size is 4194304");
    BAD(page_size, 12288, "page size is 12288");
    BAD(total_size, 0, "total size is 0");
    BAD(total_size, 4097, "total size is 4097");
    BAD(total_size, (uint64_t)1 << 63, "total size is 9223372036854775808");
    BAD(state_size, 4096, "state size is 4096");
    BAD(state_size, 8193, "state size is 8193");
    BAD(descriptors, 0, "descriptors is 0");
    BAD(descriptors, 65537, "descriptors is 65537");
    BAD(uid_base, 0xfffffff8, "uid base 4294967288");
#undef BAD
}

static void create_refuses_what_is_used(void)
{
    vpm_pool_close(new_pool());
    EXPECT(VPM_EEXIST, vpm_pool_create(POOL, &small_params, &err));
    SAYS("holds a pool already");
    vpm_pool_close(open_pool());

    CHECK(mkdir(FS "/other", 0755) == 0);
    CHECK(mkdir(FS "/other/precious", 0755) == 0);
    EXPECT(VPM_EEXIST, vpm_pool_create(FS "/other", &small_params, &err));
    SAYS("precious");
    CHECK(exists(FS "/other/precious"));
}

static void create_needs_parent_and_room(void)
{
    struct vpm_pool_params params = small_params;

    EXPECT(VPM_ESYS, vpm_pool_create(FS "/no/pool", &small_params, &err));
    SAYS(FS "/no/pool");
    params.total_size = 65 * MIB;
    EXPECT(VPM_ENOSPC, vpm_pool_create(POOL, &params, &err));
    SAYS("has 64.0 MiB");
}

int main(void)
{
    RUN(create_sets_everything);
    RUN(create_whatever_the_umask);
    RUN(create_checks_params);
    RUN(create_refuses_what_is_used);
    RUN(create_needs_parent_and_room);
    return 0;
}
