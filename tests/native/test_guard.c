/* SPDX-License-Identifier: Apache-2.0 */
/* test_guard.c -- SIGBUS is an error within a guard, and nowhere else */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guard.h"
#include "harness.h"

#define KILLED (128 + SIGBUS)

/* A mapping of a file that was cut off. */
static uint8_t *gone(void)
{
    int fd = open(FS "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint8_t *addr;

    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    addr = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(addr != MAP_FAILED);
    addr[0] = 1;
    CHECK(ftruncate(fd, 0) == 0);
    close(fd);
    return addr;
}

/* As programs that no test changes. */
static void be_plain(void)
{
    signal(SIGBUS, SIG_DFL);
}

static void touch(void *arg)
{
    uint8_t *addr = gone();

    be_plain();
    if (arg)
        vpm_guard_install();
    *(volatile uint8_t *)addr = 1;
}

static void send_it(void *arg)
{
    (void)arg;
    be_plain();
    vpm_guard_install();
    raise(SIGBUS);
}

static void unguarded_kills_as_ever(void)
{
    CHECK(in_child(touch, NULL) == KILLED);
    CHECK(in_child(touch, "guarded elsewhere") == KILLED);
    CHECK(in_child(send_it, NULL) == KILLED);
}

static void guarded_is_an_error(void)
{
    uint8_t *addr = gone(), byte = 7;

    vpm_guard_install();
    errno = 0;
    CHECK(vpm_guard_copy(&byte, addr, 1) == -1 && errno == EIO);
    CHECK(vpm_guard_copy(addr, &byte, 1) == -1 && errno == EIO);
    CHECK(vpm_guard_copy(&byte, &errno, 1) == 0);
}

static int inner(void *opaque)
{
    uint8_t byte;

    CHECK(vpm_guard_copy(&byte, opaque, 1) == -1);
    return 17;
}

static int outer(void *opaque)
{
    CHECK(vpm_guard(inner, opaque) == 17);
    return ((volatile uint8_t *)opaque)[0];
}

static void one_within_another(void)
{
    uint8_t *addr = gone();

    vpm_guard_install();
    CHECK(vpm_guard(inner, addr) == 17);
    CHECK(vpm_guard(outer, addr) == -1);
    CHECK(vpm_guard(inner, addr) == 17);
}

static void *try_often(void *addr)
{
    uint8_t byte;

    for (int i = 0; i < 1000; i++)
        CHECK(vpm_guard_copy(&byte, addr, 1) == -1);
    return NULL;
}

static void each_thread_has_its_own(void)
{
    pthread_t threads[4];
    uint8_t *addr = gone();

    vpm_guard_install();
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, try_often, addr) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
    RUN(unguarded_kills_as_ever);
    RUN(guarded_is_an_error);
    RUN(one_within_another);
    RUN(each_thread_has_its_own);
    return 0;
}
