/* SPDX-License-Identifier: Apache-2.0 */
/* guard.c -- surviving memory that is mapped and not there */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>

struct guard {
    sigjmp_buf back;
    struct guard *outer;
};

static __thread struct guard *current;
static struct sigaction before;

/* SA_NODEFER: the signal mask need not be saved, which would be a system
 * call. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    struct guard *guard = current;

    (void)context;
    if (guard && info->si_code > 0) {
        current = guard->outer;
        siglongjmp(guard->back, 1);
    }
    /* The access is made again when we return; if somebody sent the signal,
     * there was none. */
    sigaction(number, &before, NULL);
    if (info->si_code <= 0)
        raise(number);
}

static void install(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER |
                               SA_ONSTACK};

    action.sa_sigaction = on_bus_error;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
}

void vpm_guard_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
}

int vpm_guard(int (*access)(void *opaque), void *opaque)
{
    struct guard guard;
    int rc;

    guard.outer = current;
    if (sigsetjmp(guard.back, 0)) {
        errno = EIO;
        return -1;
    }
    current = &guard;
    rc = access(opaque);
    current = guard.outer;
    return rc;
}

struct copy {
    void *to;
    const void *from;
    size_t length;
};

static int copy(void *opaque)
{
    const struct copy *copy = opaque;

    memcpy(copy->to, copy->from, copy->length);
    return 0;
}

int vpm_guard_copy(void *to, const void *from, size_t length)
{
    struct copy all = {to, from, length};

    return vpm_guard(copy, &all);
}
