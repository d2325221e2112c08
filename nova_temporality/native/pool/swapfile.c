/* SPDX-License-Identifier: Apache-2.0 */
/* swapfile.c -- the swap file of a VPM region */
#include "swapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drain.h"
#include "error.h"
#include "ppt.h"
#include "regiondir.h"

/* Where a swap file is, taken apart. */
struct place {
    char dir[VPM_PATH_MAX + 1];
    char name[64];
};

static int failed(const char *what, const struct vpm_toc_body *body,
                  struct vpm_error *err)
{
    return vpm_fail_errno(err, "cannot %s the file %s of VPM region %016"
                          PRIx64 " of '%s'", what, VPM_SWAP_LINK, body->id,
                          body->name);
}

int vpm_swapfile_check_dir(const char *dir, struct vpm_error *err)
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

int vpm_swapfile_path(int regions_fd, uint64_t id, char *path, size_t size)
{
    int dir = vpm_dir_open(regions_fd, id);
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
    fd = openat(place_fd, place.name, O_RDWR | O_NONBLOCK | O_NOFOLLOW |
                O_CLOEXEC);
    saved = errno;
    close(place_fd);
    errno = saved;
    return fd;
}

int vpm_swapfile_inode(int dir, uint64_t *inode)
{
    struct stat st;
    int fd = open_swap(dir);
    int rc = fd < 0 ? -1 : fstat(fd, &st);

    if (fd >= 0)
        close(fd);
    if (rc == 0)
        *inode = st.st_ino;
    return rc;
}

/* -- making -------------------------------------------------------------- */

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

/* The space is reserved and not written: unlike NVRAM, it is not mapped. */
static int create_swap(int dir, const struct vpm_toc_body *body, uid_t uid,
                       uint64_t *inode)
{
    struct vpm_shape shape = vpm_body_shape(body);
    struct place place;
    int place_fd = open_place(dir, &place);
    int fd, rc = -1, saved;

    if (place_fd < 0)
        return -1;
    fd = vpm_dir_new_file(place_fd, place.name, uid);
    if (fd >= 0)
        rc = vpm_dir_finish_file(fd, vpm_persist->allocate(
            fd, shape.slots * shape.page_size), inode);
    if (rc == 0)
        rc = vpm_persist->sync(place_fd);
    saved = errno;
    close(place_fd);
    errno = saved;
    return rc;
}

int vpm_swapfile_create(int dir, const struct vpm_toc_body *body,
                        const char *swap_dir, uid_t uid, bool keep,
                        uint64_t *inode, struct vpm_error *err)
{
    if (link_swap(dir, body, swap_dir) < 0)
        return failed("create the link to", body, err);
    if (keep && vpm_swapfile_inode(dir, inode) == 0)
        return VPM_OK;
    if (create_swap(dir, body, uid, inode) < 0)
        return vpm_fail_errno(err, "cannot make a swap file of %s for '%s' "
                              "in %s: its file system must have that much "
                              "free", vpm_size_text(
                                  vpm_body_shape(body).slots *
                                  body->vpm_page_size).text, body->name,
                              swap_dir);
    return VPM_OK;
}

/* -- scrubbing ----------------------------------------------------------- */

static int cannot_open(const struct vpm_toc_body *body,
                       struct vpm_error *err)
{
    if (errno == ESTALE)
        return vpm_fail(err, VPM_ESYS, "the directory of the swap file of "
                        "VPM region %016" PRIx64 " of '%s' is not there: "
                        "mount its file system", body->id, body->name);
    return failed("open", body, err);
}

int vpm_swapfile_scrub(int dir, const struct vpm_toc_body *body,
                       struct vpm_error *err)
{
    int fd = open_swap(dir);
    int rc = VPM_OK;

    if (fd < 0 && (errno == ENOENT || errno == ENODATA))
        return VPM_OK;
    if (fd < 0)
        return cannot_open(body, err);
    if (vpm_dir_zero_data(fd, 0) < 0 || vpm_persist->sync(fd) < 0)
        rc = failed("scrub", body, err);
    close(fd);
    return rc;
}

int vpm_swapfile_drain(struct vpm_pool *pool, int dir,
                       const struct vpm_toc_body *body, bool urgent,
                       bool *left, struct vpm_error *err)
{
    int fd = open_swap(dir);
    int rc = VPM_OK;

    if (fd < 0 && (errno == ENOENT || errno == ENODATA))
        return VPM_OK;
    if (fd < 0)
        return cannot_open(body, err);
    if (vpm_drain(pool, fd, urgent, left) < 0)
        rc = failed("scrub", body, err);
    close(fd);
    return rc;
}

/* -- restoring the size -------------------------------------------------- */

int vpm_swapfile_restore(int dir, const struct vpm_toc_body *body,
                         struct vpm_error *err)
{
    struct vpm_shape shape = vpm_body_shape(body);
    uint64_t length = shape.slots * shape.page_size;
    int fd = open_swap(dir);
    int rc = VPM_OK;

    if (fd < 0)
        return cannot_open(body, err);
    if (vpm_dir_set_size(fd, length) < 0 ||
        vpm_persist->allocate(fd, length) < 0)
        rc = failed("restore the size of", body, err);
    close(fd);
    return rc;
}

/* -- removing ------------------------------------------------------------ */

int vpm_swapfile_remove(int dir, const struct vpm_toc_body *body,
                        struct vpm_error *err)
{
    struct place place;
    int place_fd = open_place(dir, &place);
    int rc = VPM_OK;

    if (place_fd < 0 && errno == ENODATA)
        return VPM_OK;
    if (place_fd < 0)
        return failed("open the directory of", body, err);
    if ((vpm_persist->unlink(place_fd, place.name, 0) < 0 &&
         errno != ENOENT) || vpm_persist->sync(place_fd) < 0)
        rc = failed("remove", body, err);
    close(place_fd);
    return rc;
}
