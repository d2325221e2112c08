/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_refused.c -- what this libvpm cannot open is refused */
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "pool_file.h"

static void open_without_pool(void)
{
    CHECK(vpm_pool_open(POOL, &err) == NULL && err.code == VPM_ENOENT);
    SAYS("there is no pool");
    EXPECT(VPM_ENOENT, check_pool(0));
    CHECK(mkdir(POOL, 0755) == 0);
    CHECK(vpm_pool_open(POOL, &err) == NULL && err.code == VPM_ENOENT);
    SAYS("holds no pool");
    EXPECT(VPM_ENOENT, check_pool(1));
}

static void other_version_is_refused(void)
{
    struct vpm_conf conf;

    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, &conf, sizeof(conf));
    conf.version = VPM_FORMAT_VERSION_VAULT + 1;
    write_conf(&conf);
    refused(VPM_EVERSION, "format version 5, this libvpm knows up to 4");
    conf.version = VPM_FORMAT_VERSION - 1;
    write_conf(&conf);
    refused(VPM_EVERSION, "format version 2, this libvpm reads 3 only");
    conf.version = 0;
    write_conf(&conf);
    refused(VPM_ECORRUPT, "impossible format version 0");
}

static void impossible_conf_is_refused(void)
{
    struct vpm_conf conf;

    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, &conf, sizeof(conf));
    conf.descriptors = 4000;
    write_conf(&conf);
    refused(VPM_ECORRUPT, "but 4000 descriptors need");
    conf.descriptors = 8;
    conf.page_size = 0;
    write_conf(&conf);
    refused(VPM_ECORRUPT, "page size is 0");
}

static void impossible_vault_is_refused(void)
{
    struct vpm_conf conf;

    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, &conf, sizeof(conf));
    conf.version = VPM_FORMAT_VERSION_VAULT;
    write_conf(&conf);
    refused(VPM_ECORRUPT, "the path of its vault");
    conf.vault[0] = 'v';
    write_conf(&conf);
    refused(VPM_ECORRUPT, "the path of its vault");
    memset(conf.vault, '/', sizeof(conf.vault));
    write_conf(&conf);
    refused(VPM_ECORRUPT, "the path of its vault");
    conf.version = VPM_FORMAT_VERSION;
    write_conf(&conf);
    refused(VPM_ECORRUPT, "the path of its vault");
}

static void truncated_pool_is_refused(void)
{
    vpm_pool_close(new_pool());
    CHECK(truncate(POOL_FILE, VPM_BLOCK) == 0);
    refused(VPM_ECORRUPT, "is 4096 bytes long");
    CHECK(truncate(POOL_FILE, 100) == 0);
    refused(VPM_EFOREIGN, "it has only 100 bytes");
    CHECK(truncate(POOL_FILE, 0) == 0);
    refused(VPM_EFOREIGN, "it has only 0 bytes");
}

/* libvpm is root: a symbolic link could have it change any file. */
static void links_are_refused(void)
{
    vpm_pool_close(new_pool());
    CHECK(rename(POOL_FILE, FS "/pool.file") == 0);
    CHECK(symlink(FS "/pool.file", POOL_FILE) == 0);
    CHECK(vpm_pool_open(POOL, &err) == NULL && err.code == VPM_ESYS);
}

int main(void)
{
    RUN(open_without_pool);
    RUN(other_version_is_refused);
    RUN(impossible_conf_is_refused);
    RUN(impossible_vault_is_refused);
    RUN(truncated_pool_is_refused);
    RUN(links_are_refused);
    return 0;
}
