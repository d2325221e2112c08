/* SPDX-License-Identifier: Apache-2.0 */
/* swapfile.c -- the files that only a VPM region has */
#include "swapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "files.h"
#include "ppt.h"

/* Where a swap file is, taken apart. */
struct place {
    char dir[VPM_PATH_MAX + 1];
    char name[64];
};

static int failed(const char *what, const struct vpm_toc_body *body,
                  const char *name, struct vpm_error *err)
{
    return vpm_fail_errno(err, "cannot %s the file %s of VPM region %016"
                          PRIx64 " of '%s'", what, name, body->id,
                          body->name);
}

int vpm_swap_dir_check(const char *dir, struct vpm_error *err)
{
    struct stat st;

    if (dir[0] != '/' || strlen(dir) + sizeof("/id-incarnation") + 32 >
        VPM_PATH_MAX)
        return vpm_fail(err, VPM_EINVAL, "swap directory '%.200s' is not an "
                        "absolute path of at most %d bytes", dir,
                        VPM_PATH_MAX - 48);
    if (stat(dir, &st) < 0)
        return vpm_fail_errno(err, "cannot examine swap directory %s", dir);
    if (!S_ISDIR(st.st_mode) || st.st_mode & 022)
        return vpm_fail(err, VPM_EINVAL, "swap directory %s has mode 0%o; it "
                        "must be a directory in which only its owner can "
                        "make files (0711, so that servers can enter it)",
                        dir, st.st_mode);
    return VPM_OK;
}

/* -- finding the swap file ----------------------------------------------- */

static int read_link(int dir, char *path, size_t size)
{
    ssize_t length = readlinkat(dir, VPM_SWAP_LINK, path, size - 1);

    if (length < 0)
        return -1;
    path[length] = 0;
    return 0;
}

int vpm_swap_path(int regions_fd, uint64_t id, char *path, size_t size)
{
    int dir = vpm_files_open_dir(regions_fd, id);
    int rc = dir < 0 ? -1 : read_link(dir, path, size);
    int saved = errno;

    if (rc < 0)
        path[0] = 0;
    if (dir >= 0)
        close(dir);
    errno = saved;
    return rc;
}

/* The directory of the swap file and its name in it: a file descriptor, or -1
 * with errno.  ENODATA: no link says where. */
static int open_place(int dir, struct place *place)
{
    char *slash;

    if (read_link(dir, place->dir, sizeof(place->dir)) < 0) {
        if (errno == ENOENT)
            errno = ENODATA;
        return -1;
    }
    slash = strrchr(place->dir, '/');
    if (!slash || strlen(slash + 1) >= sizeof(place->name)) {
        errno = EINVAL;
        return -1;
    }
    strcpy(place->name, slash + 1);
    *slash = 0;
    return open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The same for the file itself.  ENOENT: the file, and not its directory, is
 * missing; the directory is ESTALE. */
static int open_swap(int dir)
{
    struct place place;
    int place_fd = open_place(dir, &place);
    int fd, saved;

    if (place_fd < 0) {
        if (errno == ENOENT)
            errno = ESTALE;
        return -1;
    }
    fd = openat(place_fd, place.name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    saved = errno;
    close(place_fd);
    errno = saved;
    return fd;
}

/* -- making -------------------------------------------------------------- */

static int new_file(int dir, const char *name, uid_t uid)
{
    int fd = vpm_persist->create(dir, name, 0600);
    int saved;

    if (fd < 0 || !uid || vpm_persist->chown(fd, uid) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int finish_file(int fd, int rc, uint64_t *inode)
{
    struct stat st;
    int saved;

    if (rc == 0)
        rc = vpm_persist->sync(fd);
    if (rc == 0)
        rc = fstat(fd, &st);
    if (rc == 0)
        *inode = st.st_ino;
    saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static int create_virtual(int dir, const struct vpm_toc_body *body,
                          uid_t uid, uint64_t *inode)
{
    int fd = new_file(dir, VPM_VIRTUAL_FILE, uid);

    return fd < 0 ? -1 :
        finish_file(fd, vpm_persist->truncate(fd, body->virtual_size), inode);
}

/* Reserved, not written: the blocks of a disk are no matter of faults. */
static int create_swap(int dir, const struct vpm_toc_body *body, uid_t uid,
                       uint64_t *inode)
{
    struct vpm_shape shape = vpm_body_shape(body);
    struct place place;
    int place_fd = open_place(dir, &place);
    int fd, rc = -1, saved;

    if (place_fd < 0)
        return -1;
    fd = new_file(place_fd, place.name, uid);
    if (fd >= 0)
        rc = finish_file(fd, vpm_persist->allocate(
            fd, shape.slots * shape.page_size), inode);
    if (rc == 0)
        rc = vpm_persist->sync(place_fd);
    saved = errno;
    close(place_fd);
    errno = saved;
    return rc;
}

static int link_swap(int dir, const struct vpm_toc_body *body,
                     const char *swap_dir)
{
    char target[VPM_PATH_MAX + 1];

    snprintf(target, sizeof(target), "%s/%016" PRIx64 "-%016" PRIx64,
             swap_dir, body->id, body->incarnation);
    if (vpm_persist->symlink(target, dir, VPM_SWAP_LINK) < 0)
        return -1;
    return vpm_persist->sync(dir);
}

static int create_ppt(struct vpm_pool *pool, int dir,
                      const struct vpm_toc_body *body,
                      const struct vpm_ppt_files *files, uid_t uid,
                      struct vpm_error *err)
{
    struct vpm_shape shape = vpm_body_shape(body);
    int fd = new_file(dir, VPM_PPT_FILE, uid);
    int rc = VPM_OK;

    if (fd < 0)
        return failed("create", body, VPM_PPT_FILE, err);
    if (vpm_files_reserve(pool, fd, 0, shape.length) < 0)
        rc = failed("reserve space for", body, VPM_PPT_FILE, err);
    if (rc == VPM_OK)
        rc = vpm_ppt_format(fd, &pool->file.conf, body, files, err);
    close(fd);
    return rc;
}

static int ram_inode(int dir, uint64_t *inode)
{
    struct stat st;

    if (fstatat(dir, VPM_RAM_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    *inode = st.st_ino;
    return 0;
}

int vpm_swap_create(struct vpm_pool *pool, int dir,
                    const struct vpm_toc_body *body, const char *swap_dir,
                    uid_t uid, struct vpm_error *err)
{
    struct vpm_ppt_files files;

    if (ram_inode(dir, &files.ram_inode) < 0)
        return failed("examine", body, VPM_RAM_FILE, err);
    if (create_virtual(dir, body, uid, &files.virtual_inode) < 0)
        return failed("create", body, VPM_VIRTUAL_FILE, err);
    if (link_swap(dir, body, swap_dir) < 0)
        return failed("create the link to", body, VPM_SWAP_LINK, err);
    if (create_swap(dir, body, uid, &files.swap_inode) < 0)
        return vpm_fail_errno(err, "cannot make a swap file of %s for '%s' "
                              "in %s: its file system must have that much "
                              "free", vpm_size_text(
                                  vpm_body_shape(body).slots *
                                  body->vpm_page_size).text, body->name,
                              swap_dir);
    return create_ppt(pool, dir, body, &files, uid, err);
}

/* -- scrubbing ----------------------------------------------------------- */

static int cannot_open(const struct vpm_toc_body *body,
                       struct vpm_error *err)
{
    if (errno == ESTALE)
        return vpm_fail(err, VPM_ESYS, "the directory of the swap file of "
                        "VPM region %016" PRIx64 " of '%s' is not there: "
                        "mount its file system", body->id, body->name);
    return failed("open", body, VPM_SWAP_LINK, err);
}

static int scrub_swap(int dir, const struct vpm_toc_body *body,
                      struct vpm_error *err)
{
    int fd = open_swap(dir);
    int rc = VPM_OK;

    if (fd < 0 && (errno == ENOENT || errno == ENODATA))
        return VPM_OK;
    if (fd < 0)
        return cannot_open(body, err);
    if (vpm_files_zero_data(fd) < 0 || vpm_persist->sync(fd) < 0)
        rc = failed("scrub", body, VPM_SWAP_LINK, err);
    close(fd);
    return rc;
}

int vpm_swap_scrub(int regions_fd, const struct vpm_toc_body *body,
                   struct vpm_error *err)
{
    int dir = vpm_files_open_dir(regions_fd, body->id);
    int rc;

    if (dir < 0 && errno == ENOENT)
        return VPM_OK;
    if (dir < 0)
        return failed("open the directory of", body, VPM_SWAP_LINK, err);
    rc = scrub_swap(dir, body, err);
    close(dir);
    return rc;
}

/* -- restoring sizes ------------------------------------------------------ */

static int restore_swap(int dir, const struct vpm_toc_body *body,
                        struct vpm_error *err)
{
    struct vpm_shape shape = vpm_body_shape(body);
    uint64_t length = shape.slots * shape.page_size;
    int fd = open_swap(dir);
    int rc = VPM_OK;

    if (fd < 0)
        return cannot_open(body, err);
    if (vpm_persist->truncate(fd, length) < 0 ||
        vpm_persist->allocate(fd, length) < 0)
        rc = failed("restore the size of", body, VPM_SWAP_LINK, err);
    close(fd);
    return rc;
}

static int restore_virtual(int dir, const struct vpm_toc_body *body,
                           struct vpm_error *err)
{
    int fd = openat(dir, VPM_VIRTUAL_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    int rc = VPM_OK;

    if (fd < 0 || vpm_persist->truncate(fd, body->virtual_size) < 0 ||
        vpm_persist->sync(fd) < 0)
        rc = failed("restore the size of", body, VPM_VIRTUAL_FILE, err);
    if (fd >= 0)
        close(fd);
    return rc;
}

int vpm_swap_restore(int regions_fd, const struct vpm_toc_body *body,
                     struct vpm_error *err)
{
    int dir = vpm_files_open_dir(regions_fd, body->id);
    int rc;

    if (dir < 0)
        return failed("open the directory of", body, VPM_SWAP_LINK, err);
    rc = restore_swap(dir, body, err);
    if (rc == VPM_OK)
        rc = restore_virtual(dir, body, err);
    close(dir);
    return rc;
}

/* -- resetting ----------------------------------------------------------- */

static int file_inodes(int dir, struct vpm_ppt_files *files)
{
    struct stat st;
    int fd = open_swap(dir);
    int rc = fd < 0 ? -1 : fstat(fd, &st);

    if (fd >= 0)
        close(fd);
    if (rc < 0)
        return -1;
    files->swap_inode = st.st_ino;
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
    return vpm_persist->sync(fd);
}

/* All of it is made anew, because a server's user id can write to it. */
static int reset_ppt(struct vpm_pool *pool, int dir,
                     const struct vpm_toc_body *body, struct vpm_error *err)
{
    struct vpm_shape shape = vpm_body_shape(body);
    struct vpm_ppt_files files;
    int fd = openat(dir, VPM_PPT_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
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

int vpm_swap_reset(struct vpm_pool *pool, const struct vpm_toc_body *body,
                   struct vpm_error *err)
{
    int dir = vpm_files_open_dir(pool->regions_fd, body->id);
    int rc;

    if (dir < 0)
        return failed("open the directory of", body, VPM_PPT_FILE, err);
    rc = reset_ppt(pool, dir, body, err);
    close(dir);
    return rc;
}

/* -- removing ------------------------------------------------------------ */

static int remove_swap(int dir, const struct vpm_toc_body *body,
                       struct vpm_error *err)
{
    struct place place;
    int place_fd = open_place(dir, &place);
    int rc = VPM_OK;

    if (place_fd < 0 && errno == ENODATA)
        return VPM_OK;
    if (place_fd < 0)
        return failed("open the directory of", body, VPM_SWAP_LINK, err);
    if ((vpm_persist->unlink(place_fd, place.name, 0) < 0 &&
         errno != ENOENT) || vpm_persist->sync(place_fd) < 0)
        rc = failed("remove", body, VPM_SWAP_LINK, err);
    close(place_fd);
    return rc;
}

int vpm_swap_remove(int dir, const struct vpm_toc_body *body,
                    struct vpm_error *err)
{
    static const char *const names[] = {
        VPM_SWAP_LINK, VPM_PPT_FILE, VPM_VIRTUAL_FILE,
    };
    int rc = remove_swap(dir, body, err);

    for (size_t i = 0; rc == VPM_OK && i < 3; i++)
        if (vpm_persist->unlink(dir, names[i], 0) < 0 && errno != ENOENT)
            rc = failed("remove", body, names[i], err);
    return rc;
}

/* -- reading ------------------------------------------------------------- */

int vpm_swap_read_status(struct vpm_pool *pool,
                         const struct vpm_toc_body *body,
                         struct vpm_ppt_status *status, struct vpm_error *err)
{
    int fd = vpm_files_open(pool->regions_fd, body->id, VPM_PPT_FILE,
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
