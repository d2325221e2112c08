/* SPDX-License-Identifier: Apache-2.0 */
/* files.c -- the files of a region */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "drain.h"
#include "error.h"
#include "paged.h"
#include "regiondir.h"

static int failed(const char *what, const struct vpm_toc_body *body,
                  const char *name, struct vpm_error *err)
{
    if (errno == EAGAIN)
        return vpm_fail(err, VPM_ESYS, "cannot %s %s/%s/%s of '%s': a process "
                        "of the server's user id has a lease on it; end that "
                        "process, or try again in a minute", what,
                        VPM_REGIONS_DIR, vpm_dir_name(body->id).text, name,
                        body->name);
    return vpm_fail_errno(err, "cannot %s %s/%s/%s of '%s'", what,
                          VPM_REGIONS_DIR, vpm_dir_name(body->id).text, name,
                          body->name);
}

static int create_file(const struct vpm_pool *pool, int dir,
                       const struct vpm_toc_body *body, const char *name,
                       uint64_t size, uid_t uid, struct vpm_error *err)
{
    int fd = vpm_persist->create(dir, name, 0600);
    int rc = VPM_OK;

    if (fd < 0)
        return failed("create", body, name, err);
    if (uid && vpm_persist->chown(fd, uid) < 0)
        rc = failed("give its own user id to", body, name, err);
    else if (vpm_dir_reserve(pool, fd, 0, size) < 0 ||
             vpm_persist->sync(fd) < 0)
        rc = failed("reserve space for", body, name, err);
    close(fd);
    return rc;
}

int vpm_files_create_dir(struct vpm_pool *pool,
                         const struct vpm_toc_body *body,
                         struct vpm_error *err)
{
    if (vpm_persist->mkdir(pool->regions_fd, vpm_dir_name(body->id).text,
                           0711) < 0)
        return failed("create", body, "", err);
    return VPM_OK;
}

int vpm_files_create(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     const char *swap_dir, bool keep_swap,
                     struct vpm_error *err)
{
    uint32_t base = pool->file.conf.uid_base;
    uid_t uid = base ? base + body->descriptor : 0;
    int dir, rc;

    if (vpm_persist->sync(pool->regions_fd) < 0)
        return failed("create", body, "", err);
    dir = vpm_dir_open(pool->regions_fd, body->id);
    if (dir < 0)
        return failed("open", body, "", err);
    rc = create_file(pool, dir, body, VPM_RAM_FILE, body->size, uid, err);
    if (rc == VPM_OK)
        rc = create_file(pool, dir, body, VPM_STATE_FILE,
                         pool->file.conf.state_size, 0, err);
    if (rc == VPM_OK && body->virtual_size)
        rc = vpm_paged_create(pool, dir, body, swap_dir, uid, keep_swap, err);
    if (rc == VPM_OK && vpm_persist->sync(dir) < 0)
        rc = failed("make durable", body, "", err);
    close(dir);
    return rc;
}

static int scrub_file(struct vpm_pool *pool, const struct vpm_toc_body *body,
                      const char *name, struct vpm_error *err)
{
    int fd = vpm_dir_open_file(pool->regions_fd, body->id, name, O_RDWR);
    int rc = VPM_OK;

    if (fd < 0 && errno == ENOENT)
        return VPM_OK;
    if (fd < 0)
        return failed("open", body, name, err);
    if (vpm_dir_zero_data(fd, 0) < 0)
        rc = failed("scrub", body, name, err);
    close(fd);
    return rc;
}

int vpm_files_scrub(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    struct vpm_error *err)
{
    int rc = scrub_file(pool, body, VPM_STATE_FILE, err);

    if (rc == VPM_OK)
        rc = scrub_file(pool, body, VPM_RAM_FILE, err);
    if (rc == VPM_OK && body->virtual_size)
        rc = vpm_paged_scrub(pool->regions_fd, body, err);
    return rc;
}

/* -- freeing ------------------------------------------------------------- */

static int drain_file(struct vpm_pool *pool, const struct vpm_toc_body *body,
                      const char *name, bool urgent, bool *left,
                      struct vpm_error *err)
{
    int fd = *left ? -1 : vpm_dir_open_file(pool->regions_fd, body->id, name,
                                            O_RDWR);
    int rc = VPM_OK;

    if (*left || (fd < 0 && errno == ENOENT))
        return VPM_OK;
    if (fd < 0)
        return failed("open", body, name, err);
    if (vpm_drain(pool, fd, urgent, left) < 0)
        rc = failed("scrub", body, name, err);
    close(fd);
    return rc;
}

int vpm_files_drain(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    bool urgent, bool *left, struct vpm_error *err)
{
    static const char *const names[] = {
        VPM_STATE_FILE, VPM_RAM_FILE, VPM_VIRTUAL_FILE,
    };
    int rc = VPM_OK;

    for (size_t i = 0; rc == VPM_OK && i < (body->virtual_size ? 3 : 2); i++)
        rc = drain_file(pool, body, names[i], urgent, left, err);
    if (rc == VPM_OK && body->virtual_size && !*left)
        rc = vpm_paged_drain(pool, body, urgent, left, err);
    return rc;
}

/* -- restoring sizes ----------------------------------------------------- */

static int restore_file(struct vpm_pool *pool,
                        const struct vpm_toc_body *body, const char *name,
                        uint64_t size, struct vpm_error *err)
{
    int fd = vpm_dir_open_file(pool->regions_fd, body->id, name, O_RDWR);
    int rc = VPM_OK;

    if (fd < 0)
        return failed("open", body, name, err);
    if (vpm_dir_restore(pool, fd, size) < 0)
        rc = failed("restore the size of", body, name, err);
    close(fd);
    return rc;
}

int vpm_files_restore_size(struct vpm_pool *pool,
                           const struct vpm_toc_body *body,
                           struct vpm_error *err)
{
    int rc = restore_file(pool, body, VPM_STATE_FILE,
                          pool->file.conf.state_size, err);

    if (rc == VPM_OK)
        rc = restore_file(pool, body, VPM_RAM_FILE, body->size, err);
    if (rc == VPM_OK && body->virtual_size)
        rc = vpm_paged_reset(pool, body, err);
    return rc;
}

static int unlink_file(int dir, const struct vpm_toc_body *body,
                       const char *name, struct vpm_error *err)
{
    if (vpm_persist->unlink(dir, name, 0) < 0 && errno != ENOENT)
        return failed("remove", body, name, err);
    return VPM_OK;
}

int vpm_files_remove(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     struct vpm_error *err)
{
    int dir = vpm_dir_open(pool->regions_fd, body->id);
    int rc;

    if (dir < 0 && errno == ENOENT)
        return VPM_OK;
    if (dir < 0)
        return failed("open", body, "", err);
    rc = unlink_file(dir, body, VPM_RAM_FILE, err);
    if (rc == VPM_OK && body->virtual_size)
        rc = vpm_paged_remove(dir, body, err);
    if (rc == VPM_OK)
        rc = unlink_file(dir, body, VPM_STATE_FILE, err);
    close(dir);
    if (rc < 0)
        return rc;
    if (vpm_persist->unlink(pool->regions_fd, vpm_dir_name(body->id).text,
                            AT_REMOVEDIR) < 0 ||
        vpm_persist->sync(pool->regions_fd) < 0)
        return failed("remove", body, "", err);
    return VPM_OK;
}

static bool known_name(const char *name, bool is_vpm)
{
    static const char *const names[] = {
        ".", "..", VPM_RAM_FILE, VPM_STATE_FILE,
        VPM_PPT_FILE, VPM_VIRTUAL_FILE, VPM_SWAP_LINK,
    };

    for (int i = 0; i < (is_vpm ? 7 : 4); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

int vpm_files_known(int regions_fd, const struct vpm_toc_body *body,
                    struct vpm_error *err)
{
    uint64_t id = body->id;
    int fd = vpm_dir_open(regions_fd, id);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int rc = VPM_OK;

    if (!dir) {
        rc = vpm_fail_errno(err, "cannot list %s/%s", VPM_REGIONS_DIR,
                            vpm_dir_name(id).text);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    while (rc == VPM_OK && (entry = readdir(dir)))
        if (!known_name(entry->d_name, body->virtual_size != 0))
            rc = vpm_fail(err, VPM_ECORRUPT, "%s/%s/%s was not made by "
                          "libvpm: move it away", VPM_REGIONS_DIR,
                          vpm_dir_name(id).text, entry->d_name);
    closedir(dir);
    return rc;
}
