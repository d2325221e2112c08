/* SPDX-License-Identifier: Apache-2.0 */
/* device.c -- the identity of the file system and file that a pool is in
 *
 * A file system's own uuid where the kernel tells it (Linux 6.9), else
 * statfs's f_fsid, which ext4 derives from the uuid.  XFS derives f_fsid from
 * the device's number, which may change with every boot, so there it does not
 * count. */
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

/* FS_IOC_GETFSUUID of newer headers. */
struct fs_uuid {
    uint8_t length;
    uint8_t uuid[16];
};
#define GET_FS_UUID _IOR(0x15, 0, struct fs_uuid)

static int identify_uuid(int fd, struct vpm_device *device)
{
    struct fs_uuid answer = {0};

    if (ioctl(fd, GET_FS_UUID, &answer) < 0 ||
        answer.length != sizeof(answer.uuid))
        return -1;
    device->kind = VPM_DEVICE_UUID;
    memcpy(device->fs_id, answer.uuid, sizeof(device->fs_id));
    return 0;
}

static void identify_fsid(const struct statfs *fs, struct vpm_device *device)
{
    device->kind = VPM_DEVICE_FSID;
    static_assert(sizeof(fs->f_fsid) <= sizeof(device->fs_id), "f_fsid");
    memcpy(device->fs_id, &fs->f_fsid, sizeof(fs->f_fsid));
}

int vpm_device_identify(int fd, uint32_t kind, struct vpm_device *device,
                        struct vpm_error *err)
{
    struct statfs fs;
    struct stat st;

    memset(device, 0, sizeof(*device));
    if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
        return vpm_fail_errno(err, "cannot examine the pool file");
    device->fs_type = (uint64_t)fs.f_type;
    device->inode = st.st_ino;
    device->kind = VPM_DEVICE_TYPE_ONLY;
    if (kind == VPM_DEVICE_UUID || kind == 0) {
        if (identify_uuid(fd, device) == 0)
            return VPM_OK;
        if (kind == VPM_DEVICE_UUID)
            return vpm_fail(err, VPM_EFOREIGN, "the pool is known by the "
                            "uuid of its file system, which this file "
                            "system or kernel (before 6.9?) does not tell");
    }
    if (kind == VPM_DEVICE_FSID ||
        (kind == 0 && fs.f_type != XFS_SUPER_MAGIC))
        identify_fsid(&fs, device);
    return VPM_OK;
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
    int rc = vpm_device_identify(fd, device->kind, &here, err);

    if (rc < 0)
        return rc;
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
