/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_identity.c -- a pool that was copied or moved is refused */
#include <fcntl.h>
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

/* Kernels and file systems differ in what identity they report. */
static void each_kind_of_identity(void)
{
    static const uint32_t kinds[] = {
        0, VPM_DEVICE_TYPE_ONLY, VPM_DEVICE_FSID, VPM_DEVICE_UUID,
    };
    struct vpm_device device, other;
    int fd;

    vpm_pool_close(new_pool());
    fd = open(POOL_FILE, O_RDONLY);
    CHECK(fd >= 0);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        OK(vpm_device_identify(fd, kinds[i], &device, &err));
        CHECK(kinds[i] == 0 || device.kind == kinds[i]);
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
