/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_start.c -- who may have a region's memory, and with what files */
/* build: threads */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "paged_guest.h"

/* A child of the guest has neither its memory nor its region. */
static void fork_and_forget(void)
{
    struct vpm_pager *pager = start();
    pid_t pid;

    CHECK(pager);
    change(3);
    pid = fork();
    if (pid == 0) {
        vpm_pager_forget(pager);
        CHECK(msync(guest_page(3), 4096, MS_ASYNC) < 0 && errno == ENOMEM);
        _exit(0);
    }
    CHECK(ended(pid) == 0);
    verify(3);
    verify(4);
}

static void children_forget(void)
{
    make_small();
    CHECK(ended(spawn(fork_and_forget)) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

static void second_pager(void)
{
    CHECK(!start());
    EXPECT(VPM_EINVAL, err.code);
    SAYS("in use by another pager");
}

static void two_pagers_never(void)
{
    pid_t pid;

    make_small();
    pid = spawn(hold);
    wait_flag();
    CHECK(ended(spawn(second_pager)) == 0);
    kill_it(pid);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

static void other_swap_file(void)
{
    CHECK(!start());
    EXPECT(VPM_ECORRUPT, err.code);
    SAYS("not the file that belongs to it");
}

static void a_copied_swap_file_is_refused(void)
{
    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    CHECK(rename(region.swap_path, SWAP "/old") == 0);
    CHECK(system("cp -a " SWAP "/old `readlink " POOL "/regions/*/swap`")
          == 0);
    CHECK(ended(spawn(other_swap_file)) == 0);
    CHECK(rename(SWAP "/old", region.swap_path) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

int main(void)
{
    RUN(children_forget);
    RUN(two_pagers_never);
    RUN(a_copied_swap_file_is_refused);
    return 0;
}
