/* SPDX-License-Identifier: Apache-2.0 */
/* preload.c -- puts the pager into a stock QEMU, by LD_PRELOAD */
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layout.h"
#include "pager.h"
#include "writes.h"

#define PUBLIC __attribute__((visibility("default")))

/* Set once, before a second thread can use the memory. */
static struct vpm_pager *pager;
static uint8_t *memory;
static size_t memory_length;

static void *real_mmap(void *addr, size_t length, int prot, int flags,
                       int fd, off_t offset)
{
    return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
}

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

static bool is_file(const char *path, int fd)
{
    struct stat asked, ours;
    int saved = errno;
    bool same = fstat(fd, &asked) == 0 && stat(path, &ours) == 0 &&
        asked.st_dev == ours.st_dev && asked.st_ino == ours.st_ino;

    errno = saved;
    return same;
}

/* Whether *fd* is the file "virtual" of the region in *dir*. */
static bool is_ours(const char *dir, int fd)
{
    char path[VPM_PATH_MAX + 1];

    snprintf(path, sizeof(path), "%s/" VPM_VIRTUAL_FILE, dir);
    return is_file(path, fd);
}

static void forget(void)
{
    vpm_pager_forget(pager);
}

/* Ends QEMU, because the vCPU that touched the page cannot be stopped: QMP's
 * "stop" would never return.  The kernel does the same to a process whose page
 * it cannot read back (SIGBUS).  Memory and swap file stay as they are. */
static void end(void)
{
    say("vpm: QEMU is ended: a page of its memory cannot be had\n");
    _exit(EXIT_FAILURE);
}

static void *refuse(const char *why)
{
    say("vpm: the memory of %s cannot be used: %s\n",
        getenv(VPM_PRELOAD_REGION), why);
    errno = EIO;
    return MAP_FAILED;
}

static void *map_region(const char *dir, void *addr, size_t length,
                        int flags, off_t offset)
{
    struct vpm_error err;
    void *base;

    if (pager)
        return refuse("it is mapped already");
    if (offset != 0)
        return refuse("only a part of it was asked for");
    if ((flags & MAP_TYPE) == MAP_PRIVATE)
        return refuse("it must be mapped shared (share=on)");
    base = real_mmap(addr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                     MAP_ANONYMOUS | MAP_NORESERVE | (flags & MAP_FIXED),
                     -1, 0);
    if (base == MAP_FAILED)
        return MAP_FAILED;
    pager = vpm_pager_start(dir, base, length, &err);
    if (!pager)
        return refuse(err.message);
    vpm_pager_on_fatal(pager, end);
    memory = base;
    memory_length = length;
    pthread_atfork(NULL, NULL, forget);
    return base;
}

/* Without it, QEMU runs as well: its memory is then said to be written. */
static void note_writes(const char *path, void *base, size_t length)
{
    const char *failed = vpm_writes_note(base, length);

    if (failed)
        say("vpm: nobody sees which pages of %s are written: %s: %s\n", path,
            failed, strerror(errno));
}

PUBLIC void *mmap(void *addr, size_t length, int prot, int flags, int fd,
                  off_t offset)
{
    const char *dir = fd < 0 ? NULL : getenv(VPM_PRELOAD_REGION);
    const char *noted = fd < 0 ? NULL : getenv(VPM_PRELOAD_WRITES);
    void *base;

    if (dir && is_ours(dir, fd))
        return map_region(dir, addr, length, flags, offset);
    base = real_mmap(addr, length, prot, flags, fd, offset);
    if (base != MAP_FAILED && noted && is_file(noted, fd))
        note_writes(noted, base, length);
    return base;
}

PUBLIC void *mmap64(void *addr, size_t length, int prot, int flags, int fd,
                    off_t offset)
{
    return mmap(addr, length, prot, flags, fd, offset);
}

static bool in_memory(const void *addr)
{
    return memory && (const uint8_t *)addr >= memory &&
        (const uint8_t *)addr < memory + memory_length;
}

PUBLIC int madvise(void *addr, size_t length, int advice)
{
    if (!in_memory(addr))
        return (int)syscall(SYS_madvise, addr, length, advice);
    switch (advice) {
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_REMOVE:
        errno = EINVAL;
        return -1;
    default:
        return 0;
    }
}

PUBLIC int munmap(void *addr, size_t length)
{
    return in_memory(addr) ? 0 : (int)syscall(SYS_munmap, addr, length);
}
