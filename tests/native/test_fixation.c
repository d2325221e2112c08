/* SPDX-License-Identifier: Apache-2.0 */
/* test_fixation.c -- receiving and committing a state
 *
 * Linked so that every call of malloc, open and mmap by libvpm is counted. */
/* build: wrap malloc,calloc,openat,mmap,flock */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define CAPACITY (16 * KIB - 4096)

static const struct vpm_fixation_meta meta = {
    .wall_ns = 11, .signal_ns = 22, .stopped_ns = 33, .saved_ns = 44,
    .runstate = "running", .producer = "qemu 10.0.2",
};

static struct vpm_pool *pool;
static struct vpm_region_info region;
static struct vpm_fixation *fixation;
static uint64_t persisted_ns;

static void start(void)
{
    pool = new_pool();
    region = alloc(pool, "a", 4096);
    OK(vpm_region_begin_epoch(pool, region.id, &err));
    fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(fixation);
}

static void stop(void)
{
    vpm_fixation_close(fixation);
    vpm_pool_close(pool);
}

static int receive(int fd)
{
    int rc = vpm_fixation_receive(fixation, fd, 0, &err);

    close(fd);
    return rc;
}

static int commit(void)
{
    return vpm_fixation_commit(fixation, &meta, &persisted_ns, &err);
}

static int verify(void)
{
    struct vpm_state_info info;

    return vpm_state_verify(pool, region.id, &info, &err);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void what_goes_in_comes_out(void)
{
    struct vpm_state_info info;
    uint8_t back[6000];
    uint64_t before;
    int ends[2];

    start();
    before = now_ns();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(0x77, 5000)));
    EXPECT(VPM_EUNPROVEN, verify());
    OK(commit());
    CHECK(before <= persisted_ns && persisted_ns <= now_ns());
    OK(vpm_state_verify(pool, region.id, &info, &err));
    CHECK(info.epoch == 1 && info.length == 5000);
    CHECK(before <= info.persisted_ns && info.persisted_ns <= persisted_ns);
    CHECK(memcmp(&info.meta, &meta, sizeof(meta)) == 0);

    CHECK(pipe(ends) == 0);
    OK(vpm_state_send(pool, region.id, ends[1], &err));
    close(ends[1]);
    CHECK(read(ends[0], back, sizeof(back)) == 5000);
    for (int i = 0; i < 5000; i++)
        CHECK(back[i] == 0x77);
    close(ends[0]);
    stop();
}

static void opening_changes_nothing(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(commit());
    vpm_fixation_close(fixation);
    fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(fixation);
    OK(verify());
    stop();
}

static void a_proven_state_is_not_overwritten(void)
{
    struct vpm_fixation *mine;

    start();
    mine = fixation;
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(commit());
    EXPECT(VPM_EFIXATED, vpm_fixation_begin(fixation, &err));
    SAYS("fixated already, in epoch 1");
    EXPECT(VPM_EINVAL, receive(filled_pipe(1, 100)));
    fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(fixation);
    EXPECT(VPM_EFIXATED, vpm_fixation_begin(fixation, &err));
    OK(verify());

    OK(vpm_region_begin_epoch(pool, region.id, &err));
    OK(vpm_fixation_begin(mine, &err));
    EXPECT(VPM_EUNPROVEN, verify());
    vpm_fixation_close(mine);
    stop();
}

/* It cannot be used, so nothing is lost. */
static void a_damaged_state_is_overwritten(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(commit());
    poke(region_file(region.id, "state"), 4096, "x", 1);
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(2, 100)));
    OK(commit());
    OK(verify());
    stop();
}

static void begin_clears_the_marker(void)
{
    uint64_t marker = 0x444e455300000000;

    start();
    poke(region_file(region.id, "state"), 4032, &marker, sizeof(marker));
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_EUNPROVEN, verify());
    SAYS("there is no marker");
    stop();
}

static void steps_in_order_only(void)
{
    start();
    EXPECT(VPM_EINVAL, receive(filled_pipe(1, 100)));
    SAYS("call begin first");
    EXPECT(VPM_EINVAL, commit());
    OK(vpm_fixation_begin(fixation, &err));
    EXPECT(VPM_EINVAL, commit());
    SAYS("no complete stream");
    EXPECT(VPM_EUNPROVEN, verify());
    stop();
}

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
           vpm_fixation_receive(fixation, ends[0], now_ns() + 20000000,
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

static void epoch_begins_meanwhile(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(vpm_region_begin_epoch(pool, region.id, &err));
    EXPECT(VPM_EUNPROVEN, commit());
    SAYS("epoch 2 began during that of epoch 1");
    EXPECT(VPM_EUNPROVEN, verify());
    stop();
}

static void region_is_freed_meanwhile(void)
{
    start();
    OK(vpm_fixation_begin(fixation, &err));
    OK(receive(filled_pipe(1, 100)));
    OK(nvfree(pool, "a", 0, &err));
    EXPECT(VPM_ENOENT, commit());
    EXPECT(VPM_ENOENT, vpm_fixation_begin(fixation, &err));
    alloc(pool, "a", 4096);
    EXPECT(VPM_ENOENT, vpm_fixation_begin(fixation, &err));
    SAYS("freed meanwhile");
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
    EXPECT(VPM_ESYS, vpm_state_send(pool, region.id, ends[1], &err));
    SAYS("Broken pipe");
    close(ends[1]);
    stop();
}

/* -- nothing is waited for ----------------------------------------------- */

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
    OK(vpm_fixation_receive(fixation, fd, now_ns() + 10000000000, &err));
    OK(commit());
    CHECK(calls == 0);
    close(fd);
    stop();
}

int main(void)
{
    RUN(what_goes_in_comes_out);
    RUN(opening_changes_nothing);
    RUN(a_proven_state_is_not_overwritten);
    RUN(a_damaged_state_is_overwritten);
    RUN(begin_clears_the_marker);
    RUN(steps_in_order_only);
    RUN(longest_stream);
    RUN(too_long_a_stream);
    RUN(empty_stream);
    RUN(closed_stream);
    RUN(stalled_stream);
    RUN(deadline_counts_while_data_comes);
    RUN(stream_in_bits_on_a_nonblocking_socket);
    RUN(epoch_begins_meanwhile);
    RUN(region_is_freed_meanwhile);
    RUN(reader_goes_away);
    RUN(event_allocates_opens_and_locks_nothing);
    return 0;
}
