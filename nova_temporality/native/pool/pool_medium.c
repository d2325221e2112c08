/* SPDX-License-Identifier: Apache-2.0 */
/* pool_medium.c -- on what a pool was made, and whether it lies there */
#include "pool_medium.h"

#include <unistd.h>

#include "conf.h"
#include "error.h"
#include "lock.h"
#include "medium.h"

int vpm_pool_check_medium(struct vpm_pool *pool, struct vpm_error *err)
{
    uint32_t made_on = pool->file.conf.medium;

    if (made_on == pool->medium ||
        (made_on == VPM_MEDIUM_UNKNOWN && pool->medium != VPM_MEDIUM_FILE))
        return VPM_OK;
    if (made_on == VPM_MEDIUM_DAX)
        return vpm_fail(err, VPM_EMEDIUM, "pool %s was made on DAX, and its "
                        "file system is mounted without DAX now: what servers "
                        "write would wait in the page cache, and be lost with "
                        "power. Unmount it, and mount it with -o dax=always",
                        pool->path);
    if (made_on == VPM_MEDIUM_UNKNOWN)
        return vpm_fail(err, VPM_EMEDIUM, "pool %s is of a version that did "
                        "not record its medium, and lies on an ordinary file "
                        "system: if it was made on DAX, unmount it, and mount "
                        "it with -o dax=always; if it was made here, say so: "
                        "temporality pool record %s --medium file",
                        pool->path, pool->path);
    return vpm_fail(err, VPM_EMEDIUM, "pool %s was made on medium '%s', and "
                    "lies on '%s' now: mount it as it was, or accept that: "
                    "temporality pool record %s --medium %s", pool->path,
                    vpm_medium_name(made_on), vpm_medium_name(pool->medium),
                    pool->path, vpm_medium_name(pool->medium));
}

/* -- recording ----------------------------------------------------------- */

static int record_medium(struct vpm_pool *pool)
{
    struct vpm_conf conf = pool->file.conf;

    conf.medium = pool->medium;
    vpm_conf_seal(&conf);
    return vpm_poolfile_replace_conf(&pool->file, pool->dir_fd, &conf);
}

/* DAX and tmpfs speak for themselves.  Any other medium may be DAX that is
 * mounted in another way, so there an operator has to say that it is meant. */
void vpm_pool_medium_keep(struct vpm_pool *pool)
{
    if (vpm_poolfile_mend_conf(&pool->file, pool->dir_fd) == 0 &&
        pool->file.conf.medium == VPM_MEDIUM_UNKNOWN &&
        pool->medium != VPM_MEDIUM_FILE)
        record_medium(pool);
}

int vpm_pool_record_medium(struct vpm_pool *pool, uint32_t medium,
                           struct vpm_error *err)
{
    int fd, rc = VPM_OK;

    if (medium != pool->medium)
        return vpm_fail(err, VPM_EMEDIUM, "pool %s lies on '%s', not on '%s': "
                        "mount it in another way, or record where it lies",
                        pool->path, vpm_medium_name(pool->medium),
                        vpm_medium_name(medium));
    fd = vpm_pool_lock(pool, err);
    if (fd < 0)
        return fd;
    if (vpm_poolfile_mend_conf(&pool->file, pool->dir_fd) < 0 ||
        record_medium(pool) < 0)
        rc = vpm_fail_errno(err, "cannot write CONF of pool %s", pool->path);
    close(fd);
    return rc;
}
