/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_read_error.c -- a page that cannot be read is never shown */
/* build: threads */
#include <errno.h>
#include <unistd.h>

#include "paged_guest.h"

static int never_written(int fd, uint64_t offset, const struct iovec *iov,
                         int count)
{
    (void)fd;
    (void)offset;
    (void)iov;
    (void)count;
    pause();
    return 0;
}

/* The evictor must not make the file longer again. */
static void touch_cut(void)
{
    faulty = vpm_persist_real;
    faulty.write = never_written;
    vpm_persist = &faulty;
    must_start();
    CHECK(truncate(region.swap_path, 0) == 0);
    verify(0);
    _exit(1);
}

/* Waits until some frames are free. */
static void let_evictor_rest(void)
{
    pid_t pid = spawn(hold);

    wait_flag();
    for (int ms = 0; stats().in_memory > 60 * 4096; ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
    kill_it(pid);
    shared->flag = 0;
}

static void what_cannot_be_read_is_never_shown(void)
{
    pid_t pid;

    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    let_evictor_rest();
    pid = spawn(touch_cut);
    wait_error(VPM_REGION_SWAP_IN);
    CHECK(stats().error_errno == EIO && stats().error_page == 0);
    kill_it(pid);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(what_cannot_be_read_is_never_shown);
    return 0;
}
