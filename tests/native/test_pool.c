/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool.c -- formatting pools; refusing those that are damaged, foreign
 * or newer, with a reason that names the place */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "device.h"
#include "harness.h"
#include "layout.h"

#define POOL_FILE POOL "/pool"

static void refused(int code, const char *reason)
{
    CHECK(vpm_pool_open(POOL, &err) == NULL);
    CHECK(err.code == code);
    SAYS(reason);
    CHECK(check_pool(100) >= 1);
}

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

static void any_flipped_bit_of_conf_is_found(void)
{
    uint8_t conf[VPM_BLOCK], bad;

    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, conf, sizeof(conf));
    for (unsigned bit = 0; bit < 8 * sizeof(conf); bit += 5) {
        bad = conf[bit / 8] ^ (uint8_t)(1 << bit % 8);
        poke(POOL_FILE, bit / 8, &bad, 1);
        refused(bit < 64 ? VPM_EFOREIGN : VPM_ECORRUPT,
                bit < 64 ? "magic" : "CONF (offset 0) has checksum");
        poke(POOL_FILE, bit / 8, &conf[bit / 8], 1);
    }
    vpm_pool_close(open_pool());
}

static void any_flipped_bit_of_an_entry_is_found(void)
{
    struct vpm_pool *pool = new_pool();
    uint8_t entry[256], bad;
    uint64_t at = VPM_BLOCK + 256;

    alloc(pool, "zero", 4096);
    alloc(pool, "one", 4096);
    vpm_pool_close(pool);
    peek(POOL_FILE, at, entry, sizeof(entry));
    for (unsigned bit = 0; bit < 8 * sizeof(entry); bit++) {
        bad = entry[bit / 8] ^ (uint8_t)(1 << bit % 8);
        poke(POOL_FILE, at + bit / 8, &bad, 1);
        refused(VPM_ECORRUPT, "TOC entry 1 (offset 4352)");
        poke(POOL_FILE, at + bit / 8, &entry[bit / 8], 1);
    }
    vpm_pool_close(open_pool());
    CHECK(check_pool(0) == 0);
}

static void entries_cannot_change_places(void)
{
    struct vpm_pool *pool = new_pool();
    uint8_t entry[256];

    alloc(pool, "zero", 4096);
    vpm_pool_close(pool);
    peek(POOL_FILE, VPM_BLOCK, entry, sizeof(entry));
    poke(POOL_FILE, VPM_BLOCK + 256, entry, sizeof(entry));
    refused(VPM_ECORRUPT, "TOC entry 1 (offset 4352): it belongs to another");
}

static void check_reports_all_findings(void)
{
    struct vpm_pool *pool = new_pool();
    uint8_t bad = 0x55;

    alloc(pool, "zero", 4096);
    alloc(pool, "one", 4096);
    vpm_pool_close(pool);
    /* the names, which, unlike the incarnations, cannot be so already */
    poke(POOL_FILE, VPM_BLOCK + 56, &bad, 1);
    poke(POOL_FILE, VPM_BLOCK + 256 + 56, &bad, 1);
    /* two entries, and their directories, which nobody knows then */
    CHECK(check_pool(4) == 4);
    CHECK(strstr(last_finding, "unknown to the table of contents"));
}

static void write_conf(struct vpm_conf *conf)
{
    conf->crc = vpm_crc32c(0, conf, offsetof(struct vpm_conf, crc));
    poke(POOL_FILE, 0, conf, sizeof(*conf));
}

static void other_version_is_refused(void)
{
    struct vpm_conf conf;

    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, &conf, sizeof(conf));
    conf.version = VPM_FORMAT_VERSION + 1;
    write_conf(&conf);
    refused(VPM_EVERSION, "format version 4, this libvpm knows up to 3");
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

static void copied_pool_is_refused(void)
{
    vpm_pool_close(new_pool());
    CHECK(system("cp -a " POOL_FILE " " POOL "/copy && "
                 "mv " POOL "/copy " POOL_FILE) == 0);
    refused(VPM_EFOREIGN, "is a copy or was moved");
    SAYS("inode");
}

static void pool_on_another_fs_is_refused(void)
{
    struct vpm_conf conf;

    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, &conf, sizeof(conf));
    conf.device.fs_id[3] ^= 1;
    write_conf(&conf);
    refused(VPM_EFOREIGN, "of file system");
}

/* Kernels and file systems differ in what they tell. */
static void each_kind_of_identity(void)
{
    static const uint32_t kinds[] = {
        0, VPM_DEVICE_TYPE_ONLY, VPM_DEVICE_FSID, VPM_DEVICE_UUID,
    };
    struct vpm_device device, other;
    int fd;

    vpm_pool_close(new_pool());
    fd = open(POOL_FILE, O_RDONLY);
    CHECK(fd >= 0);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        OK(vpm_device_identify(fd, kinds[i], &device, &err));
        CHECK(kinds[i] == 0 || device.kind == kinds[i]);
        OK(vpm_device_verify(fd, &device, "p", &err));
        other = device;
        other.inode++;
        EXPECT(VPM_EFOREIGN, vpm_device_verify(fd, &other, "p", &err));
        other = device;
        other.fs_type++;
        EXPECT(VPM_EFOREIGN, vpm_device_verify(fd, &other, "p", &err));
        other = device;
        other.fs_id[0]++;
        EXPECT(VPM_EFOREIGN, vpm_device_verify(fd, &other, "p", &err));
    }
    close(fd);
}

/* A symbolic link could lead libvpm, which is root, astray. */
static void links_are_refused(void)
{
    vpm_pool_close(new_pool());
    CHECK(rename(POOL_FILE, FS "/pool.file") == 0);
    CHECK(symlink(FS "/pool.file", POOL_FILE) == 0);
    CHECK(vpm_pool_open(POOL, &err) == NULL && err.code == VPM_ESYS);
}

static void check_changes_nothing(void)
{
    struct vpm_pool *pool = new_pool();
    uint64_t allocating = (uint64_t)VPM_TOC_FREEING << 32, word;

    alloc(pool, "a", 4096);
    vpm_pool_close(pool);
    peek(POOL_FILE, VPM_BLOCK, &word, sizeof(word));
    allocating |= (uint32_t)word;
    poke(POOL_FILE, VPM_BLOCK, &allocating, sizeof(allocating));
    CHECK(check_pool(1) == 1);
    CHECK(strstr(last_finding, "freeing region"));
    CHECK(strstr(last_finding, "was interrupted"));
    CHECK(check_pool(1) == 1);
    vpm_pool_close(open_pool());
    CHECK(check_pool(0) == 0);
}

int main(void)
{
    RUN(create_sets_everything);
    RUN(create_whatever_the_umask);
    RUN(create_checks_params);
    RUN(create_refuses_what_is_used);
    RUN(create_needs_parent_and_room);
    RUN(open_without_pool);
    RUN(any_flipped_bit_of_conf_is_found);
    RUN(any_flipped_bit_of_an_entry_is_found);
    RUN(entries_cannot_change_places);
    RUN(check_reports_all_findings);
    RUN(other_version_is_refused);
    RUN(impossible_conf_is_refused);
    RUN(truncated_pool_is_refused);
    RUN(copied_pool_is_refused);
    RUN(pool_on_another_fs_is_refused);
    RUN(each_kind_of_identity);
    RUN(links_are_refused);
    RUN(check_changes_nothing);
    return 0;
}
