/* SPDX-License-Identifier: Apache-2.0 */
/* stage.c -- the real file system on which libvpm runs and images are put */
#include "stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "map.h"

#define HIDDEN ".inodes"
#define MAPS 32

struct actor {
    ino_t number;
    int fd;             /* of a regular file, else -1 */
};

static struct actor actors[MEDIA_INODES];
static int actor_count;
static int root_fd = -1, hidden_fd = -1;

/* -- mappings ------------------------------------------------------------ */

static struct {
    const uint8_t *addr;
    size_t length;
    int inode;
} maps[MAPS];

int __real_vpm_map_open(struct vpm_map *map, int fd, size_t length,
                        bool writable);
int __wrap_vpm_map_open(struct vpm_map *map, int fd, size_t length,
                        bool writable);
void __real_vpm_map_close(struct vpm_map *map);
void __wrap_vpm_map_close(struct vpm_map *map);
enum vpm_medium __wrap_vpm_map_medium(int fd);

int __wrap_vpm_map_open(struct vpm_map *map, int fd, size_t length,
                        bool writable)
{
    int rc = __real_vpm_map_open(map, fd, length, writable);
    int i = 0;

    if (rc < 0 || !writable || actor_count == 0)
        return rc;
    while (i < MAPS && maps[i].addr)
        i++;
    CHECK(i < MAPS);
    maps[i].addr = map->addr;
    maps[i].length = length;
    maps[i].inode = stage_inode(fd);
    return rc;
}

void __wrap_vpm_map_close(struct vpm_map *map)
{
    for (int i = 0; i < MAPS; i++)
        if (map->addr && maps[i].addr == map->addr)
            maps[i].addr = NULL;
    __real_vpm_map_close(map);
}

static enum vpm_medium medium = VPM_MEDIUM_DAX;

void stage_be(enum vpm_medium told)
{
    medium = told;
}

enum vpm_medium __wrap_vpm_map_medium(int fd)
{
    (void)fd;
    return medium;
}

static int find_map(const uint8_t *addr)
{
    int i = 0;

    while (i < MAPS && (!maps[i].addr || addr < maps[i].addr ||
                        addr >= maps[i].addr + maps[i].length))
        i++;
    CHECK(i < MAPS);
    return i;
}

int stage_mapped(const uint8_t *addr)
{
    return maps[find_map(addr)].inode;
}

uint64_t stage_offset(const uint8_t *addr)
{
    return (uint64_t)(addr - maps[find_map(addr)].addr);
}

/* -- chance -------------------------------------------------------------- */

static uint64_t random_state;

ssize_t __wrap_getrandom(void *to, size_t length, unsigned flags);

void stage_seed(uint64_t seed)
{
    random_state = seed;
}

/* Splitmix64. */
ssize_t __wrap_getrandom(void *to, size_t length, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < length; i++) {
        uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;

        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
        ((uint8_t *)to)[i] = (uint8_t)(mixed ^ mixed >> 31);
    }
    return (ssize_t)length;
}

/* -- inodes -------------------------------------------------------------- */

static int find_actor(ino_t number)
{
    int i = 0;

    while (i < actor_count && actors[i].number != number)
        i++;
    return i;
}

int stage_inode(int fd)
{
    struct stat st;
    int i;

    if (fd == AT_FDCWD)
        return MEDIA_ROOT;
    CHECK(fstat(fd, &st) == 0);
    i = find_actor(st.st_ino);
    /* A check may make files that nobody follows. */
    return i < actor_count ? i : -1;
}

static void hidden_name(int index, char *text, size_t size)
{
    snprintf(text, size, "%d", index);
}

int stage_adopt(int dir_fd, const char *name)
{
    struct actor *actor = &actors[actor_count];
    struct stat st;
    char hidden[16];

    CHECK(actor_count < MEDIA_INODES);
    CHECK(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    actor->number = st.st_ino;
    actor->fd = -1;
    if (S_ISREG(st.st_mode)) {
        hidden_name(actor_count, hidden, sizeof(hidden));
        /* A mutant's process may have died and left one. */
        unlinkat(hidden_fd, hidden, 0);
        CHECK(linkat(dir_fd, name, hidden_fd, hidden, 0) == 0);
        actor->fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);
        CHECK(actor->fd >= 0);
    }
    return actor_count++;
}

int stage_count(void)
{
    return actor_count;
}

void stage_forget(int count)
{
    char hidden[16];

    while (actor_count > count) {
        struct actor *actor = &actors[--actor_count];

        if (actor->fd < 0)
            continue;
        close(actor->fd);
        hidden_name(actor_count, hidden, sizeof(hidden));
        CHECK(unlinkat(hidden_fd, hidden, 0) == 0);
    }
}

void stage_fresh(void)
{
    if (hidden_fd >= 0) {
        stage_forget(0);
        close(hidden_fd);
        close(root_fd);
    }
    memset(maps, 0, sizeof(maps));
    fresh_fs(16);
    CHECK(mkdir(FS "/" HIDDEN, 0700) == 0);
    root_fd = open(FS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    hidden_fd = open(FS "/" HIDDEN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(root_fd >= 0 && hidden_fd >= 0);
}

/* -- describing ---------------------------------------------------------- */

static void describe_dir(struct media *media, int dir_fd, int index);

static void describe_entry(struct media *media, int dir_fd, int parent,
                           const char *name)
{
    static uint8_t bytes[1 << 20];
    struct stat st;
    int index = stage_adopt(dir_fd, name);

    CHECK(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(media_add(media, S_ISDIR(st.st_mode), st.st_mode & 07777,
                    st.st_uid) == index);
    media_name(media, parent, name, index);
    if (S_ISDIR(st.st_mode)) {
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        CHECK(fd >= 0);
        describe_dir(media, fd, index);
        return;
    }
    CHECK((size_t)st.st_size <= sizeof(bytes));
    if (S_ISLNK(st.st_mode)) {
        media->inodes[index].symlink = true;
        media->inodes[index].secret = false;
        CHECK(readlinkat(dir_fd, name, (char *)bytes, sizeof(bytes)) ==
              st.st_size);
    } else {
        CHECK(pread(actors[index].fd, bytes, sizeof(bytes), 0) ==
              st.st_size);
    }
    media_fill(media, index, bytes, (uint64_t)st.st_size);
}

/* Closes *dir_fd*. */
static void describe_dir(struct media *media, int dir_fd, int index)
{
    DIR *dir = fdopendir(dir_fd);
    struct dirent *entry;

    CHECK(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            describe_entry(media, dir_fd, index, entry->d_name);
    closedir(dir);
}

void stage_describe(struct media *media)
{
    struct stat st;

    media_free(media);
    stage_forget(0);
    CHECK(fstat(root_fd, &st) == 0);
    actors[MEDIA_ROOT] = (struct actor){.number = st.st_ino, .fd = -1};
    actor_count = 1;
    CHECK(media_add(media, true, st.st_mode & 07777, st.st_uid) ==
          MEDIA_ROOT);
    describe_dir(media, openat(root_fd, ".", O_RDONLY | O_DIRECTORY |
                               O_CLOEXEC), MEDIA_ROOT);
}

/* -- putting ------------------------------------------------------------- */

/* Removes all names in a directory, whose descriptor it closes. */
static void clear_dir(int dir_fd)
{
    DIR *dir = fdopendir(dir_fd);
    struct dirent *entry;

    CHECK(dir);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        if (entry->d_type == DT_DIR) {
            clear_dir(openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY |
                             O_CLOEXEC));
            CHECK(unlinkat(dir_fd, entry->d_name, AT_REMOVEDIR) == 0);
        } else {
            CHECK(unlinkat(dir_fd, entry->d_name, 0) == 0);
        }
    }
    closedir(dir);
}

static void put_file(const struct media_inode *inode, int index, int dir_fd,
                     const char *name)
{
    int fd = actors[index].fd;
    char hidden[16];
    struct stat st;

    CHECK(fstat(fd, &st) == 0);
    if ((uint64_t)st.st_size != inode->size)
        CHECK(ftruncate(fd, (off_t)inode->size) == 0);
    CHECK(pwrite(fd, inode->durable, inode->size, 0) ==
          (ssize_t)inode->size);
    if (st.st_uid != inode->uid)
        CHECK(fchown(fd, inode->uid, (gid_t)-1) == 0);
    if ((st.st_mode & 07777) != inode->mode)
        CHECK(fchmod(fd, inode->mode) == 0);
    hidden_name(index, hidden, sizeof(hidden));
    CHECK(linkat(hidden_fd, hidden, dir_fd, name, 0) == 0);
}

static void put_symlink(const struct media_inode *inode, int dir_fd,
                        const char *name)
{
    char target[256];

    CHECK(inode->size < sizeof(target));
    memcpy(target, inode->durable, inode->size);
    target[inode->size] = 0;
    CHECK(symlinkat(target, dir_fd, name) == 0);
}

static void put_dir(const struct media *image, int index, int dir_fd)
{
    const struct media_inode *inode = &image->inodes[index];

    for (int i = 0; i < inode->name_count; i++) {
        const struct media_name *name = &inode->names[i];
        const struct media_inode *child = &image->inodes[name->inode];
        struct stat st;
        int fd;

        if (child->symlink) {
            put_symlink(child, dir_fd, name->text);
            continue;
        }
        if (!child->directory) {
            put_file(child, name->inode, dir_fd, name->text);
            continue;
        }
        CHECK(mkdirat(dir_fd, name->text, 0700) == 0);
        fd = openat(dir_fd, name->text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(fd >= 0 && fchmod(fd, child->mode) == 0 &&
              fstat(fd, &st) == 0);
        actors[name->inode].number = st.st_ino;
        put_dir(image, name->inode, fd);
        close(fd);
    }
}

void stage_put(const struct media *image)
{
    clear_dir(openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    put_dir(image, MEDIA_ROOT, root_fd);
}

ssize_t stage_read(const char *path, uint8_t *bytes, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return -1;
    got = pread(fd, bytes, max, 0);
    close(fd);
    return got;
}

/* -- a pause -------------------------------------------------------------- */

/* The file that says so is volatile, and not on the stage. */
static bool is_paused;

bool __wrap_vpm_pool_is_paused(struct vpm_pool *pool);

bool __wrap_vpm_pool_is_paused(struct vpm_pool *pool)
{
    (void)pool;
    return is_paused;
}

void stage_pause(bool paused)
{
    is_paused = paused;
}
