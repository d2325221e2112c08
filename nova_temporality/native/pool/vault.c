/* SPDX-License-Identifier: Apache-2.0 */
/* vault.c -- what libvpm keeps in the vault of a pool: records and room */
#include "vault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "device.h"
#include "error.h"
#include "lock.h"
#include "ppt.h"
#include "regiondir.h"

#define NEW ".new"

/* The name of a file of a region in the vault. */
struct name {
    char text[40];
};

static struct name name_of(uint64_t id, const char *suffix)
{
    struct name name;

    snprintf(name.text, sizeof(name.text), "%s%s%s", vpm_dir_name(id).text,
             suffix[0] ? "." : "", suffix);
    return name;
}

static int cannot(const struct vpm_pool *pool, const char *what,
                  const struct vpm_toc_body *body, struct vpm_error *err)
{
    int saved = errno;

    if (saved == ENOSPC || saved == EDQUOT)
        return vpm_fail_errno(err, "cannot %s '%s' in the vault %.400s", what,
                              body->name, pool->file.conf.vault);
    return vpm_fail(err, VPM_EVAULT, "cannot %s '%s' in the vault %.300s: %s "
                    "(errno %d): mount its disk, or mend it", what,
                    body->name, pool->file.conf.vault, strerror(saved),
                    saved);
}

/* A descriptor of one of the vault's directories, which is locked until it is
 * closed, or -1 with errno. */
static int open_dir(const struct vpm_pool *pool, const char *name)
{
    int vault = open(pool->file.conf.vault, O_RDONLY | O_DIRECTORY |
                     O_CLOEXEC);
    int fd, saved;

    if (vault < 0)
        return -1;
    fd = vpm_lock(vault, name);
    saved = errno;
    close(vault);
    errno = saved;
    return fd;
}

/* -- records ------------------------------------------------------------- */

static uint32_t record_crc(const struct vpm_vault_record *record)
{
    return vpm_crc32c(0, record, offsetof(struct vpm_vault_record, crc));
}

/* When a file was made.  Nobody can set it, and no copy has it. */
static int read_birth(int fd, uint64_t *birth_ns)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) < 0)
        return -1;
    if (!(st.stx_mask & STATX_BTIME)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    *birth_ns = (uint64_t)st.stx_btime.tv_sec * 1000000000u +
        st.stx_btime.tv_nsec;
    return 0;
}

/* What is wrong with a record that was read from *fd*, or NULL. */
static const char *record_fault(const struct vpm_pool *pool,
                                const struct vpm_toc_body *body, int fd,
                                const struct vpm_vault_record *record)
{
    struct vpm_error ignored;
    uint64_t birth_ns;

    if (memcmp(record->magic, VPM_VAULT_MAGIC, sizeof(record->magic)) ||
        record->crc != record_crc(record))
        return "is damaged";
    if (record->version != VPM_VAULT_VERSION)
        return "is of another version";
    if (memcmp(record->pool_uuid, pool->file.conf.uuid,
               sizeof(record->pool_uuid)))
        return "belongs to another pool: this is the vault of that one";
    if (record->region_id != body->id ||
        record->incarnation != body->incarnation)
        return "belongs to another region, which was freed or made anew";
    if (read_birth(fd, &birth_ns) < 0 || birth_ns != record->birth_ns ||
        vpm_device_verify(fd, &record->device, "", &ignored) < 0)
        return "is a copy: nothing may run from a copy of a vault";
    return NULL;
}

static int read_record(const struct vpm_pool *pool, int dir,
                       const struct vpm_toc_body *body,
                       struct vpm_vault_record *record,
                       struct vpm_error *err)
{
    int fd = openat(dir, name_of(body->id, "").text,
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    const char *fault = "is damaged";
    ssize_t got;

    if (fd < 0)
        return cannot(pool, "read the record of", body, err);
    got = pread(fd, record, sizeof(*record), 0);
    if (got == sizeof(*record))
        fault = record_fault(pool, body, fd, record);
    close(fd);
    if (!fault)
        return VPM_OK;
    return vpm_fail(err, VPM_EVAULT, "the record of '%s' in the vault %.300s "
                    "%s", body->name, pool->file.conf.vault, fault);
}

static int fill_file(int fd, struct vpm_vault_record *record)
{
    const struct iovec iov = {record, sizeof(*record)};
    struct vpm_error ignored;

    if (read_birth(fd, &record->birth_ns) < 0 ||
        vpm_device_identify(fd, &record->device, &ignored) < 0)
        return -1;
    record->crc = record_crc(record);
    if (vpm_persist->write(fd, 0, &iov, 1) < 0)
        return -1;
    return vpm_persist->sync(fd);
}

/* What may still have the old record's file by another name finds nothing in
 * it. */
static int wipe(int fd)
{
    static const struct vpm_vault_record nothing;
    const struct iovec iov = {(void *)&nothing, sizeof(nothing)};

    if (vpm_persist->write(fd, 0, &iov, 1) < 0)
        return -1;
    return vpm_persist->sync(fd);
}

static int write_new(int dir, const char *name,
                     struct vpm_vault_record *record)
{
    int fd, rc, saved;

    if (vpm_persist->unlink(dir, name, 0) < 0 && errno != ENOENT)
        return -1;
    fd = vpm_persist->create(dir, name, 0600);
    if (fd < 0)
        return -1;
    rc = fill_file(fd, record);
    saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

/* When a pool is restored twice, elsewhere, the former one has lost its
 * regions. */
static int check_instance(const struct vpm_pool *pool,
                          const struct vpm_toc_body *body,
                          const struct vpm_vault_record *record,
                          struct vpm_error *err)
{
    if (record->instance == pool->file.conf.instance)
        return VPM_OK;
    return vpm_fail(err, VPM_EVAULT, "the vault %.300s was restored into "
                    "another pool since: '%s' may run there only",
                    pool->file.conf.vault, body->name);
}

/* The old file, if there is one, is wiped when the new one is durable. */
static int write_record(const struct vpm_pool *pool, int dir,
                        const struct vpm_toc_body *body, uint64_t runs)
{
    struct vpm_vault_record record = {
        .magic = VPM_VAULT_MAGIC,
        .version = VPM_VAULT_VERSION,
        .region_id = body->id,
        .incarnation = body->incarnation,
        .runs = runs,
        .instance = pool->file.conf.instance,
    };
    struct name name = name_of(body->id, ""), new = name;
    int old, rc, saved;

    memcpy(record.pool_uuid, pool->file.conf.uuid, sizeof(record.pool_uuid));
    strcat(new.text, NEW);
    if (write_new(dir, new.text, &record) < 0)
        return -1;
    old = openat(dir, name.text, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (old < 0 && errno != ENOENT)
        return -1;
    rc = vpm_persist->rename(dir, new.text, name.text);
    if (rc == 0)
        rc = vpm_persist->sync(dir);
    if (rc == 0 && old >= 0)
        rc = wipe(old);
    saved = errno;
    if (old >= 0)
        close(old);
    errno = saved;
    return rc;
}

/* Reads a record, *what* for words.  Returns the locked directory of records, or
 * a negative code. */
static int open_record(const struct vpm_pool *pool, const char *what,
                       const struct vpm_toc_body *body,
                       struct vpm_vault_record *record,
                       struct vpm_error *err)
{
    int dir = open_dir(pool, VPM_VAULT_RECORDS);
    int rc;

    if (dir < 0)
        return cannot(pool, what, body, err);
    rc = read_record(pool, dir, body, record, err);
    if (rc == VPM_OK)
        return dir;
    close(dir);
    return rc;
}

int vpm_vault_runs(const struct vpm_pool *pool,
                   const struct vpm_toc_body *body, uint64_t *runs,
                   struct vpm_error *err)
{
    struct vpm_vault_record record;
    int dir, rc;

    *runs = 0;
    if (!pool->file.conf.vault[0])
        return VPM_OK;
    dir = open_record(pool, "read the record of", body, &record, err);
    if (dir < 0)
        return dir;
    close(dir);
    rc = check_instance(pool, body, &record, err);
    if (rc == VPM_OK)
        *runs = record.runs;
    return rc;
}

int vpm_vault_claim(const struct vpm_pool *pool,
                    const struct vpm_toc_body *body, const uint64_t *runs,
                    struct vpm_error *err)
{
    struct vpm_vault_record record;
    int dir = open_record(pool, "claim the record of", body, &record, err);
    int rc = VPM_OK;

    if (dir < 0)
        return dir;
    if (runs && *runs != record.runs)
        rc = vpm_fail(err, VPM_EUNPROVEN, "what the vault has of '%s' is "
                      "stale: its vCPUs were allowed to run %" PRIu64
                      " times since, or it was given up", body->name,
                      record.runs - *runs);
    if (rc == VPM_OK && write_record(pool, dir, body, record.runs) < 0)
        rc = cannot(pool, "claim the record of", body, err);
    close(dir);
    return rc;
}

int vpm_vault_advance(const struct vpm_pool *pool,
                      const struct vpm_toc_body *body, struct vpm_error *err)
{
    struct vpm_vault_record record;
    int dir, rc;

    if (!pool->file.conf.vault[0])
        return VPM_OK;
    dir = open_record(pool, "advance the record of", body, &record, err);
    if (dir < 0)
        return dir;
    rc = check_instance(pool, body, &record, err);
    if (rc == VPM_OK && write_record(pool, dir, body, record.runs + 1) < 0)
        rc = cannot(pool, "advance the record of", body, err);
    close(dir);
    return rc;
}

/* -- room ---------------------------------------------------------------- */

static int reserve(const struct vpm_pool *pool,
                   const struct vpm_toc_body *body)
{
    uint64_t size = body->size + pool->file.conf.state_size;
    int dir = open_dir(pool, VPM_VAULT_SERVERS);
    int fd, rc = -1, saved;

    if (dir < 0)
        return -1;
    if (body->virtual_size) {
        struct vpm_shape shape = vpm_body_shape(body);

        size += shape.length;
    }
    fd = openat(dir, name_of(body->id, VPM_VAULT_DATA).text, O_RDWR | O_CREAT |
                O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        rc = vpm_persist->allocate(fd, size);
    if (rc == 0)
        rc = vpm_persist->sync(fd);
    saved = errno;
    if (fd >= 0)
        close(fd);
    close(dir);
    errno = saved;
    return rc;
}

int vpm_vault_create(const struct vpm_pool *pool,
                     const struct vpm_toc_body *body, struct vpm_error *err)
{
    int dir, rc = VPM_OK;

    if (!pool->file.conf.vault[0])
        return VPM_OK;
    dir = open_dir(pool, VPM_VAULT_RECORDS);
    if (dir < 0)
        return cannot(pool, "make a record of", body, err);
    if (write_record(pool, dir, body, 0) < 0)
        rc = cannot(pool, "make a record of", body, err);
    else if (reserve(pool, body) < 0)
        rc = cannot(pool, "reserve room for", body, err);
    close(dir);
    return rc;
}

/* -- removing ------------------------------------------------------------ */

/* Whoever has it open, or by another name, has nothing. */
static int empty(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    int rc, saved;

    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    rc = vpm_persist->truncate(fd, 0);
    if (rc == 0)
        rc = vpm_persist->sync(fd);
    saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static int remove_file(const struct vpm_pool *pool, const char *where,
                       const char *name)
{
    int dir = open_dir(pool, where);
    int rc, saved;

    if (dir < 0)
        return -1;
    rc = empty(dir, name);
    if (rc == 0)
        rc = vpm_persist->unlink(dir, name, 0);
    if (rc < 0 && errno == ENOENT)
        rc = 0;
    if (rc == 0)
        rc = vpm_persist->sync(dir);
    saved = errno;
    close(dir);
    errno = saved;
    return rc;
}

/* The record of another pool, or of a later region of the same name, or of one
 * that was restored into another pool, is left alone, as is all that belongs to it. */
static bool is_foreign(const struct vpm_pool *pool, int dir,
                       const struct vpm_toc_body *body)
{
    int fd = openat(dir, name_of(body->id, "").text,
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct vpm_vault_record record;
    ssize_t got;

    if (fd < 0)
        return false;
    got = pread(fd, &record, sizeof(record), 0);
    close(fd);
    return got == sizeof(record) && record.crc == record_crc(&record) &&
        (memcmp(record.pool_uuid, pool->file.conf.uuid,
                sizeof(record.pool_uuid)) ||
         record.incarnation != body->incarnation ||
         record.instance != pool->file.conf.instance);
}

int vpm_vault_remove(const struct vpm_pool *pool,
                     const struct vpm_toc_body *body, struct vpm_error *err)
{
    bool foreign;
    int dir;

    if (!pool->file.conf.vault[0])
        return VPM_OK;
    dir = open_dir(pool, VPM_VAULT_RECORDS);
    if (dir < 0)
        return cannot(pool, "give up", body, err);
    foreign = is_foreign(pool, dir, body);
    close(dir);
    if (foreign)
        return VPM_OK;
    if (remove_file(pool, VPM_VAULT_RECORDS, name_of(body->id, "").text) < 0 ||
        remove_file(pool, VPM_VAULT_SERVERS,
                    name_of(body->id, VPM_VAULT_MANIFEST).text) < 0 ||
        remove_file(pool, VPM_VAULT_SERVERS,
                    name_of(body->id, VPM_VAULT_DATA).text) < 0)
        return cannot(pool, "give up", body, err);
    return VPM_OK;
}
