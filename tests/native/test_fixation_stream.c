/* SPDX-License-Identifier: Apache-2.0 */
/* test_fixation_stream.c -- streams of all lengths and speeds */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "one_fixation.h"

#define CAPACITY (16 * KIB - 4096)

static void longest_stream(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, CAPACITY)));
    OK(commit());
    OK(verify());
    stop();
}

static void too_long_a_stream(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_ENOSPC, receive(filled_pipe(1, CAPACITY + 1)));
    SAYS("longer than the 12288 bytes");
    EXPECT(VPM_EINVAL, commit());
    EXPECT(VPM_EUNPROVEN, verify());
    stop();
}

static void empty_stream(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_EUNPROVEN, receive(filled_pipe(1, 0)));
    SAYS("was empty");
    EXPECT(VPM_EINVAL, commit());
    stop();
}

static void closed_stream(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_ESYS, vpm_fixation_receive(fixation, 999, 0, &err));
    SAYS("errno 9");
    EXPECT(VPM_EINVAL, commit());
    stop();
}

/* The writer sent something and then neither more nor the end. */
static void stalled_stream(void)
{
    int ends[2];

    start();
    OK(vpm_fixation_begin(fixation, &err));
    CHECK(pipe(ends) == 0 && write(ends[1], "some", 4) == 4);
    EXPECT(VPM_ETIMEDOUT,
           vpm_fixation_receive(fixation, ends[0],
                                vpm_now_ns(CLOCK_MONOTONIC) + 20000000,
                                &err));
    SAYS("4 bytes had come");
    EXPECT(VPM_EINVAL, receive(filled_pipe(1, 100)));
    EXPECT(VPM_EINVAL, commit());
    EXPECT(VPM_EUNPROVEN, verify());
    close(ends[0]);
    close(ends[1]);
    stop();
}

/* There is always more to read, so waiting never ends it. */
static void deadline_counts_while_data_comes(void)
{
    int fd = filled_pipe(1, 5000);

    start();
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_ETIMEDOUT, vpm_fixation_receive(fixation, fd, 1, &err));
    close(fd);
    stop();
}

static void write_in_bits(void *arg)
{
    int fd = *(int *)arg;

    for (int i = 0; i < 200; i++) {
        if (write(fd, "0123456789", 10) != 10)
            _exit(1);
        if (i % 50 == 0)
            usleep(1000);
    }
}

static void stream_in_bits_on_a_nonblocking_socket(void)
{
    struct vpm_state_info info;
    int ends[2];
    pid_t pid;

    start();
    OK(vpm_fixation_begin(fixation, &err));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        write_in_bits(&ends[1]);
        _exit(0);
    }
    close(ends[1]);
    OK(receive(ends[0]));
    OK(commit());
    OK(vpm_state_verify(pool, region.id, &info, &err));
    CHECK(info.length == 2000);
    stop();
}

static void reader_goes_away(void)
{
    int ends[2];

    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(commit());
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    close(ends[0]);
    EXPECT(VPM_ESYS, vpm_state_send(pool, region.id, ends[1], 0, &err));
    SAYS("Broken pipe");
    close(ends[1]);
    stop();
}

/* A QEMU that hangs while it loads must not hang nova-compute's start. */
static void reader_stops_reading(int ends[2])
{
    uint64_t deadline;

    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, CAPACITY)));
    OK(commit());
    deadline = vpm_now_ns(CLOCK_MONOTONIC) + 50000000;
    alarm(60);
    EXPECT(VPM_ETIMEDOUT, vpm_state_send(pool, region.id, ends[1], deadline,
                                         &err));
    SAYS("not read to its end before the deadline");
    alarm(0);
    CHECK(vpm_now_ns(CLOCK_MONOTONIC) >= deadline);
    close(ends[0]);
    close(ends[1]);
    stop();
}

static void socket_is_not_read(void)
{
    int small = 1, ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small,
                     sizeof(small)) == 0);
    reader_stops_reading(ends);
}

static void pipe_is_not_read(void)
{
    int ends[2];

    CHECK(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    reader_stops_reading(ends);
}

int main(void)
{
    RUN(longest_stream);
    RUN(too_long_a_stream);
    RUN(empty_stream);
    RUN(closed_stream);
    RUN(stalled_stream);
    RUN(deadline_counts_while_data_comes);
    RUN(stream_in_bits_on_a_nonblocking_socket);
    RUN(reader_goes_away);
    RUN(socket_is_not_read);
    RUN(pipe_is_not_read);
    return 0;
}
