/* SPDX-License-Identifier: Apache-2.0 */
/* test_device_uuid.c -- a pool is known under kernels that tell the uuid of
 * its file system in other ways, or not at all */
/* build: wrap ioctl */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "device.h"
#include "loop_fs.h"

#define PLACE DISK "/file"

/* The type of the ioctl(2) that all file systems know; ext4 has 'f', XFS 'X'. */
#define ANY 0x15

/* What this kernel does not know, by the letters of these; whether it tells
 * zeros by the first one. */
static const char *unknown = "";
static bool tells_zeros;

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *argument;

    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    if (strchr(unknown, (int)(request >> 8 & 0xff))) {
        errno = ENOTTY;
        return -1;
    }
    if (tells_zeros && (request >> 8 & 0xff) == ANY) {
        memset((uint8_t *)argument + 1, 0, 16);
        *(uint8_t *)argument = 16;
        return 0;
    }
    return __real_ioctl(fd, request, argument);
}

/* Kernels of all ages, the latest first. */
static const char *const kernels[] = {"", "\x15", "\x15" "f", "\x15" "fX"};

#define KERNELS (sizeof(kernels) / sizeof(*kernels))

static struct vpm_device identify(const char *path, const char *kernel)
{
    struct vpm_device device;
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    unknown = kernel;
    OK(vpm_device_identify(fd, &device, &err));
    unknown = "";
    close(fd);
    return device;
}

static int verify(const char *path, const char *kernel,
                  const struct vpm_device *device)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

    CHECK(fd >= 0);
    unknown = kernel;
    rc = vpm_device_verify(fd, device, "p", &err);
    unknown = "";
    close(fd);
    return rc;
}

/* Made under one kernel, opened under another; up to *made* and *opened* of
 * them know this file system's uuid. */
static void known_everywhere(const char *path, size_t made, size_t opened)
{
    for (size_t i = 0; i < made; i++) {
        struct vpm_device device = identify(path, kernels[i]), other = device;

        CHECK(device.kind == VPM_DEVICE_UUID);
        other.fs_id[0] ^= 1;
        for (size_t j = 0; j < opened; j++) {
            OK(verify(path, kernels[j], &device));
            EXPECT(VPM_EFOREIGN, verify(path, kernels[j], &other));
        }
    }
}

static void by_superblock(void)
{
    struct vpm_device device;

    /* ext4 tells it by f_fsid at last, */
    if (!loop_mount("ext4"))
        return;
    known_everywhere(PLACE, 2, KERNELS);
    device = identify(PLACE, kernels[2]);
    CHECK(device.kind == VPM_DEVICE_FSID);
    for (size_t i = 0; i < KERNELS; i++)
        OK(verify(PLACE, kernels[i], &device));
    loop_unmount();
    /* XFS always by its geometry. */
    loop_mount("xfs");
    known_everywhere(PLACE, 3, 3);
    loop_unmount();
}

static void another_mount_is_another_device(void)
{
    struct vpm_device device;

    if (!loop_mount("ext4"))
        return;
    device = identify(PLACE, "");
    loop_unmount();
    loop_mount("ext4");
    identify(PLACE, "");
    for (size_t i = 0; i < KERNELS; i++)
        EXPECT(VPM_EFOREIGN, verify(PLACE, kernels[i], &device));
    loop_unmount();
}

static void tmpfs_as_well(void)
{
    known_everywhere(FS "/file", 1, KERNELS);
}

/* Linux tells a uuid of zeros that was changed in use, until the next mount.
 * Pools were made with that. */
static void zeros_are_no_uuid(void)
{
    struct vpm_device device, zeros;

    if (!loop_mount("ext4"))
        return;
    tells_zeros = true;
    device = zeros = identify(PLACE, "");
    memset(zeros.fs_id, 0, sizeof(zeros.fs_id));
    CHECK(memcmp(&device, &zeros, sizeof(device)) != 0);
    OK(verify(PLACE, "", &device));
    OK(verify(PLACE, "", &zeros));
    tells_zeros = false;
    OK(verify(PLACE, "", &device));
    EXPECT(VPM_EFOREIGN, verify(PLACE, "", &zeros));
    loop_unmount();
}

int main(void)
{
    RUN(by_superblock);
    RUN(another_mount_is_another_device);
    RUN(tmpfs_as_well);
    RUN(zeros_are_no_uuid);
    return 0;
}
