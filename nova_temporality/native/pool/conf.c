/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c -- CONF, in the pool file, and its copy beside that */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "error.h"
#include "persist.h"

static uint32_t conf_crc(const struct vpm_conf *conf)
{
    return vpm_crc32c(0, conf, offsetof(struct vpm_conf, crc));
}

void vpm_conf_seal(struct vpm_conf *conf)
{
    conf->crc = conf_crc(conf);
}

int vpm_conf_check(const struct vpm_conf *conf, const char *path,
                   struct vpm_error *err)
{
    if (memcmp(conf->magic, VPM_CONF_MAGIC, sizeof(conf->magic)))
        return vpm_fail(err, VPM_EFOREIGN, "%s is no pool file: the magic at "
                        "offset 0 is wrong", path);
    if (conf->crc != conf_crc(conf))
        return vpm_fail(err, VPM_ECORRUPT, "%s is damaged: CONF (offset 0) "
                        "has checksum 0x%08" PRIx32 " but says 0x%08" PRIx32
                        " (offset %zu)", path, conf_crc(conf), conf->crc,
                        offsetof(struct vpm_conf, crc));
    return VPM_OK;
}

bool vpm_conf_read_copy(int dir_fd, uint64_t inode, struct vpm_conf *conf)
{
    int fd = openat(dir_fd, VPM_CONF_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct vpm_error ignored;
    ssize_t got;

    if (fd < 0)
        return false;
    got = pread(fd, conf, sizeof(*conf), 0);
    close(fd);
    return got == sizeof(*conf) && conf->device.inode == inode &&
        vpm_conf_check(conf, VPM_CONF_FILE, &ignored) == VPM_OK;
}

static int write_all(int fd, const struct vpm_conf *conf)
{
    const struct iovec iov = {(void *)conf, sizeof(*conf)};

    if (vpm_persist->write(fd, 0, &iov, 1) < 0)
        return -1;
    return vpm_persist->sync(fd);
}

static int make_copy(int dir_fd, const struct vpm_conf *conf)
{
    int fd = vpm_persist->create(dir_fd, VPM_CONF_FILE_NEW, 0600);
    int rc, saved;

    if (fd < 0)
        return -1;
    rc = vpm_persist->allocate(fd, sizeof(*conf));
    if (rc == 0)
        rc = write_all(fd, conf);
    saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

int vpm_conf_write_copy(int dir_fd, const struct vpm_conf *conf)
{
    if (vpm_persist->unlink(dir_fd, VPM_CONF_FILE_NEW, 0) < 0 &&
        errno != ENOENT)
        return -1;
    if (make_copy(dir_fd, conf) < 0)
        return -1;
    return vpm_persist->rename(dir_fd, VPM_CONF_FILE_NEW, VPM_CONF_FILE);
}

int vpm_conf_write(int pool_fd, const struct vpm_conf *conf)
{
    return write_all(pool_fd, conf);
}
