/* SPDX-License-Identifier: Apache-2.0 */
/* device.c -- the identity of the file system and file that a pool is in
 *
 * A file system's own uuid, however this kernel tells it: by one call for all
 * file systems (Linux 6.9), or by one of ext4's (6.0) or XFS's own (always).
 * All read the same superblock, so a pool that was made under one kernel is
 * known under another.  Where none is told, statfs's f_fsid counts, which ext4
 * and tmpfs derive from the uuid.  XFS derives f_fsid from the device's
 * number, which may change with every boot, so there it does not count. */
#include "device.h"

#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "error.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

#define UUID_SIZE 16

/* FS_IOC_GETFSUUID of newer headers. */
struct fs_uuid {
    uint8_t length;
    uint8_t uuid[UUID_SIZE];
};
#define GET_FS_UUID _IOR(0x15, 0, struct fs_uuid)

/* EXT4_IOC_GETFSUUID, which no header for programs has. */
struct ext4_uuid {
    uint32_t length;
    uint32_t flags;
    uint8_t uuid[UUID_SIZE];
};
struct ext4_uuid_head {
    uint32_t length;
    uint32_t flags;
};
#define GET_EXT4_UUID _IOR('f', 44, struct ext4_uuid_head)

/* XFS_IOC_FSGEOMETRY_V1 of xfsprogs' headers. */
struct xfs_geometry {
    uint32_t sizes[8];
    uint64_t counts[4];
    uint8_t uuid[UUID_SIZE];
    uint32_t rest[8];
};
#define GET_XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)

static_assert(sizeof(struct fs_uuid) == 17, "kernel interface");
static_assert(sizeof(struct ext4_uuid_head) == 8, "kernel interface");
static_assert(sizeof(struct xfs_geometry) == 112, "kernel interface");

static bool tell_any(int fd, uint8_t *uuid)
{
    struct fs_uuid answer = {0};

    if (ioctl(fd, GET_FS_UUID, &answer) < 0 || answer.length != UUID_SIZE)
        return false;
    memcpy(uuid, answer.uuid, UUID_SIZE);
    return true;
}

static bool tell_own(int fd, uint64_t fs_type, uint8_t *uuid)
{
    struct ext4_uuid ext4 = {.length = UUID_SIZE};
    struct xfs_geometry xfs;

    if (fs_type == EXT4_SUPER_MAGIC && ioctl(fd, GET_EXT4_UUID, &ext4) == 0 &&
        ext4.length == UUID_SIZE)
        memcpy(uuid, ext4.uuid, UUID_SIZE);
    else if (fs_type == XFS_SUPER_MAGIC &&
             ioctl(fd, GET_XFS_GEOMETRY, &xfs) == 0)
        memcpy(uuid, xfs.uuid, UUID_SIZE);
    else
        return false;
    return true;
}

/* The ways to be told, the best first. */
enum way {
    BY_ANY,
    BY_OWN,
    WAYS,
};

static bool tell(enum way way, int fd, uint64_t fs_type, uint8_t *uuid)
{
    return way == BY_ANY ? tell_any(fd, uuid) : tell_own(fd, fs_type, uuid);
}

/* A uuid of zeros is none. */
static bool identify_uuid(int fd, struct vpm_device *device)
{
    static const uint8_t none[UUID_SIZE];

    for (enum way way = BY_ANY; way < WAYS; way++)
        if (tell(way, fd, device->fs_type, device->fs_id) &&
            memcmp(device->fs_id, none, UUID_SIZE) != 0) {
            device->kind = VPM_DEVICE_UUID;
            return true;
        }
    memset(device->fs_id, 0, sizeof(device->fs_id));
    return false;
}

static void identify_fsid(const struct statfs *fs, struct vpm_device *device)
{
    device->kind = VPM_DEVICE_FSID;
    static_assert(sizeof(fs->f_fsid) <= sizeof(device->fs_id), "f_fsid");
    memcpy(device->fs_id, &fs->f_fsid, sizeof(fs->f_fsid));
}

static int examine(int fd, struct statfs *fs, struct vpm_device *device,
                   struct vpm_error *err)
{
    struct stat st;

    memset(device, 0, sizeof(*device));
    if (fstatfs(fd, fs) < 0 || fstat(fd, &st) < 0)
        return vpm_fail_errno(err, "cannot examine the pool file");
    device->fs_type = (uint64_t)fs->f_type;
    device->inode = st.st_ino;
    device->kind = VPM_DEVICE_TYPE_ONLY;
    return VPM_OK;
}

int vpm_device_identify(int fd, struct vpm_device *device,
                        struct vpm_error *err)
{
    struct statfs fs;
    int rc = examine(fd, &fs, device, err);

    if (rc == VPM_OK && !identify_uuid(fd, device) &&
        device->fs_type != XFS_SUPER_MAGIC)
        identify_fsid(&fs, device);
    return rc;
}

/* -- verifying ----------------------------------------------------------- */

/* What ext4 and tmpfs make of a uuid for statfs: its halves, by XOR. */
static bool is_folded(const struct statfs *fs, const uint8_t *uuid)
{
    uint64_t halves[2], folded;

    memcpy(halves, uuid, sizeof(halves));
    memcpy(&folded, &fs->f_fsid, sizeof(folded));
    return (fs->f_type == EXT4_SUPER_MAGIC || fs->f_type == TMPFS_MAGIC) &&
        folded == (halves[0] ^ halves[1]);
}

/* Whether a file system has this uuid.  *here* gets what is told last: the
 * ways may differ while a uuid that was changed is in use. */
static bool has_uuid(int fd, const struct statfs *fs, const uint8_t *uuid,
                     struct vpm_device *here)
{
    bool told = false;

    here->kind = VPM_DEVICE_UUID;
    for (enum way way = BY_ANY; way < WAYS; way++) {
        if (!tell(way, fd, here->fs_type, here->fs_id))
            continue;
        if (memcmp(here->fs_id, uuid, UUID_SIZE) == 0)
            return true;
        told = true;
    }
    if (told || !is_folded(fs, uuid))
        return false;
    memcpy(here->fs_id, uuid, UUID_SIZE);
    return true;
}

static void fs_id_text(const struct vpm_device *device, char text[33])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(device->fs_id); i++) {
        text[2 * i] = digits[device->fs_id[i] >> 4];
        text[2 * i + 1] = digits[device->fs_id[i] & 15];
    }
    text[32] = 0;
}

int vpm_device_verify(int fd, const struct vpm_device *device,
                      const char *path, struct vpm_error *err)
{
    struct vpm_device here;
    char expected[33], found[33];
    struct statfs fs;
    int rc = examine(fd, &fs, &here, err);

    if (rc < 0)
        return rc;
    if (device->kind == VPM_DEVICE_UUID)
        has_uuid(fd, &fs, device->fs_id, &here);
    else if (device->kind == VPM_DEVICE_FSID)
        identify_fsid(&fs, &here);
    if (memcmp(&here, device, sizeof(here)) == 0)
        return VPM_OK;
    fs_id_text(device, expected);
    fs_id_text(&here, found);
    return vpm_fail(err, VPM_EFOREIGN,
                    "%s is a copy or was moved: it was made as inode %" PRIu64
                    " of file system %s (type 0x%" PRIx64 "), but this is "
                    "inode %" PRIu64 " of file system %s (type 0x%" PRIx64
                    "); nothing may run from a copy, use the original or "
                    "format a new pool", path, device->inode, expected,
                    device->fs_type, here.inode, found, here.fs_type);
}
