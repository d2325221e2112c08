/* SPDX-License-Identifier: Apache-2.0 */
/* test_fixation_event.c -- nothing is allocated, opened or locked at the event
 *
 * Linked so that every call of malloc, open, mmap and flock by libvpm is
 * counted. */
/* build: wrap malloc,calloc,openat,mmap,flock */
#include <unistd.h>

#include "clock.h"
#include "one_fixation.h"

static int calls;

/* The linker leads libvpm's calls of x to __wrap_x. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
int __real_openat(int dir, const char *name, int flags, int mode);
void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd,
                  off_t offset);
int __real_flock(int fd, int operation);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __wrap_openat(int dir, const char *name, int flags, int mode);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
                  off_t offset);
int __wrap_flock(int fd, int operation);

void *__wrap_malloc(size_t size)
{
    calls++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    calls++;
    return __real_calloc(count, size);
}

int __wrap_openat(int dir, const char *name, int flags, int mode)
{
    calls++;
    return __real_openat(dir, name, flags, mode);
}

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
                  off_t offset)
{
    calls++;
    return __real_mmap(addr, length, prot, flags, fd, offset);
}

int __wrap_flock(int fd, int operation)
{
    calls++;
    return __real_flock(fd, operation);
}

static void event_allocates_opens_and_locks_nothing(void)
{
    int fd;

    calls = 0;
    start();
    CHECK(calls > 0);
    fd = filled_pipe(1, 9000);
    calls = 0;
    OK(vpm_fixation_begin(fixation, &err));
    OK(vpm_fixation_receive(
        fixation, fd, vpm_now_ns(CLOCK_MONOTONIC) + 10000000000, &err));
    OK(commit());
    CHECK(calls == 0);
    close(fd);
    stop();
}

int main(void)
{
    RUN(event_allocates_opens_and_locks_nothing);
    return 0;
}
