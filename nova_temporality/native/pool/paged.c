/* SPDX-License-Identifier: Apache-2.0 */
/* paged.c -- the files that only a VPM region has */
#include "paged.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "ppt.h"
#include "regiondir.h"
#include "swapfile.h"

static int failed(const char *what, const struct vpm_toc_body *body,
                  const char *name, struct vpm_error *err)
{
    return vpm_fail_errno(err, "cannot %s the file %s of VPM region %016"
                          PRIx64 " of '%s'", what, name, body->id,
                          body->name);
}

static int ram_inode(int dir, uint64_t *inode)
{
    struct stat st;

    if (fstatat(dir, VPM_RAM_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    *inode = st.st_ino;
    return 0;
}

/* -- making -------------------------------------------------------------- */

static int create_virtual(int dir, const struct vpm_toc_body *body,
                          uid_t uid, uint64_t *inode)
{
    int fd = vpm_dir_new_file(dir, VPM_VIRTUAL_FILE, uid);

    return fd < 0 ? -1 :
        vpm_dir_finish_file(fd, vpm_persist->truncate(
            fd, body->virtual_size), inode);
}

static int create_ppt(struct vpm_pool *pool, int dir,
                      const struct vpm_toc_body *body,
                      const struct vpm_ppt_files *files, uid_t uid,
                      struct vpm_error *err)
{
    struct vpm_shape shape = vpm_body_shape(body);
    int fd = vpm_dir_new_file(dir, VPM_PPT_FILE, uid);
    int rc = VPM_OK;

    if (fd < 0)
        return failed("create", body, VPM_PPT_FILE, err);
    if (vpm_dir_reserve(pool, fd, 0, shape.length) < 0)
        rc = failed("reserve space for", body, VPM_PPT_FILE, err);
    if (rc == VPM_OK)
        rc = vpm_ppt_format(fd, &pool->file.conf, body, files, err);
    close(fd);
    return rc;
}

int vpm_paged_create(struct vpm_pool *pool, int dir,
                     const struct vpm_toc_body *body, const char *swap_dir,
                     uid_t uid, bool keep_swap, struct vpm_error *err)
{
    struct vpm_ppt_files files;
    int rc;

    if (ram_inode(dir, &files.ram_inode) < 0)
        return failed("examine", body, VPM_RAM_FILE, err);
    if (create_virtual(dir, body, uid, &files.virtual_inode) < 0)
        return failed("create", body, VPM_VIRTUAL_FILE, err);
    rc = vpm_swapfile_create(dir, body, swap_dir, uid, keep_swap,
                             &files.swap_inode, err);
    return rc < 0 ? rc : create_ppt(pool, dir, body, &files, uid, err);
}

/* -- scrubbing ----------------------------------------------------------- */

int vpm_paged_scrub(int regions_fd, const struct vpm_toc_body *body,
                    struct vpm_error *err)
{
    int dir = vpm_dir_open(regions_fd, body->id);
    int rc;

    if (dir < 0 && errno == ENOENT)
        return VPM_OK;
    if (dir < 0)
        return failed("open the directory of", body, VPM_SWAP_LINK, err);
    rc = vpm_swapfile_scrub(dir, body, err);
    close(dir);
    return rc;
}

int vpm_paged_drain(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    bool urgent, bool *left, struct vpm_error *err)
{
    int dir = vpm_dir_open(pool->regions_fd, body->id);
    int rc;

    if (dir < 0 && errno == ENOENT)
        return VPM_OK;
    if (dir < 0)
        return failed("open the directory of", body, VPM_SWAP_LINK, err);
    rc = vpm_swapfile_drain(pool, dir, body, urgent, left, err);
    close(dir);
    return rc;
}

/* -- restoring sizes ----------------------------------------------------- */

static int restore_virtual(int dir, const struct vpm_toc_body *body,
                           struct vpm_error *err)
{
    struct stat st;
    int fd = openat(dir, VPM_VIRTUAL_FILE, O_RDWR | O_NONBLOCK | O_NOFOLLOW |
                    O_CLOEXEC);
    int rc = VPM_OK;

    if (fd < 0 || fstat(fd, &st) < 0 ||
        /* Nothing is ever written to it, unless by a server's user id. */
        (st.st_blocks && vpm_dir_set_size(fd, 0) < 0) ||
        vpm_dir_set_size(fd, body->virtual_size) < 0 ||
        vpm_persist->sync(fd) < 0)
        rc = failed("restore the size of", body, VPM_VIRTUAL_FILE, err);
    if (fd >= 0)
        close(fd);
    return rc;
}

int vpm_paged_restore(int regions_fd, const struct vpm_toc_body *body,
                      struct vpm_error *err)
{
    int dir = vpm_dir_open(regions_fd, body->id);
    int rc;

    if (dir < 0)
        return failed("open the directory of", body, VPM_SWAP_LINK, err);
    rc = vpm_swapfile_restore(dir, body, err);
    if (rc == VPM_OK)
        rc = restore_virtual(dir, body, err);
    close(dir);
    return rc;
}

/* -- resetting ----------------------------------------------------------- */

static int file_inodes(int dir, struct vpm_ppt_files *files)
{
    struct stat st;

    if (vpm_swapfile_inode(dir, &files->swap_inode) < 0)
        return -1;
    if (fstatat(dir, VPM_VIRTUAL_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    files->virtual_inode = st.st_ino;
    return ram_inode(dir, &files->ram_inode);
}

/* Nothing of a half reset table looks damaged: the header stays, and the
 * pages that are still named are zero or in slots that were scrubbed. */
static int zero_tables(int fd, const struct vpm_shape *shape)
{
    uint64_t from = sizeof(struct vpm_ppt_header);

    if (vpm_persist->truncate(fd, shape->length) < 0 ||
        vpm_persist->allocate(fd, shape->length) < 0 ||
        vpm_persist->zero(fd, from, shape->length - from) < 0)
        return -1;
    return 0;
}

/* All of it is made anew, because a server's user id can write to it. */
static int reset_ppt(struct vpm_pool *pool, int dir,
                     const struct vpm_toc_body *body, struct vpm_error *err)
{
    struct vpm_shape shape = vpm_body_shape(body);
    struct vpm_ppt_files files;
    int fd = openat(dir, VPM_PPT_FILE, O_RDWR | O_NONBLOCK | O_NOFOLLOW |
                    O_CLOEXEC);
    int rc = VPM_OK;

    if (fd < 0)
        return failed("open", body, VPM_PPT_FILE, err);
    if (file_inodes(dir, &files) < 0)
        rc = failed("examine", body, VPM_SWAP_LINK, err);
    else if (zero_tables(fd, &shape) < 0)
        rc = failed("reset", body, VPM_PPT_FILE, err);
    if (rc == VPM_OK)
        rc = vpm_ppt_format(fd, &pool->file.conf, body, &files, err);
    close(fd);
    return rc;
}

int vpm_paged_reset(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    struct vpm_error *err)
{
    int dir = vpm_dir_open(pool->regions_fd, body->id);
    int rc;

    if (dir < 0)
        return failed("open the directory of", body, VPM_PPT_FILE, err);
    rc = reset_ppt(pool, dir, body, err);
    close(dir);
    return rc;
}

/* -- removing ------------------------------------------------------------ */

int vpm_paged_remove(int dir, const struct vpm_toc_body *body,
                     struct vpm_error *err)
{
    static const char *const names[] = {
        VPM_SWAP_LINK, VPM_PPT_FILE, VPM_VIRTUAL_FILE,
    };
    int rc = vpm_swapfile_remove(dir, body, err);

    for (size_t i = 0; rc == VPM_OK && i < 3; i++)
        if (vpm_persist->unlink(dir, names[i], 0) < 0 && errno != ENOENT)
            rc = failed("remove", body, names[i], err);
    return rc;
}

/* -- reading ------------------------------------------------------------- */

int vpm_paged_read_status(struct vpm_pool *pool,
                          const struct vpm_toc_body *body,
                          struct vpm_ppt_status *status,
                          struct vpm_error *err)
{
    int fd = vpm_dir_open_file(pool->regions_fd, body->id, VPM_PPT_FILE,
                               O_RDONLY);
    char path[64];
    int rc;

    if (fd < 0)
        return failed("open", body, VPM_PPT_FILE, err);
    snprintf(path, sizeof(path), "%s/%s/%s", VPM_REGIONS_DIR,
             vpm_dir_name(body->id).text, VPM_PPT_FILE);
    rc = vpm_ppt_read_status(fd, &pool->file.conf, body, path, status, err);
    close(fd);
    return rc;
}
