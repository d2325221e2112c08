/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_identity.c -- a pool that was copied or moved is refused */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "device.h"
#include "layout.h"
#include "pool_file.h"

static void copied_pool_is_refused(void)
{
    vpm_pool_close(new_pool());
    CHECK(system("cp -a " POOL_FILE " " POOL "/copy && "
                 "mv " POOL "/copy " POOL_FILE) == 0);
    refused(VPM_EFOREIGN, "is a copy or was moved");
    SAYS("inode");
}

static void pool_on_another_fs_is_refused(void)
{
    struct vpm_conf conf;

    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, &conf, sizeof(conf));
    conf.device.fs_id[3] ^= 1;
    write_conf(&conf);
    refused(VPM_EFOREIGN, "of file system");
}

/* Pools that were made under kernels which tell less. */
static void each_kind_of_identity(void)
{
    struct vpm_device device = {.kind = VPM_DEVICE_TYPE_ONLY}, other;
    struct statfs fs;
    struct stat st;
    int fd;

    vpm_pool_close(new_pool());
    fd = open(POOL_FILE, O_RDONLY);
    CHECK(fd >= 0 && fstatfs(fd, &fs) == 0 && fstat(fd, &st) == 0);
    device.fs_type = (uint64_t)fs.f_type;
    device.inode = st.st_ino;
    for (int kind = VPM_DEVICE_TYPE_ONLY; kind <= VPM_DEVICE_UUID; kind++) {
        if (kind == VPM_DEVICE_FSID) {
            device.kind = VPM_DEVICE_FSID;
            memcpy(device.fs_id, &fs.f_fsid, sizeof(fs.f_fsid));
        } else if (kind == VPM_DEVICE_UUID) {
            OK(vpm_device_identify(fd, &device, &err));
            CHECK(device.kind == VPM_DEVICE_UUID);
        }
        OK(vpm_device_verify(fd, &device, "p", &err));
        other = device;
        other.inode++;
        EXPECT(VPM_EFOREIGN, vpm_device_verify(fd, &other, "p", &err));
        other = device;
        other.fs_type++;
        EXPECT(VPM_EFOREIGN, vpm_device_verify(fd, &other, "p", &err));
        other = device;
        other.fs_id[0]++;
        EXPECT(VPM_EFOREIGN, vpm_device_verify(fd, &other, "p", &err));
    }
    close(fd);
}

int main(void)
{
    RUN(copied_pool_is_refused);
    RUN(pool_on_another_fs_is_refused);
    RUN(each_kind_of_identity);
    return 0;
}
