/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_write_error.c -- a page that cannot be written is kept */
/* build: threads */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "paged_guest.h"

static int failures;

static int fail_thrice(int fd, uint64_t offset, const struct iovec *iov,
                       int count)
{
    if (failures++ < 3) {
        errno = EIO;
        return -1;
    }
    return vpm_persist_real.write(fd, offset, iov, count);
}

static void write_with_failures(void)
{
    faulty = vpm_persist_real;
    faulty.write = fail_thrice;
    vpm_persist = &faulty;
    change_all();
    for (uint32_t i = 0; i < pages; i++)
        verify(i);
}

/* Fails as long as the parent has set the flag. */
static int fail_while_told(int fd, uint64_t offset, const struct iovec *iov,
                           int count)
{
    if (__atomic_load_n(&shared->flag, __ATOMIC_SEQ_CST)) {
        errno = EIO;
        return -1;
    }
    return vpm_persist_real.write(fd, offset, iov, count);
}

static void write_as_told(void)
{
    faulty = vpm_persist_real;
    faulty.write = fail_while_told;
    vpm_persist = &faulty;
    change_all();
}

static void what_cannot_be_written_is_kept(void)
{
    pid_t pid;

    make_small();
    CHECK(ended(spawn(write_with_failures)) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    /* The error is reported as long as writing fails. */
    shared->flag = 1;
    pid = spawn(write_as_told);
    wait_error(VPM_REGION_SWAP_OUT);
    CHECK(stats().error_errno == EIO && !stats().fatal);
    __atomic_store_n(&shared->flag, 0, __ATOMIC_SEQ_CST);
    CHECK(ended(pid) == 0);
    CHECK(stats().error == VPM_REGION_SOUND);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

static int said[2];  /* a pipe that stands for the log */

static void write_with_failures_to_a_log(void)
{
    CHECK(dup2(said[1], STDERR_FILENO) == STDERR_FILENO);
    write_with_failures();
}

/* Each try fails until the disk is mended; the log is not filled by that. */
static void failures_are_said_once(void)
{
    char text[4096] = "";
    const char *first;

    make_small();
    CHECK(pipe(said) == 0);
    CHECK(ended(spawn(write_with_failures_to_a_log)) == 0);
    CHECK(read(said[0], text, sizeof(text) - 1) > 0);
    first = strstr(text, "cannot be written to the swap file");
    CHECK(first && !strstr(first + 1, "cannot be written"));
    CHECK(strstr(text, "pages leave memory again"));
    done();
}

/* The log daemon hangs. */
static void faults_do_not_wait_for_the_log(void)
{
    char block[4096] = "";

    make_small();
    CHECK(pipe(said) == 0 && fcntl(said[1], F_SETPIPE_SZ, 4096) == 4096);
    CHECK(write(said[1], block, sizeof(block)) == sizeof(block));
    alarm(120);
    CHECK(ended(spawn(write_with_failures_to_a_log)) == 0);
    alarm(0);
    done();
}

int main(void)
{
    RUN(what_cannot_be_written_is_kept);
    RUN(failures_are_said_once);
    RUN(faults_do_not_wait_for_the_log);
    return 0;
}
