/* SPDX-License-Identifier: Apache-2.0 */
/* pager.c -- starts a pager (see pager.h) */
#include "pager.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core.h"
#include "error.h"
#include "evictor.h"
#include "pause.h"
#include "reader.h"
#include "watchdog.h"

#define STACK_SIZE ((size_t)256 << 10)
#define BATCH_BYTES (1u << 20)

/* Pages of earlier runs are in their frames, and shown when touched. */
static void found_page(void *opaque, uint32_t page,
                       struct vpm_ppt_entry entry)
{
    struct vpm_pager *pager = opaque;

    if (entry.frame == VPM_NONE) {
        status(pager)->in_swap++;
        return;
    }
    status(pager)->in_memory++;
    pager->states[page] = COOL;
    vpm_policy_enter(&pager->policy, page);
}

static int make_tables(struct vpm_pager *pager, struct vpm_error *err)
{
    const struct vpm_shape *shape = &pager->backing.ppt.shape;
    uint64_t batch = shape->frames / 16;

    pager->page_size = shape->page_size;
    if (batch > BATCH_BYTES / pager->page_size)
        batch = BATCH_BYTES / pager->page_size;
    if (batch == 0)
        batch = 1;
    pager->batch = (uint32_t)batch;
    pager->zone = VPM_NONE;
    pager->low = pager->batch;
    pager->high = 2 * pager->batch;
    if (vpm_policy_init(&pager->policy, shape) < 0)
        return vpm_fail_errno(err, "cannot start a pager for %s",
                              pager->backing.path);
    /* A batch may end with a whole cluster. */
    pager->moves = calloc(batch + pager->policy.span,
                          sizeof(*pager->moves));
    pager->states = calloc(shape->pages, sizeof(*pager->states));
    if (!pager->moves || !pager->states)
        return vpm_fail_errno(err, "cannot start a pager for %s",
                              pager->backing.path);
    return VPM_OK;
}

static int start_thread(struct vpm_pager *pager, void *(*run)(void *),
                        const char *name)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attr, run, pager);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        pthread_setname_np(thread, name);
    return rc;
}

/* Signals are left to the process's other threads. */
static int start_threads(struct vpm_pager *pager, struct vpm_error *err)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = start_thread(pager, vpm_reader_run, "vpm-reader");
    if (rc == 0)
        rc = start_thread(pager, vpm_evictor_run, "vpm-evictor");
    if (rc == 0)
        rc = start_thread(pager, vpm_watchdog_run, "vpm-watchdog");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = rc;
    return rc ? vpm_fail_errno(err, "cannot start the pager's threads") :
        VPM_OK;
}

static int prepare(struct vpm_pager *pager, void *base, uint64_t length,
                   struct vpm_error *err)
{
    const struct vpm_shape *shape = &pager->backing.ppt.shape;
    int rc = VPM_OK;

    if (length != shape->virtual_size)
        rc = vpm_fail(err, VPM_EINVAL, "the memory of %s is %" PRIu64
                      " bytes, not %" PRIu64, pager->backing.path,
                      shape->virtual_size, length);
    if (rc == VPM_OK)
        rc = vpm_shape_check_host(shape, err);
    if (rc == VPM_OK)
        rc = make_tables(pager, err);
    if (rc < 0)
        return rc;
    status(pager)->in_memory = 0;
    status(pager)->in_swap = 0;
    vpm_ppt_clear_errors(&pager->backing.ppt);
    rc = vpm_backing_scan(&pager->backing, found_page, pager, err);
    if (rc == VPM_OK)
        rc = vpm_uffd_open(&pager->uffd, base, length,
                           pager->batch * pager->page_size, err);
    if (rc == VPM_OK)
        rc = vpm_aio_open(&pager->aio, READINGS, err);
    return rc;
}

struct vpm_pager *vpm_pager_start(const char *dir, void *base,
                                  uint64_t length, struct vpm_error *err)
{
    struct vpm_pager *pager = calloc(1, sizeof(*pager));

    if (!pager) {
        vpm_fail_errno(err, "cannot start a pager for %s", dir);
        return NULL;
    }
    pthread_mutex_init(&pager->lock, NULL);
    pthread_mutex_init(&pager->error_lock, NULL);
    pthread_cond_init(&pager->room, NULL);
    if (vpm_backing_open(&pager->backing, dir, err) < 0) {
        free(pager);
        return NULL;
    }
    if (prepare(pager, base, length, err) < 0) {
        vpm_policy_free(&pager->policy);
        free(pager->moves);
        free(pager->states);
        vpm_backing_close(&pager->backing);
        free(pager);
        return NULL;
    }
    pager->pause = vpm_pause_map(dir);
    /* On failure nothing is freed: threads that did start use it. */
    return start_threads(pager, err) < 0 ? NULL : pager;
}

void vpm_pager_on_fatal(struct vpm_pager *pager, void (*end)(void))
{
    __atomic_store_n(&pager->end, end, __ATOMIC_RELEASE);
}

void vpm_pager_forget(struct vpm_pager *pager)
{
    vpm_uffd_forget(&pager->uffd);
    vpm_aio_close(&pager->aio);
    vpm_backing_close(&pager->backing);
}
