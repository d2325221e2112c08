/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c -- making and opening pools */
#include "pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cpuflush.h"
#include "device.h"
#include "error.h"
#include "finish.h"
#include "guard.h"
#include "lock.h"
#include "medium.h"
#include "pause.h"
#include "pool_medium.h"
#include "pool_pause.h"
#include "ring.h"

/* Room that the path of a region's file needs after the pool's. */
#define PATH_TAIL sizeof("/regions/0123456789abcdef/state")

/* -- making -------------------------------------------------------------- */

/* VPM_EEXIST unless every name in the directory is in *allowed*, a list that
 * ends with NULL. */
static int only_these(int dir_fd, const char *dir_path,
                      const char *const *allowed, struct vpm_error *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int rc = VPM_OK;

    if (!dir) {
        rc = vpm_fail_errno(err, "cannot list %s", dir_path);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    while (rc == VPM_OK && (entry = readdir(dir))) {
        const char *const *name = allowed;

        while (*name && strcmp(*name, entry->d_name) != 0)
            name++;
        if (!*name)
            rc = vpm_fail(err, VPM_EEXIST, "%s is not empty: it holds '%s'; "
                          "choose another directory or empty it", dir_path,
                          entry->d_name);
    }
    closedir(dir);
    return rc;
}

/* What a crash of vpm_pool_create leaves behind counts as empty. */
static int check_empty(int dir_fd, const char *path, struct vpm_error *err)
{
    static const char *const unfinished[] = {
        ".", "..", VPM_LOCK_FILE, VPM_REGIONS_DIR, VPM_POOL_FILE_NEW,
        VPM_CONF_FILE, VPM_CONF_FILE_NEW, VPM_PAUSE_FILE, NULL,
    };
    static const char *const nothing[] = {".", "..", NULL};
    int fd, rc;

    if (faccessat(dir_fd, VPM_POOL_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return vpm_fail(err, VPM_EEXIST, "%s holds a pool already; remove it "
                        "first, if its servers' memory can be lost", path);
    rc = only_these(dir_fd, path, unfinished, err);
    if (rc < 0)
        return rc;
    fd = openat(dir_fd, VPM_REGIONS_DIR, O_RDONLY | O_DIRECTORY |
                O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return VPM_OK;
    if (fd < 0)
        return vpm_fail_errno(err, "cannot open %s/%s", path,
                              VPM_REGIONS_DIR);
    rc = only_these(fd, "the directory " VPM_REGIONS_DIR, nothing, err);
    close(fd);
    return rc;
}

/* Finds a wrong number at once.  No promise that the pool will fit. */
static int check_capacity(int dir_fd, const struct vpm_pool_params *params,
                          const char *path, struct vpm_error *err)
{
    struct statvfs fs;
    uint64_t capacity;

    if (fstatvfs(dir_fd, &fs) < 0)
        return vpm_fail_errno(err, "cannot examine %s", path);
    capacity = (uint64_t)fs.f_blocks * fs.f_frsize;
    if (capacity && params->total_size > capacity)
        return vpm_fail(err, VPM_ENOSPC, "a pool of %s does not fit: the "
                        "file system of %s has %s; use a smaller total size",
                        vpm_size_text(params->total_size).text, path,
                        vpm_size_text(capacity).text);
    return VPM_OK;
}

static int sync_parent(int dir_fd)
{
    int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return -1;
    rc = vpm_persist->sync(fd);
    close(fd);
    return rc;
}

static int make_skeleton(int dir_fd, const char *path, struct vpm_error *err)
{
    if (vpm_persist->chmod(dir_fd, 0711) < 0 || sync_parent(dir_fd) < 0)
        return vpm_fail_errno(err, "cannot prepare %s", path);
    if (vpm_persist->mkdir(dir_fd, VPM_REGIONS_DIR, 0711) < 0 &&
        errno != EEXIST)
        return vpm_fail_errno(err, "cannot create %s/%s", path,
                              VPM_REGIONS_DIR);
    if (vpm_pool_pause_make(dir_fd) < 0)
        return vpm_fail_errno(err, "cannot create %s/%s", path,
                              VPM_PAUSE_FILE);
    return VPM_OK;
}

static int create_locked(int dir_fd, const char *path,
                         const struct vpm_pool_params *params,
                         struct vpm_error *err)
{
    int rc = check_empty(dir_fd, path, err);

    if (rc == VPM_OK)
        rc = make_skeleton(dir_fd, path, err);
    if (rc == VPM_OK)
        rc = vpm_poolfile_create(dir_fd, params, err);
    return rc;
}

/* Not synced: it has no contents, and its name becomes durable with that of
 * the pool file. */
static int make_lock_file(int dir_fd)
{
    int fd = vpm_persist->create(dir_fd, VPM_LOCK_FILE, 0600);

    if (fd < 0)
        return errno == EEXIST ? 0 : -1;
    close(fd);
    return 0;
}

static int create_in(int dir_fd, const char *path,
                     const struct vpm_pool_params *params,
                     struct vpm_error *err)
{
    int fd, rc;

    rc = check_capacity(dir_fd, params, path, err);
    if (rc == VPM_OK)
        rc = check_empty(dir_fd, path, err);
    if (rc < 0)
        return rc;
    rc = make_lock_file(dir_fd);
    if (rc < 0)
        return vpm_fail_errno(err, "cannot create %s/%s", path,
                              VPM_LOCK_FILE);
    fd = vpm_lock(dir_fd, VPM_LOCK_FILE);
    if (fd < 0)
        return vpm_fail_errno(err, "cannot lock %s/%s", path, VPM_LOCK_FILE);
    rc = create_locked(dir_fd, path, params, err);
    close(fd);
    return rc;
}

int vpm_pool_create(const char *dir, const struct vpm_pool_params *params,
                    struct vpm_error *err)
{
    int dir_fd;
    int rc = vpm_params_check(params, err);

    if (rc < 0)
        return rc;
    if (vpm_persist->mkdir(AT_FDCWD, dir, 0711) < 0 && errno != EEXIST)
        return vpm_fail_errno(err, "cannot create %s", dir);
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return vpm_fail_errno(err, "cannot open %s", dir);
    rc = create_in(dir_fd, dir, params, err);
    close(dir_fd);
    return rc;
}

/* -- opening ------------------------------------------------------------- */

static int check_toc(struct vpm_pool *pool, struct vpm_error *err)
{
    for (uint32_t i = 0; i < pool->file.conf.descriptors; i++) {
        struct vpm_entry entry;
        int rc = vpm_toc_read(&pool->file, i, &entry, err);

        if (rc < 0)
            return rc;
    }
    return VPM_OK;
}

/* Does not wait for the lock: who has it is about to change something, and
 * whoever allocates next finds what is left.  What cannot be rolled back must
 * not keep servers from the other regions; vpm_pool_check reports it. */
static int mend_if_idle(struct vpm_pool *pool, struct vpm_error *err)
{
    struct vpm_error ignored;
    int fd = vpm_lock_try(pool->dir_fd, VPM_LOCK_FILE);

    if (fd < 0 && errno == EWOULDBLOCK)
        return VPM_OK;
    if (fd < 0)
        return vpm_fail_errno(err, "cannot lock %s/%s", pool->path,
                              VPM_LOCK_FILE);
    vpm_pool_medium_keep(pool);
    close(fd);
    vpm_finish_all(pool, false, false, &ignored);
    return VPM_OK;
}

static int open_dirs(struct vpm_pool *pool, const char *dir,
                     struct vpm_error *err)
{
    char *path = realpath(dir, NULL);
    size_t length;

    if (!path && errno == ENOENT)
        return vpm_fail(err, VPM_ENOENT, "there is no pool %s: format one, "
                        "or mount its file system", dir);
    if (!path)
        return vpm_fail_errno(err, "cannot resolve %s", dir);
    length = strlen(path);
    if (length + PATH_TAIL <= sizeof(pool->path))
        memcpy(pool->path, path, length + 1);
    free(path);
    if (!pool->path[0])
        return vpm_fail(err, VPM_EINVAL, "the path of pool %s has %zu bytes, "
                        "more than %zu", dir, length,
                        sizeof(pool->path) - PATH_TAIL);
    pool->dir_fd = open(pool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pool->dir_fd < 0)
        return vpm_fail_errno(err, "cannot open %s", pool->path);
    return VPM_OK;
}

static int open_pool(struct vpm_pool *pool, const char *dir,
                     struct vpm_error *err)
{
    int rc = open_dirs(pool, dir, err);

    if (rc == VPM_OK)
        rc = vpm_poolfile_open(&pool->file, pool->dir_fd, pool->path, true,
                               err);
    if (rc == VPM_OK)
        rc = vpm_device_verify(pool->file.fd, &pool->file.conf.device,
                               pool->file.path, err);
    if (rc < 0)
        return rc;
    pool->medium = vpm_map_medium(pool->file.fd);
    if (pool->medium == VPM_MEDIUM_UNKNOWN)
        return vpm_fail_errno(err, "cannot examine %s", pool->file.path);
    pool->regions_fd = openat(pool->dir_fd, VPM_REGIONS_DIR, O_RDONLY |
                              O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (pool->regions_fd < 0)
        return vpm_fail_errno(err, "cannot open %s/%s", pool->path,
                              VPM_REGIONS_DIR);
    /* A pool of an earlier libvpm has none; without it there is no pause. */
    vpm_pool_pause_make(pool->dir_fd);
    vpm_ring_open(pool);
    rc = check_toc(pool, err);
    if (rc == VPM_OK)
        rc = mend_if_idle(pool, err);
    return rc;
}

struct vpm_pool *vpm_pool_open(const char *dir, struct vpm_error *err)
{
    struct vpm_pool *pool = calloc(1, sizeof(*pool));

    if (!pool) {
        vpm_fail_errno(err, "cannot open %s", dir);
        return NULL;
    }
    vpm_guard_install();
    pool->dir_fd = -1;
    pool->regions_fd = -1;
    pool->file.fd = -1;
    if (open_pool(pool, dir, err) < 0) {
        vpm_pool_close(pool);
        return NULL;
    }
    return pool;
}

void vpm_pool_close(struct vpm_pool *pool)
{
    if (!pool)
        return;
    vpm_poolfile_close(&pool->file);
    if (pool->regions_fd >= 0)
        close(pool->regions_fd);
    if (pool->dir_fd >= 0)
        close(pool->dir_fd);
    free(pool);
}

int vpm_pool_info(struct vpm_pool *pool, struct vpm_pool_info *info,
                  struct vpm_error *err)
{
    const struct vpm_conf *conf = &pool->file.conf;

    memset(info, 0, sizeof(*info));
    info->version = conf->version;
    memcpy(info->uuid, conf->uuid, sizeof(info->uuid));
    info->total_size = conf->total_size;
    info->state_size = conf->state_size;
    info->page_size = conf->page_size;
    info->descriptors = conf->descriptors;
    info->uid_base = conf->uid_base;
    snprintf(info->medium, sizeof(info->medium), "%s",
             vpm_medium_name(pool->medium));
    snprintf(info->made_on, sizeof(info->made_on), "%s",
             vpm_medium_name(conf->medium));
    snprintf(info->flush, sizeof(info->flush), "%s",
             pool->file.map.memory ? vpm_cpu_flush_name() : "msync");
    memcpy(info->vault, conf->vault, sizeof(info->vault));
    for (uint32_t i = 0; i < conf->descriptors; i++) {
        struct vpm_entry entry;
        int rc = vpm_toc_read(&pool->file, i, &entry, err);

        if (rc < 0)
            return rc;
        if (entry.tag == VPM_TOC_FREE)
            continue;
        info->used_size += entry.body.size;
        if (entry.tag == VPM_TOC_FREEING)
            info->freed_size += entry.body.size;
        info->used_descriptors++;
    }
    return VPM_OK;
}
