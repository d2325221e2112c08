/* SPDX-License-Identifier: Apache-2.0 */
/* poolfile.c -- the pool file: CONF */
#include "poolfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "device.h"
#include "error.h"
#include "medium.h"

#define PAGE_SIZE_MIN 4096u
#define PAGE_SIZE_MAX (2u << 20)
#define DESCRIPTORS_MAX 65536u
#define UID_MAX_ 0xfffffffeu  /* (uid_t)-1 means "do not change" */

uint64_t vpm_ring_offset(uint32_t descriptors)
{
    uint64_t end = VPM_TOC_OFFSET +
        (uint64_t)descriptors * sizeof(struct vpm_toc_entry);

    return (end + VPM_BLOCK - 1) / VPM_BLOCK * VPM_BLOCK;
}

uint64_t vpm_poolfile_length(uint32_t descriptors)
{
    return vpm_ring_offset(descriptors) +
        VPM_RING_ENTRIES * sizeof(struct vpm_ring_entry);
}

int vpm_params_check(const struct vpm_pool_params *params,
                     struct vpm_error *err)
{
    uint32_t page = params->page_size;

    if (page < PAGE_SIZE_MIN || page > PAGE_SIZE_MAX || (page & (page - 1)))
        return vpm_fail(err, VPM_EINVAL, "page size is %" PRIu32 "; it must "
                        "be a power of two from 4096 to 2097152", page);
    if (params->total_size == 0 || params->total_size % page ||
        params->total_size > INT64_MAX)
        return vpm_fail(err, VPM_EINVAL, "total size is %" PRIu64 "; it must "
                        "be a positive multiple of the page size, %" PRIu32,
                        params->total_size, page);
    if (params->state_size < 2 * VPM_BLOCK ||
        params->state_size % VPM_BLOCK || params->state_size > INT64_MAX)
        return vpm_fail(err, VPM_EINVAL, "state size is %" PRIu64 "; it must "
                        "be a multiple of 4096, at least 8192 (one block is "
                        "the header)", params->state_size);
    if (params->descriptors < 1 || params->descriptors > DESCRIPTORS_MAX)
        return vpm_fail(err, VPM_EINVAL, "number of descriptors is %" PRIu32
                        "; it must be from 1 to %u", params->descriptors,
                        DESCRIPTORS_MAX);
    if (params->vault && (params->vault[0] != '/' ||
                          strlen(params->vault) > VPM_PATH_MAX))
        return vpm_fail(err, VPM_EINVAL, "the vault '%.200s' is not an "
                        "absolute path of at most %d bytes", params->vault,
                        VPM_PATH_MAX);
    if (params->uid_base > UID_MAX_ - params->descriptors)
        return vpm_fail(err, VPM_EINVAL, "uid base %" PRIu32 " leaves no "
                        "room for %" PRIu32 " user ids; it must be at most %"
                        PRIu32, params->uid_base, params->descriptors,
                        UID_MAX_ - params->descriptors);
    return VPM_OK;
}

static int write_contents(const struct vpm_map *map,
                          const struct vpm_conf *conf)
{
    for (uint32_t i = 0; i < conf->descriptors; i++)
        vpm_persist->store_word(
            map, VPM_TOC_OFFSET + i * sizeof(struct vpm_toc_entry),
            (uint64_t)VPM_TOC_FREE << 32);
    vpm_persist->store(map, 0, conf, sizeof(*conf));
    return vpm_persist_range(map, 0, map->length);
}

static int make_conf(int fd, const struct vpm_pool_params *params,
                     struct vpm_conf *conf, struct vpm_error *err)
{
    int rc;

    *conf = (struct vpm_conf){
        .magic = VPM_CONF_MAGIC,
        .version = VPM_FORMAT_VERSION,
        .page_size = params->page_size,
        .total_size = params->total_size,
        .state_size = params->state_size,
        .descriptors = params->descriptors,
        .uid_base = params->uid_base,
        .medium = vpm_map_medium(fd),
    };
    static const uint8_t none[sizeof(params->uuid)];

    if (conf->medium == VPM_MEDIUM_UNKNOWN)
        return vpm_fail_errno(err, "cannot examine the pool file");
    rc = vpm_medium_wanted(params->media, (enum vpm_medium)conf->medium, err);
    if (rc == VPM_OK)
        rc = vpm_device_identify(fd, &conf->device, err);
    if (rc < 0)
        return rc;
    if (params->vault) {
        if (getrandom(&conf->instance, sizeof(conf->instance), 0) !=
            sizeof(conf->instance))
            return vpm_fail_errno(err, "cannot make a random number");
        conf->version = VPM_FORMAT_VERSION_VAULT;
        memcpy(conf->vault, params->vault, strlen(params->vault));
    }
    memcpy(conf->uuid, params->uuid, sizeof(conf->uuid));
    if (memcmp(conf->uuid, none, sizeof(none))) {
        vpm_conf_seal(conf);
        return VPM_OK;
    }
    if (getrandom(conf->uuid, sizeof(conf->uuid), 0) != sizeof(conf->uuid))
        return vpm_fail_errno(err, "cannot make a uuid");
    conf->uuid[6] = (conf->uuid[6] & 0x0f) | 0x40;  /* RFC 9562, version 4 */
    conf->uuid[8] = (conf->uuid[8] & 0x3f) | 0x80;
    vpm_conf_seal(conf);
    return VPM_OK;
}

static int fill(int dir_fd, int fd, const struct vpm_pool_params *params,
                struct vpm_error *err)
{
    uint64_t length = vpm_poolfile_length(params->descriptors);
    struct vpm_conf conf;
    struct vpm_map map;
    int rc;

    rc = make_conf(fd, params, &conf, err);
    if (rc < 0)
        return rc;
    if (vpm_persist->allocate(fd, length) < 0 ||
        vpm_persist->zero(fd, 0, length) < 0 ||
        vpm_persist->sync(fd) < 0 ||
        vpm_map_open(&map, fd, length, true) < 0)
        return vpm_fail_errno(err, "cannot make a pool file of %" PRIu64
                              " bytes", length);
    rc = write_contents(&map, &conf);
    vpm_map_close(&map);
    if (rc < 0 || vpm_conf_write_copy(dir_fd, &conf) < 0)
        return vpm_fail_errno(err, "cannot write the pool file");
    return VPM_OK;
}

int vpm_poolfile_create(int dir_fd, const struct vpm_pool_params *params,
                        struct vpm_error *err)
{
    int fd, rc;

    if (vpm_persist->unlink(dir_fd, VPM_POOL_FILE_NEW, 0) < 0 &&
        errno != ENOENT)
        return vpm_fail_errno(err, "cannot remove an unfinished pool file");
    fd = vpm_persist->create(dir_fd, VPM_POOL_FILE_NEW, 0600);
    if (fd < 0)
        return vpm_fail_errno(err, "cannot create the pool file");
    rc = fill(dir_fd, fd, params, err);
    close(fd);
    if (rc < 0) {
        vpm_persist->unlink(dir_fd, VPM_POOL_FILE_NEW, 0);
        return rc;
    }
    if (vpm_persist->rename(dir_fd, VPM_POOL_FILE_NEW, VPM_POOL_FILE) < 0 ||
        vpm_persist->sync(dir_fd) < 0)
        return vpm_fail_errno(err, "cannot name the pool file");
    return VPM_OK;
}

/* CONF comes from outside: what the rest relies on is checked here, once. */
static int check_contents(const struct vpm_poolfile *file, uint64_t length,
                          struct vpm_error *err)
{
    const struct vpm_conf *conf = &file->conf;
    const struct vpm_pool_params params = {
        .total_size = conf->total_size,
        .state_size = conf->state_size,
        .page_size = conf->page_size,
        .descriptors = conf->descriptors,
        .uid_base = conf->uid_base,
    };
    bool has_vault = conf->version == VPM_FORMAT_VERSION_VAULT;
    struct vpm_error why;

    if (conf->version > VPM_FORMAT_VERSION_VAULT)
        return vpm_fail(err, VPM_EVERSION, "%s has format version %" PRIu32
                        ", this libvpm knows up to %d: upgrade", file->path,
                        conf->version, VPM_FORMAT_VERSION_VAULT);
    if (conf->version != 0 && conf->version < VPM_FORMAT_VERSION)
        return vpm_fail(err, VPM_EVERSION, "%s has format version %" PRIu32
                        ", this libvpm reads %d only: stop its servers with "
                        "the version that made it, then format the pool anew",
                        file->path, conf->version, VPM_FORMAT_VERSION);
    if (conf->version == 0)
        return vpm_fail(err, VPM_ECORRUPT, "%s has impossible format version "
                        "%" PRIu32 " (offset %zu)", file->path,
                        conf->version, offsetof(struct vpm_conf, version));
    if (vpm_params_check(&params, &why) < 0)
        return vpm_fail(err, VPM_ECORRUPT, "%s has an impossible CONF: %s",
                        file->path, why.message);
    if (has_vault != (conf->vault[0] != 0) ||
        (has_vault && (conf->vault[0] != '/' ||
                       !memchr(conf->vault, 0, sizeof(conf->vault)))))
        return vpm_fail(err, VPM_ECORRUPT, "%s has an impossible CONF: the "
                        "path of its vault does not fit format version %"
                        PRIu32, file->path, conf->version);
    if (length != vpm_poolfile_length(conf->descriptors))
        return vpm_fail(err, VPM_ECORRUPT, "%s is %" PRIu64 " bytes long, "
                        "but %" PRIu32 " descriptors need %" PRIu64,
                        file->path, length, conf->descriptors,
                        vpm_poolfile_length(conf->descriptors));
    return VPM_OK;
}

/* CONF itself, whatever it says. */
static int read_conf(const struct vpm_poolfile *file, struct vpm_conf *conf,
                     struct vpm_error *err)
{
    ssize_t got = pread(file->fd, conf, sizeof(*conf), 0);

    if (got < 0)
        return vpm_fail_errno(err, "cannot read %s", file->path);
    if (got != sizeof(*conf))
        return vpm_fail(err, VPM_EFOREIGN, "%s is no pool file: it has only "
                        "%zd bytes", file->path, got);
    return vpm_conf_check(conf, file->path, err);
}

static bool take_copy(struct vpm_poolfile *file, int dir_fd,
                      const struct stat *st)
{
    struct vpm_conf copy;

    if (!vpm_conf_read_copy(dir_fd, st->st_ino, &copy) ||
        (uint64_t)st->st_size != vpm_poolfile_length(copy.descriptors))
        return false;
    file->conf = copy;
    file->is_damaged = true;
    return true;
}

static int load_conf(struct vpm_poolfile *file, int dir_fd, struct stat *st,
                     struct vpm_error *err)
{
    int rc;

    if (fstat(file->fd, st) < 0)
        return vpm_fail_errno(err, "cannot examine %s", file->path);
    if (!S_ISREG(st->st_mode))
        return vpm_fail(err, VPM_EFOREIGN, "%s is no regular file",
                        file->path);
    rc = read_conf(file, &file->conf, err);
    if (rc < 0 && !take_copy(file, dir_fd, st))
        return rc;
    return check_contents(file, (uint64_t)st->st_size, err);
}

int vpm_poolfile_open(struct vpm_poolfile *file, int dir_fd, const char *dir,
                      bool writable, struct vpm_error *err)
{
    struct stat st;
    int rc;

    memset(file, 0, sizeof(*file));
    snprintf(file->path, sizeof(file->path), "%s/%s", dir, VPM_POOL_FILE);
    file->fd = openat(dir_fd, VPM_POOL_FILE, (writable ? O_RDWR : O_RDONLY) |
                      O_CLOEXEC | O_NOFOLLOW);
    if (file->fd < 0 && errno == ENOENT)
        return vpm_fail(err, VPM_ENOENT, "%s holds no pool (there is no %s): "
                        "format one", dir, file->path);
    if (file->fd < 0)
        return vpm_fail_errno(err, "cannot open %s", file->path);
    rc = load_conf(file, dir_fd, &st, err);
    if (rc == VPM_OK && vpm_map_open(&file->map, file->fd,
                                     (size_t)st.st_size, writable) < 0)
        rc = vpm_fail_errno(err, "cannot map %s", file->path);
    if (rc < 0)
        vpm_poolfile_close(file);
    return rc;
}

int vpm_poolfile_replace_conf(struct vpm_poolfile *file, int dir_fd,
                              const struct vpm_conf *conf)
{
    if (vpm_conf_write_copy(dir_fd, conf) < 0 ||
        vpm_persist->sync(dir_fd) < 0 || vpm_conf_write(file->fd, conf) < 0)
        return -1;
    file->conf.medium = conf->medium;
    return 0;
}

/* Somebody else may have changed or mended it since it was read.  A pool that
 * does not say on what it was made gets the copy with the record of that. */
int vpm_poolfile_mend_conf(struct vpm_poolfile *file, int dir_fd)
{
    struct vpm_error ignored;
    struct vpm_conf now, copy;

    if (read_conf(file, &now, &ignored) < 0)
        return vpm_conf_write(file->fd, &file->conf);
    file->conf.medium = now.medium;
    if (now.medium == VPM_MEDIUM_UNKNOWN ||
        (vpm_conf_read_copy(dir_fd, now.device.inode, &copy) &&
         memcmp(&copy, &now, sizeof(now)) == 0))
        return 0;
    return vpm_conf_write_copy(dir_fd, &now) < 0 ? -1 :
        vpm_persist->sync(dir_fd);
}

void vpm_poolfile_close(struct vpm_poolfile *file)
{
    vpm_map_close(&file->map);
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
