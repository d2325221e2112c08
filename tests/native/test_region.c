/* SPDX-License-Identifier: Apache-2.0 */
/* test_region.c -- nvalloc, nvfree, lookup, list, scrub, begin_epoch */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define TOC_ENTRY(index) (4096 + 256 * (index))

static void alloc_sets_everything(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "first", 4096), other;
    struct stat st;

    info = alloc(pool, "second", 3 * 4096);
    CHECK(info.id == vpm_region_id("second", 0));
    CHECK(info.size == 3 * 4096 && info.epoch == 0 && info.sequence == 0);
    CHECK(info.descriptor == 1 && info.uid == UID_BASE + 1);
    CHECK(info.created_ns > 0 && strcmp(info.name, "second") == 0);
    CHECK(strcmp(info.ram_path, region_file(info.id, "ram")) == 0);

    CHECK(stat(region_file(info.id, ""), &st) == 0);
    CHECK((st.st_mode & 07777) == 0711 && st.st_uid == 0);
    CHECK(stat(info.ram_path, &st) == 0);
    CHECK((st.st_mode & 07777) == 0600 && st.st_uid == UID_BASE + 1);
    CHECK(st.st_gid == 0 && st.st_size == 3 * 4096);
    CHECK(st.st_blocks * 512 >= st.st_size);
    CHECK(file_is(info.ram_path, 0));
    CHECK(stat(region_file(info.id, "state"), &st) == 0);
    CHECK((st.st_mode & 07777) == 0600 && st.st_uid == 0);
    CHECK(st.st_size == 16 * KIB && st.st_blocks * 512 >= st.st_size);

    OK(vpm_region_lookup(pool, "second", 0, &other, &err));
    CHECK(memcmp(&info, &other, sizeof(info)) == 0);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void open_ram_as(void *uid)
{
    int fd;

    if (setuid((uid_t)(uintptr_t)uid) < 0)
        _exit(1);
    fd = open(region_file(vpm_region_id("a", 0), "ram"), O_RDWR);
    _exit(fd >= 0 ? 10 : 20);
}

static void open_state_as(void *uid)
{
    if (setuid((uid_t)(uintptr_t)uid) < 0)
        _exit(1);
    _exit(open(region_file(vpm_region_id("a", 0), "state"), O_RDONLY) >= 0 ?
          10 : 20);
}

static void only_its_user_opens_ram(void)
{
    struct vpm_pool *pool = new_pool();

    alloc(pool, "a", 4096);
    CHECK(in_child(open_ram_as, (void *)(uintptr_t)UID_BASE) == 10);
    CHECK(in_child(open_ram_as, (void *)(uintptr_t)(UID_BASE + 1)) == 20);
    CHECK(in_child(open_state_as, (void *)(uintptr_t)UID_BASE) == 20);
    vpm_pool_close(pool);
}

static void no_uids_when_base_is_zero(void)
{
    struct vpm_pool_params params = small_params;
    struct vpm_region_info info;
    struct vpm_pool *pool;
    struct stat st;

    params.uid_base = 0;
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    info = alloc(pool, "a", 4096);
    info = alloc(pool, "b", 4096);
    CHECK(info.uid == 0 && stat(info.ram_path, &st) == 0 && st.st_uid == 0);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void sizes_are_rounded_up(void)
{
    struct vpm_pool_params params = small_params;
    struct vpm_pool_info info;
    struct vpm_pool *pool;

    params.page_size = 64 << 10;
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    CHECK(alloc(pool, "a", 1).size == 64 * KIB);
    CHECK(alloc(pool, "b", 64 * KIB).size == 64 * KIB);
    CHECK(alloc(pool, "c", 64 * KIB + 1).size == 128 * KIB);
    OK(vpm_pool_info(pool, &info, &err));
    CHECK(info.used_size == 256 * KIB && info.used_descriptors == 3);
    vpm_pool_close(pool);
}

static void bad_names_are_named(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;
    char longest[VPM_NAME_MAX + 2];

    memset(longest, 'x', sizeof(longest));
    longest[VPM_NAME_MAX] = 0;
    alloc(pool, longest, 4096);
    OK(vpm_region_lookup(pool, longest, 0, &info, &err));
    longest[VPM_NAME_MAX] = 'x';
    longest[VPM_NAME_MAX + 1] = 0;
    EXPECT(VPM_EINVAL, nvalloc(pool, longest, 0, 1, &info, &err));
    SAYS("too many bytes");
    EXPECT(VPM_EINVAL, nvalloc(pool, "", 0, 1, &info, &err));
    SAYS("no bytes");
    EXPECT(VPM_EINVAL, nvalloc(pool, "a/b", 0, 1, &info, &err));
    SAYS("0x2f at position 1");
    EXPECT(VPM_EINVAL, nvalloc(pool, "ab\n", 0, 1, &info, &err));
    SAYS("0x0a at position 2");
    EXPECT(VPM_EINVAL, nvalloc(pool, "\xc3\xa4", 0, 1, &info, &err));
    SAYS("0xc3 at position 0");
    EXPECT(VPM_EINVAL, nvfree(pool, "a/b", 0, &err));
    EXPECT(VPM_EINVAL, vpm_region_lookup(pool, "", 0, &info, &err));
    vpm_pool_close(pool);
}

static void bad_sizes_are_named(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;

    EXPECT(VPM_EINVAL, nvalloc(pool, "a", 0, 0, &info, &err));
    SAYS("size of 'a' is 0");
    EXPECT(VPM_EINVAL, nvalloc(pool, "a", 0, UINT64_MAX, &info, &err));
    SAYS("18446744073709551615");
    vpm_pool_close(pool);
}

static void same_name_other_sequence(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;

    alloc(pool, "a", 4096);
    EXPECT(VPM_EEXIST, nvalloc(pool, "a", 0, 4096, &info, &err));
    SAYS("has a region of 'a', sequence number 0, already");
    OK(nvalloc(pool, "a", 7, 4096, &info, &err));
    CHECK(info.sequence == 7);
    OK(nvfree(pool, "a", 0, &err));
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "a", 0, &info, &err));
    OK(vpm_region_lookup(pool, "a", 7, &info, &err));
    vpm_pool_close(pool);
}

static void full_pool_says_numbers(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;

    alloc(pool, "a", 600 * KIB);
    EXPECT(VPM_ENOSPC, nvalloc(pool, "b", 0, 600 * KIB, &info, &err));
    SAYS("has 424.0 KiB of 1.0 MiB free, 600.0 KiB were asked for: free a");
    EXPECT(VPM_ENOSPC, nvalloc(pool, "b", 0, INT64_MAX - 4096, &info, &err));
    alloc(pool, "b", 424 * KIB);
    EXPECT(VPM_ENOSPC, nvalloc(pool, "c", 0, 1, &info, &err));
    OK(nvfree(pool, "a", 0, &err));
    alloc(pool, "c", 600 * KIB);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void full_descriptors_say_so(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;
    char name[] = "0";

    for (; name[0] < '8'; name[0]++)
        alloc(pool, name, 4096);
    EXPECT(VPM_ENOSPC, nvalloc(pool, "9", 0, 4096, &info, &err));
    SAYS("all 8 descriptors");
    OK(nvfree(pool, "3", 0, &err));
    CHECK(alloc(pool, "9", 4096).descriptor == 3);
    vpm_pool_close(pool);
}

static int names_in(const char *dir)
{
    char command[256];
    int count;
    FILE *pipe;

    snprintf(command, sizeof(command), "ls %s | wc -l", dir);
    pipe = popen(command, "r");
    CHECK(pipe && fscanf(pipe, "%d", &count) == 1);
    pclose(pipe);
    return count;
}

/* The pool promises 64 MiB on a file system that has less left. */
static void full_fs_is_rolled_back(void)
{
    struct vpm_pool_params params = small_params;
    struct vpm_region_info info;
    struct vpm_pool_info pool_info;
    struct vpm_pool *pool;

    params.total_size = 64 * MIB;
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    EXPECT(VPM_ENOSPC, nvalloc(pool, "a", 0, 64 * MIB, &info, &err));
    SAYS("make room on the file system");
    CHECK(names_in(POOL "/regions") == 0);
    OK(vpm_pool_info(pool, &pool_info, &err));
    CHECK(pool_info.used_size == 0 && pool_info.used_descriptors == 0);
    CHECK(check_pool(0) == 0);
    alloc(pool, "a", 32 * MIB);
    vpm_pool_close(pool);
}

static void regions_survive_reopening_in_any_order(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info a = alloc(pool, "a", 4096);
    struct vpm_region_info b = alloc(pool, "b", 8192), found[8];

    OK(vpm_region_begin_epoch(pool, b.id, &err));
    vpm_pool_close(pool);
    pool = open_pool();
    OK(vpm_region_lookup(pool, "b", 0, &found[0], &err));
    CHECK(found[0].epoch == 1);
    b.epoch = 1;
    CHECK(memcmp(&found[0], &b, sizeof(b)) == 0);
    OK(vpm_region_lookup(pool, "a", 0, &found[0], &err));
    CHECK(memcmp(&found[0], &a, sizeof(a)) == 0);
    CHECK(vpm_region_list(pool, found, 8, &err) == 2);
    CHECK(found[0].id == a.id && found[1].id == b.id);
    memset(found, 0, sizeof(found));
    CHECK(vpm_region_list(pool, found, 1, &err) == 2);
    CHECK(found[0].id == a.id && found[1].id == 0);
    CHECK(vpm_region_list(pool, NULL, 0, &err) == 2);
    vpm_pool_close(pool);
}

/* Whoever has the files open still sees what became of the space. */
static void free_scrubs(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 256 * KIB);
    int ram, state;

    OK(fixate(pool, info.id, 0x33, 9000));
    fill_file(info.ram_path, 0xaa);
    ram = open(info.ram_path, O_RDONLY);
    state = open(region_file(info.id, "state"), O_RDONLY);
    CHECK(ram >= 0 && state >= 0);
    OK(nvfree(pool, "a", 0, &err));
    CHECK(fd_is(ram, 0) && fd_is(state, 0));
    CHECK(!exists(region_file(info.id, "")));
    CHECK(check_pool(0) == 0);
    EXPECT(VPM_ENOENT, nvfree(pool, "a", 0, &err));
    SAYS("no region of 'a'");
    close(ram);
    close(state);
    vpm_pool_close(pool);
}

static void scrub_keeps_the_region(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 256 * KIB);
    struct vpm_state_info state;

    OK(fixate(pool, info.id, 0x33, 9000));
    fill_file(info.ram_path, 0xaa);
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(file_is(info.ram_path, 0));
    CHECK(file_is(region_file(info.id, "state"), 0));
    EXPECT(VPM_EUNPROVEN, vpm_state_verify(pool, info.id, &state, &err));
    OK(vpm_region_lookup(pool, "a", 0, &info, &err));
    CHECK(info.epoch == 1);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void scrub_restores_what_was_cut_off(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 256 * KIB);

    fill_file(info.ram_path, 0xaa);
    CHECK(truncate(info.ram_path, 5000) == 0);
    CHECK(truncate(region_file(info.id, "state"), 100) == 0);
    CHECK(check_pool(2) == 2);
    EXPECT(VPM_ECORRUPT, fixate(pool, info.id, 1, 1));
    SAYS("scrub the region");
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(file_is(info.ram_path, 0));
    CHECK(check_pool(0) == 0);
    OK(fixate(pool, info.id, 1, 1));
    vpm_pool_close(pool);
}

/* The next owner of name, descriptor and space is another. */
static void a_new_region_of_the_same_name_is_new(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info old = alloc(pool, "a", 4096), new;
    struct vpm_state_info state;

    OK(vpm_region_begin_epoch(pool, old.id, &err));
    OK(fixate(pool, old.id, 0x33, 100));
    CHECK(system("cp " POOL "/regions/*/state " FS "/old") == 0);
    OK(nvfree(pool, "a", 0, &err));
    new = alloc(pool, "a", 4096);
    CHECK(new.id == old.id && new.descriptor == old.descriptor);
    CHECK(new.epoch == 0);
    OK(vpm_region_begin_epoch(pool, new.id, &err));
    CHECK(system("cat " FS "/old > $(ls " POOL "/regions/*/state)") == 0);
    EXPECT(VPM_EUNPROVEN, vpm_state_verify(pool, new.id, &state, &err));
    SAYS("an earlier region of the same name");
    vpm_pool_close(pool);
}

static void unknown_ids(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_state_info state;

    EXPECT(VPM_ENOENT, vpm_region_scrub(pool, 5, &err));
    SAYS("0000000000000005");
    EXPECT(VPM_ENOENT, vpm_region_begin_epoch(pool, 5, &err));
    EXPECT(VPM_ENOENT, vpm_state_verify(pool, 5, &state, &err));
    EXPECT(VPM_ENOENT, vpm_state_send(pool, 5, 1, &err));
    CHECK(vpm_fixation_open(pool, 5, &err) == NULL);
    CHECK(err.code == VPM_ENOENT);
    vpm_pool_close(pool);
}

/* It may be data: neither used nor removed, but told of. */
static void unknown_directories_are_left_alone(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;
    char path[128];

    snprintf(path, sizeof(path), "%s",
             region_file(vpm_region_id("a", 0), ""));
    CHECK(mkdir(path, 0700) == 0);
    EXPECT(VPM_ECORRUPT, nvalloc(pool, "a", 0, 4096, &info, &err));
    SAYS("the table of contents has no such region");
    vpm_pool_close(pool);
    pool = open_pool();
    CHECK(exists(path));
    CHECK(check_pool(1) == 1);
    vpm_pool_close(pool);
}

static void unknown_files_stop_free_before_it_starts(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 4096);
    char path[128];

    fill_file(info.ram_path, 0xaa);
    snprintf(path, sizeof(path), "%s", region_file(info.id, "notes"));
    CHECK(mkdir(path, 0700) == 0);
    CHECK(check_pool(1) == 1);
    EXPECT(VPM_ECORRUPT, nvfree(pool, "a", 0, &err));
    SAYS("notes was not made by libvpm");
    CHECK(file_is(info.ram_path, 0xaa));
    CHECK(rmdir(path) == 0);
    OK(nvfree(pool, "a", 0, &err));
    vpm_pool_close(pool);
}

static void lost_directories_can_be_freed(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 4096);
    struct vpm_state_info state;

    CHECK(system("rm -r " POOL "/regions/*") == 0);
    CHECK(check_pool(3) == 3);
    EXPECT(VPM_EUNPROVEN, vpm_state_verify(pool, info.id, &state, &err));
    EXPECT(VPM_ESYS, vpm_region_begin_epoch(pool, info.id, &err));
    SAYS("cannot lock regions/");
    EXPECT(VPM_ESYS, vpm_region_scrub(pool, info.id, &err));
    vpm_pool_close(pool);
    pool = open_pool();
    OK(nvfree(pool, "a", 0, &err));
    alloc(pool, "a", MIB);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* What cannot be repaired is no reason to keep other servers down. */
static void unrepairable_regions_do_not_stop_others(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info stuck = alloc(pool, "stuck", 4096);
    struct vpm_region_info other = alloc(pool, "other", 4096);
    char path[128];
    uint64_t word;

    vpm_pool_close(pool);
    snprintf(path, sizeof(path), "%s", region_file(stuck.id, "notes"));
    CHECK(mkdir(path, 0700) == 0);
    peek(POOL "/pool", TOC_ENTRY(0), &word, sizeof(word));
    word = (word & 0xffffffff) | (uint64_t)VPM_TOC_FREEING << 32;
    poke(POOL "/pool", TOC_ENTRY(0), &word, sizeof(word));

    pool = open_pool();
    CHECK(exists(path) && check_pool(1) == 1);
    OK(vpm_region_lookup(pool, "other", 0, &other, &err));
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "stuck", 0, &stuck, &err));
    alloc(pool, "third", 4096);
    EXPECT(VPM_ESYS, nvfree(pool, "stuck", 0, &err));
    EXPECT(VPM_ENOENT, nvfree(pool, "unknown", 0, &err));
    OK(nvfree(pool, "other", 0, &err));
    CHECK(rmdir(path) == 0);
    OK(nvfree(pool, "third", 0, &err));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* -- while background work is paused ------------------------------------- */

#define LONG_NS VPM_PAUSE_MAX_NS

static struct vpm_pool_info pool_info(struct vpm_pool *pool)
{
    struct vpm_pool_info info;

    OK(vpm_pool_info(pool, &info, &err));
    return info;
}

static void what_is_freed_in_a_pause_is_scrubbed_later(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 600 * KIB), other;

    fill_file(info.ram_path, 0x5a);
    CHECK(fixate(pool, info.id, 0x66, 100) == VPM_OK);
    OK(vpm_pool_pause(pool, LONG_NS, &err));
    CHECK(vpm_pool_is_paused(pool));
    OK(nvfree(pool, "a", 0, &err));
    OK(nvfree(pool, "a", 0, &err));
    CHECK(file_is(info.ram_path, 0x5a));

    /* Nobody finds it, nobody gets its space, nothing is wrong. */
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "a", 0, &other, &err));
    CHECK(vpm_region_list(pool, NULL, 0, &err) == 0);
    EXPECT(VPM_ENOENT, vpm_region_begin_epoch(pool, info.id, &err));
    EXPECT(VPM_ENOSPC, nvalloc(pool, "b", 0, 600 * KIB, &other, &err));
    SAYS("600.0 KiB more were freed, and are scrubbed when power is good");
    CHECK(alloc(pool, "b", 4096).descriptor == 1);
    OK(nvfree(pool, "b", 0, &err));
    CHECK(pool_info(pool).used_size == 604 * KIB);
    CHECK(pool_info(pool).freed_size == 604 * KIB);
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(file_is(info.ram_path, 0x5a) && check_pool(0) == 0);

    /* Neither by another process, as long as the pause lasts. */
    vpm_pool_close(pool);
    pool = open_pool();
    CHECK(file_is(info.ram_path, 0x5a));
    OK(vpm_pool_pause(pool, 0, &err));
    CHECK(!vpm_pool_is_paused(pool) && check_pool(2) == 2);
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(!exists(info.ram_path) && check_pool(0) == 0);
    CHECK(pool_info(pool).used_size == 0);
    CHECK(pool_info(pool).freed_size == 0);
    vpm_pool_close(pool);
}

static void the_end_of_a_pause_is_noticed_by_all(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 4096);

    OK(vpm_pool_pause(pool, LONG_NS, &err));
    OK(nvfree(pool, "a", 0, &err));
    OK(vpm_pool_pause(pool, 1, &err));
    while (vpm_pool_is_paused(pool))
        continue;
    CHECK(exists(info.ram_path));
    vpm_pool_close(pool);
    pool = open_pool();
    CHECK(!exists(info.ram_path) && check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void the_same_id_cannot_wait(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 4096);
    struct vpm_region_info other = alloc(pool, "other", 4096);

    fill_file(info.ram_path, 0x5a);
    fill_file(other.ram_path, 0x5a);
    OK(vpm_pool_pause(pool, LONG_NS, &err));
    OK(nvfree(pool, "a", 0, &err));
    OK(nvfree(pool, "other", 0, &err));
    info = alloc(pool, "a", 8192);
    CHECK(file_is(info.ram_path, 0) && file_is(other.ram_path, 0x5a));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* Of an earlier boot of the host, of whoever can write to it: no. */
static void what_is_no_pause(void)
{
    static const uint64_t nonsense[] = {1, UINT64_MAX, UINT64_MAX / 2};
    struct vpm_pool *pool = new_pool();

    EXPECT(VPM_EINVAL, vpm_pool_pause(pool, LONG_NS + 1, &err));
    SAYS("10000000001 ns is longer than 10000000000");
    CHECK(!vpm_pool_is_paused(pool));
    OK(vpm_pool_pause(pool, LONG_NS, &err));
    CHECK(vpm_pool_is_paused(pool));
    for (int i = 0; i < 3; i++) {
        poke(POOL "/pause", 0, &nonsense[i], 8);
        CHECK(!vpm_pool_is_paused(pool));
    }
    CHECK(truncate(POOL "/pause", 3) == 0 && !vpm_pool_is_paused(pool));
    CHECK(unlink(POOL "/pause") == 0 && !vpm_pool_is_paused(pool));
    CHECK(mkdir(POOL "/pause", 0700) == 0 && !vpm_pool_is_paused(pool));
    EXPECT(VPM_ESYS, vpm_pool_pause(pool, LONG_NS, &err));
    SAYS("cannot write " POOL "/pause");
    vpm_pool_close(pool);
}

static void check_sees_wrong_files(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 64 * KIB);
    char dir[128];

    CHECK(chmod(info.ram_path, 0644) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "mode 0100644"));
    CHECK(chmod(info.ram_path, 0600) == 0);
    CHECK(chown(info.ram_path, 5, -1) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "user 5 instead"));
    CHECK(chown(info.ram_path, UID_BASE, -1) == 0);
    CHECK(truncate(info.ram_path, 4096) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "4096 bytes instead"));
    CHECK(truncate(info.ram_path, 64 * KIB) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "has holes"));
    CHECK(unlink(info.ram_path) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "cannot be examined"));
    snprintf(dir, sizeof(dir), "%s", region_file(info.id, ""));
    OK(nvfree(pool, "a", 0, &err));
    CHECK(!exists(dir) && check_pool(0) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(alloc_sets_everything);
    RUN(only_its_user_opens_ram);
    RUN(no_uids_when_base_is_zero);
    RUN(sizes_are_rounded_up);
    RUN(bad_names_are_named);
    RUN(bad_sizes_are_named);
    RUN(same_name_other_sequence);
    RUN(full_pool_says_numbers);
    RUN(full_descriptors_say_so);
    RUN(full_fs_is_rolled_back);
    RUN(regions_survive_reopening_in_any_order);
    RUN(free_scrubs);
    RUN(scrub_keeps_the_region);
    RUN(scrub_restores_what_was_cut_off);
    RUN(a_new_region_of_the_same_name_is_new);
    RUN(unknown_ids);
    RUN(unknown_directories_are_left_alone);
    RUN(unknown_files_stop_free_before_it_starts);
    RUN(lost_directories_can_be_freed);
    RUN(unrepairable_regions_do_not_stop_others);
    RUN(what_is_freed_in_a_pause_is_scrubbed_later);
    RUN(the_end_of_a_pause_is_noticed_by_all);
    RUN(the_same_id_cannot_wait);
    RUN(what_is_no_pause);
    RUN(check_sees_wrong_files);
    return 0;
}
