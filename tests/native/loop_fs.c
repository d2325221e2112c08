/* SPDX-License-Identifier: Apache-2.0 */
/* loop_fs.c -- a real file system in a file, on a loop device */
#include "loop_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE FS "/image"
#define SIZE (320 * MIB)  /* XFS wants no less */

/* EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN */
#define SHUT_DOWN _IOR('X', 125, uint32_t)
#define WITHOUT_LOG 2

int loop_mount(const char *kind)
{
    char command[128];
    int fd;

    if (!exists("/dev/loop-control")) {
        printf("left out: there are no loop devices\n");
        return 0;
    }
    CHECK(mount("none", FS, "tmpfs", MS_REMOUNT, "size=512m,mode=755") == 0);
    fd = open(IMAGE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)SIZE) == 0);
    close(fd);
    CHECK(mkdir(DISK, 0755) == 0 || errno == EEXIST);
    snprintf(command, sizeof(command), "mkfs.%s -q %s && mount -o loop %s %s",
             kind, IMAGE, IMAGE, DISK);
    CHECK(system(command) == 0);
    return 1;
}

void loop_unmount(void)
{
    CHECK(umount2(DISK, 0) == 0);
}

void loop_cut_power(void)
{
    uint32_t how = WITHOUT_LOG;
    int fd = open(DISK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK(fd >= 0 && ioctl(fd, SHUT_DOWN, &how) == 0);
    close(fd);
    loop_unmount();
    CHECK(system("mount -o loop " IMAGE " " DISK) == 0);
}
