/* SPDX-License-Identifier: Apache-2.0 */
/* import.c -- a region that goes to the vault, and one that comes from it
 *
 * Inode numbers tell a file from a copy of it.  A region that comes from the
 * vault has other files than before.  What the vault says proves, once, that
 * what was written into them is the region; then they get its names. */
#include "import.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "error.h"
#include "files.h"
#include "lock.h"
#include "lookup.h"
#include "ppt.h"
#include "regiondir.h"
#include "state.h"
#include "swapfile.h"
#include "vault.h"

static_assert(sizeof(((struct vpm_region_export *)0)->entry) ==
              sizeof(struct vpm_toc_entry), "public size");

int vpm_region_export(struct vpm_pool *pool, uint64_t id,
                      struct vpm_region_export *out, struct vpm_error *err)
{
    struct vpm_entry entry;
    int rc = vpm_lookup_id(pool, id, &entry, err);

    memset(out, 0, sizeof(*out));
    if (rc == VPM_OK)
        rc = vpm_vault_runs(pool, &entry.body, &out->runs, err);
    if (rc == VPM_OK)
        vpm_toc_pack(&entry, out->entry);
    return rc;
}

/* -- allocating again ---------------------------------------------------- */

static int allocate(struct vpm_pool *pool, const struct vpm_entry *entry,
                    const char *swap_dir, struct vpm_error *err)
{
    const struct vpm_toc_body *body = &entry->body;
    struct vpm_entry there;
    int rc = vpm_toc_read(&pool->file, body->descriptor, &there, err);

    if (rc == VPM_OK && there.tag != VPM_TOC_FREE)
        rc = vpm_fail(err, VPM_EEXIST, "descriptor %" PRIu32 " of pool %s is "
                      "not free for '%s'", body->descriptor, pool->path,
                      body->name);
    if (rc == VPM_OK)
        rc = vpm_toc_write(&pool->file, body, err);
    if (rc == VPM_OK)
        rc = vpm_toc_commit(&pool->file, body, VPM_TOC_ALLOCATING, err);
    if (rc == VPM_OK)
        rc = vpm_files_create_dir(pool, body, err);
    if (rc == VPM_OK)
        rc = vpm_files_create(pool, body, swap_dir, true, err);
    if (rc == VPM_OK)
        rc = vpm_toc_set_epoch(&pool->file, body, entry->epoch, err);
    if (rc == VPM_OK)
        rc = vpm_toc_commit(&pool->file, body, VPM_TOC_LIVE, err);
    return rc;
}

/* A failure is not undone: the whole pool is made again then.  To undo it would
 * remove a swap file that is still needed. */
int vpm_region_import(struct vpm_pool *pool,
                      const struct vpm_region_export *from, bool proven,
                      const char *swap_dir, struct vpm_region_info *info,
                      struct vpm_error *err)
{
    struct vpm_entry entry;
    int rc = vpm_toc_unpack(&pool->file, from->entry, &entry, err);
    int lock;

    if (rc == VPM_OK && entry.body.virtual_size)
        rc = vpm_swapfile_check_dir(swap_dir, err);
    if (rc == VPM_OK)
        rc = vpm_vault_claim(pool, &entry.body, proven ? &from->runs : NULL,
                             err);
    if (rc < 0)
        return rc;
    lock = vpm_pool_lock(pool, err);
    if (lock < 0)
        return lock;
    rc = allocate(pool, &entry, swap_dir, err);
    close(lock);
    if (rc == VPM_OK)
        vpm_lookup_describe(pool, &entry, info);
    return rc;
}

/* -- adopting ------------------------------------------------------------ */

static int inode_of(int dir, const char *name, uint64_t *inode)
{
    struct stat st;
    int rc = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);

    if (rc == 0)
        *inode = st.st_ino;
    return rc;
}

static int find_files(struct vpm_pool *pool, const struct vpm_toc_body *body,
                      struct vpm_ppt_files *files)
{
    int dir = vpm_dir_open(pool->regions_fd, body->id);
    int rc = -1;

    if (dir < 0)
        return -1;
    memset(files, 0, sizeof(*files));
    if (inode_of(dir, VPM_RAM_FILE, &files->ram_inode) == 0 &&
        (!body->virtual_size ||
         (inode_of(dir, VPM_VIRTUAL_FILE, &files->virtual_inode) == 0 &&
          vpm_swapfile_inode(dir, &files->swap_inode) == 0)))
        rc = 0;
    close(dir);
    return rc;
}

static int adopt_table(struct vpm_pool *pool, const struct vpm_toc_body *body,
                       const struct vpm_ppt_files *files,
                       struct vpm_error *err)
{
    int fd = vpm_dir_open_file(pool->regions_fd, body->id, VPM_PPT_FILE,
                               O_RDWR);
    struct vpm_ppt ppt;
    int rc;

    if (fd < 0)
        return vpm_fail_errno(err, "cannot open the page table of '%s'",
                              body->name);
    rc = vpm_ppt_open(&ppt, fd, VPM_PPT_FILE, false, err);
    if (rc == VPM_OK) {
        rc = vpm_ppt_belongs(&ppt, &pool->file.conf, body, VPM_PPT_FILE, err);
        if (rc == VPM_OK && ppt.header.swap_inode != files->swap_inode)
            rc = vpm_fail(err, VPM_EUNPROVEN, "the swap file of '%s' is not "
                          "the one that it had", body->name);
        vpm_ppt_close(&ppt);
    }
    if (rc == VPM_OK)
        rc = vpm_ppt_format(fd, &pool->file.conf, body, files, err);
    close(fd);
    return rc;
}

static int write_header(int fd, const struct vpm_state_header *header)
{
    const struct iovec iov = {(void *)header, sizeof(*header)};

    return vpm_persist->write(fd, 0, &iov, 1) < 0 ? -1 :
        vpm_persist->sync(fd);
}

static uint64_t marker_of(const struct vpm_state_header *header)
{
    return (uint64_t)VPM_MARKER_MAGIC << 32 |
        vpm_crc32c(0, header, offsetof(struct vpm_state_header, crc));
}

static int rewrite_header(int fd, const struct vpm_toc_body *body,
                          uint64_t ram_inode, struct vpm_error *err)
{
    struct vpm_state_header header;
    int rc;

    if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
        return vpm_fail_errno(err, "cannot read the state of '%s'",
                              body->name);
    if (header.marker != marker_of(&header) ||
        header.crc != (uint32_t)header.marker)
        return vpm_fail(err, VPM_EUNPROVEN, "the state of '%s' in the vault "
                        "is none that was proven", body->name);
    header.ram_inode = ram_inode;
    header.marker = 0;
    header.crc = (uint32_t)marker_of(&header);
    rc = write_header(fd, &header);
    header.marker = marker_of(&header);
    if (rc == 0)
        rc = write_header(fd, &header);
    return rc < 0 ? vpm_fail_errno(err, "cannot write the state of '%s'",
                                   body->name) : VPM_OK;
}

static int adopt_state(struct vpm_pool *pool, const struct vpm_toc_body *body,
                       uint64_t ram_inode, struct vpm_error *err)
{
    int fd = vpm_dir_open_file(pool->regions_fd, body->id, VPM_STATE_FILE,
                               O_RDWR);
    int rc;

    if (fd < 0)
        return vpm_fail_errno(err, "cannot open the state of '%s'",
                              body->name);
    rc = rewrite_header(fd, body, ram_inode, err);
    close(fd);
    return rc;
}

int vpm_region_adopt(struct vpm_pool *pool, uint64_t id,
                     struct vpm_error *err)
{
    struct vpm_state_info info;
    struct vpm_ppt_files files;
    struct vpm_entry entry;
    int rc = vpm_lookup_id(pool, id, &entry, err);

    if (rc < 0)
        return rc;
    if (find_files(pool, &entry.body, &files) < 0)
        return vpm_fail_errno(err, "cannot examine the files of '%s'",
                              entry.body.name);
    if (entry.body.virtual_size)
        rc = adopt_table(pool, &entry.body, &files, err);
    if (rc == VPM_OK)
        rc = adopt_state(pool, &entry.body, files.ram_inode, err);
    return rc < 0 ? rc : vpm_state_verify(pool, id, &info, err);
}
