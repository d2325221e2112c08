/* SPDX-License-Identifier: Apache-2.0 */
/* test_order.c -- what is durable before what
 *
 * Watches the persistence interface.  Cache lines are dirty from a store to a
 * flush and a fence; files and directories from a change to a sync.  When a
 * word commits something, or the next thing relies on it, or an operation
 * returns, nothing may be dirty. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "layout.h"

#define LINE 64
#define MOST 4096

struct line {
    uintptr_t number;
    int flushed;
};

static struct line lines[MOST];
static int line_count;
static ino_t inodes[MOST];
static int inode_count;
static int commits;
static int formatting;  /* a new pool is committed by its name */

static void all_durable(const char *before)
{
    if (line_count == 0 && inode_count == 0)
        return;
    fprintf(stderr, "%d cache lines and %d files are not durable before %s\n",
            line_count, inode_count, before);
    exit(1);
}

static void lines_durable(const char *before)
{
    int inodes_now = inode_count;

    inode_count = 0;
    all_durable(before);
    inode_count = inodes_now;
}

static void dirty_lines(const struct vpm_map *map, uint64_t offset,
                        size_t length)
{
    uintptr_t line = ((uintptr_t)map->addr + offset) / LINE;
    uintptr_t end = ((uintptr_t)map->addr + offset + length - 1) / LINE;

    for (; line <= end; line++) {
        int i = 0;

        while (i < line_count && lines[i].number != line)
            i++;
        CHECK(i < MOST);
        lines[i].number = line;
        lines[i].flushed = 0;
        line_count += i == line_count;
    }
}

static int find_inode(ino_t inode)
{
    int i = 0;

    while (i < inode_count && inodes[i] != inode)
        i++;
    return i;
}

static ino_t inode_of(int fd)
{
    struct stat st;

    CHECK(fstat(fd, &st) == 0);
    return st.st_ino;
}

static void dirty_inode(ino_t inode)
{
    int i = find_inode(inode);

    CHECK(i < MOST);
    inodes[i] = inode;
    inode_count += i == inode_count;
}

static void dirty_file(int fd)
{
    dirty_inode(inode_of(fd));
}

static void clean_inode(ino_t inode)
{
    int i = find_inode(inode);

    if (i < inode_count)
        inodes[i] = inodes[--inode_count];
}

/* -- the watching interface ---------------------------------------------- */

static void watch_store(const struct vpm_map *map, uint64_t offset,
                        const void *from, size_t length)
{
    dirty_lines(map, offset, length);
    vpm_persist_real.store(map, offset, from, length);
}

/* The words that commit: a TOC entry's first and a state's marker. */
static int commits_something(const struct vpm_map *map, uint64_t offset)
{
    if (formatting)
        return 0;
    if (map->length == small_params.state_size)
        return offset == offsetof(struct vpm_state_header, marker);
    return offset % sizeof(struct vpm_toc_entry) == 0;
}

static void watch_store_word(const struct vpm_map *map, uint64_t offset,
                             uint64_t value)
{
    CHECK(offset % 8 == 0);
    if (commits_something(map, offset)) {
        all_durable("a commit word");
        commits++;
    }
    dirty_lines(map, offset, sizeof(value));
    vpm_persist_real.store_word(map, offset, value);
}

static ssize_t watch_read(const struct vpm_map *map, uint64_t offset, int fd,
                          size_t length)
{
    ssize_t got = vpm_persist_real.read(map, offset, fd, length);

    if (got > 0)
        dirty_lines(map, offset, (size_t)got);
    return got;
}

static void watch_flush(const struct vpm_map *map, uint64_t offset,
                        size_t length)
{
    uintptr_t first = ((uintptr_t)map->addr + offset) / LINE;
    uintptr_t last = ((uintptr_t)map->addr + offset + length - 1) / LINE;

    for (int i = 0; i < line_count; i++)
        if (lines[i].number >= first && lines[i].number <= last)
            lines[i].flushed = 1;
    vpm_persist_real.flush(map, offset, length);
}

/* Only the given range, because msync does no more. */
static int watch_fence(const struct vpm_map *map, uint64_t offset,
                       size_t length)
{
    uintptr_t first = ((uintptr_t)map->addr + offset) / LINE;
    uintptr_t last = ((uintptr_t)map->addr + offset + length - 1) / LINE;

    for (int i = line_count - 1; i >= 0; i--)
        if (lines[i].flushed && lines[i].number >= first &&
            lines[i].number <= last)
            lines[i] = lines[--line_count];
    return vpm_persist_real.fence(map, offset, length);
}

static int watch_mkdir(int dir, const char *name, mode_t mode)
{
    struct stat parent;

    lines_durable("mkdir");
    CHECK(stat(FS, &parent) == 0);
    if (dir == AT_FDCWD)
        dirty_inode(parent.st_ino);
    else
        dirty_file(dir);
    return vpm_persist_real.mkdir(dir, name, mode);
}

static int watch_create(int dir, const char *name, mode_t mode)
{
    int fd = vpm_persist_real.create(dir, name, mode);

    lines_durable("create");
    dirty_file(dir);
    return fd;
}

static int watch_allocate(int fd, uint64_t length)
{
    dirty_file(fd);
    return vpm_persist_real.allocate(fd, length);
}

static int watch_zero(int fd, uint64_t offset, uint64_t length)
{
    lines_durable("zero");
    dirty_file(fd);
    return vpm_persist_real.zero(fd, offset, length);
}

static int watch_chown(int fd, uid_t uid)
{
    dirty_file(fd);
    return vpm_persist_real.chown(fd, uid);
}

static int watch_sync(int fd)
{
    clean_inode(inode_of(fd));
    return vpm_persist_real.sync(fd);
}

static int watch_rename(int dir, const char *from, const char *to)
{
    struct stat st;

    lines_durable("rename");
    CHECK(fstatat(dir, from, &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(find_inode(st.st_ino) == inode_count);
    dirty_file(dir);
    return vpm_persist_real.rename(dir, from, to);
}

/* What is unlinked was scrubbed durably, and its directory's own list of
 * names goes with it. */
static int watch_unlink(int dir, const char *name, int flags)
{
    struct stat st;

    lines_durable("unlink");
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (flags & AT_REMOVEDIR)
            clean_inode(st.st_ino);
        CHECK(find_inode(st.st_ino) == inode_count);
        dirty_file(dir);
    }
    return vpm_persist_real.unlink(dir, name, flags);
}

static int watch_symlink(const char *target, int dir, const char *name)
{
    lines_durable("symlink");
    dirty_file(dir);
    return vpm_persist_real.symlink(target, dir, name);
}

/* What is cut off was scrubbed durably.  That it is cut off need not be
 * durable. */
static int watch_truncate(int fd, uint64_t length)
{
    struct stat st;

    lines_durable("truncate");
    CHECK(fstat(fd, &st) == 0);
    if ((uint64_t)st.st_size > length)
        CHECK(find_inode(st.st_ino) == inode_count);
    else
        dirty_file(fd);
    return vpm_persist_real.truncate(fd, length);
}

static struct vpm_persist watching;

static void start_watching(void)
{
    watching = vpm_persist_real;
    watching.store = watch_store;
    watching.store_word = watch_store_word;
    watching.read = watch_read;
    watching.flush = watch_flush;
    watching.fence = watch_fence;
    watching.mkdir = watch_mkdir;
    watching.create = watch_create;
    watching.allocate = watch_allocate;
    watching.zero = watch_zero;
    watching.chown = watch_chown;
    watching.sync = watch_sync;
    watching.rename = watch_rename;
    watching.unlink = watch_unlink;
    watching.symlink = watch_symlink;
    watching.truncate = watch_truncate;
    vpm_persist = &watching;
}

/* -- the operations ------------------------------------------------------ */

static void returned(int expected_commits)
{
    all_durable("the operation returned");
    CHECK(commits == expected_commits);
    commits = 0;
}

static void every_operation(void)
{
    struct vpm_region_info info;
    struct vpm_pool *pool;

    start_watching();
    formatting = 1;
    OK(vpm_pool_create(POOL, &small_params, &err));
    returned(0);
    formatting = 0;
    pool = open_pool();
    returned(0);
    info = alloc(pool, "a", 256 * KIB);
    returned(2);
    OK(vpm_region_begin_epoch(pool, info.id, &err));
    returned(0);
    OK(fixate(pool, info.id, 1, 9000));
    returned(2);
    fill_file(info.ram_path, 0xaa);
    OK(vpm_region_scrub(pool, info.id, &err));
    returned(0);
    fill_file(info.ram_path, 0xaa);
    OK(nvfree(pool, "a", 0, &err));
    returned(2);
    info = alloc_vpm(pool, "v");
    returned(2);
    fill_file(info.ram_path, 0xaa);
    fill_file(info.swap_path, 0xaa);
    OK(vpm_region_scrub(pool, info.id, &err));
    returned(0);
    fill_file(info.swap_path, 0xaa);
    OK(nvfree(pool, "v", 0, &err));
    returned(2);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(every_operation);
    return 0;
}
