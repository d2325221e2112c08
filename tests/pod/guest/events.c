/* SPDX-License-Identifier: Apache-2.0 */
/* events.c -- reading /dev/pod */
#include "guest.h"

#include <sys/mman.h>

static void first_event_is_how_power_is(void)
{
    struct pod_event event;
    int fd;

    load("test_trigger=1");
    trigger("warn");
    fd = open_pod();
    event = next(fd);
    EQUAL(event.level, POD_WARN);
    EQUAL(event.flags, POD_EVENT_STATE);
    EQUAL(event.sequence, 2);
    trigger("good");
    event = next(fd);
    EQUAL(event.level, POD_GOOD);
    EQUAL(event.flags, 0);
    EQUAL(event.sequence, 3);
}

static void all_readers_read_all(void)
{
    static const char *const levels[] = {"warn", "commit", "good"};
    int64_t monotonic = now_ns(CLOCK_MONOTONIC);
    int64_t realtime = now_ns(CLOCK_REALTIME);
    int fds[2];

    load("test_trigger=1");
    fds[0] = open_good();
    fds[1] = open_good();
    for (int i = 0; i < 3; i++)
        trigger(levels[i]);
    for (int i = 0; i < 2; i++) {
        struct pod_event events[4];

        EQUAL(read(fds[i], events, sizeof(events)), 3 * sizeof(events[0]));
        EQUAL(events[0].level, POD_WARN);
        EQUAL(events[1].level, POD_COMMIT);
        EQUAL(events[2].level, POD_GOOD);
        for (int j = 0; j < 3; j++) {
            EQUAL(events[j].sequence, 2 + j);
            EQUAL(events[j].origin, POD_ORIGIN_TEST);
            EQUAL(events[j].missed, 0);
            CHECK(events[j].monotonic_ns > monotonic);
            CHECK(events[j].realtime_ns > realtime);
            monotonic = events[j].monotonic_ns;
            realtime = events[j].realtime_ns;
        }
        CHECK(monotonic < now_ns(CLOCK_MONOTONIC));
        CHECK(realtime < now_ns(CLOCK_REALTIME));
        monotonic = realtime = 0;
    }
}

static void expect_failure(int fd)
{
    EQUAL(next(fd).level, POD_COMMIT);
}

static void read_blocks(void)
{
    pid_t readers[2];
    int fd;

    load("test_trigger=1");
    fd = open_good();
    readers[0] = start(expect_failure, fd);
    readers[1] = start(expect_failure, open_good());
    wait_asleep(readers[0]);
    wait_asleep(readers[1]);
    trigger("commit");
    finish(readers[0]);
    finish(readers[1]);
}

static void on_alarm(int number)
{
    (void)number;
}

static void signals_interrupt_reading(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct pod_event event;
    int fd;

    load("test_trigger=1");
    fd = open_good();
    sigaction(SIGALRM, &action, NULL);
    alarm(1);
    FAILS(read(fd, &event, sizeof(event)), EINTR);
}

static void poll_tells(void)
{
    struct pollfd fd = {.events = POLLIN};

    load("test_trigger=1");
    fd.fd = open_pod();
    EQUAL(poll(&fd, 1, 0), 1);
    next(fd.fd);
    EQUAL(poll(&fd, 1, 0), 0);
    trigger("commit");
    EQUAL(poll(&fd, 1, -1), 1);
    EQUAL(fd.revents, POLLIN);
    next(fd.fd);
    EQUAL(poll(&fd, 1, 0), 0);
}

static void bad_reads(void)
{
    struct pod_event event;
    void *unmapped = mmap(NULL, sizeof(event), PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd;

    CHECK(unmapped != MAP_FAILED);
    load("test_trigger=1");
    fd = open_good();
    EQUAL(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    FAILS(read(fd, &event, sizeof(event)), EAGAIN);
    FAILS(read(fd, &event, sizeof(event) - 1), EINVAL);
    FAILS(read(fd, &event, 0), EINVAL);
    trigger("warn");
    FAILS(read(fd, unmapped, sizeof(event)), EFAULT);
    FAILS(write(fd, &event, sizeof(event)), EINVAL);
    FAILS(lseek(fd, 0, SEEK_SET), ESPIPE);
}

static void who_is_slow_is_told(void)
{
    struct pod_event event;
    int fd;

    load("test_trigger=1");
    fd = open_good();
    for (int i = 0; i < 50; i++) {
        trigger("warn");
        trigger("good");
    }
    event = next(fd);
    EQUAL(event.missed, 100 - 64);
    EQUAL(event.sequence, 1 + 100 - 64 + 1);
    for (int i = 1; i < 64; i++) {
        struct pod_event later = next(fd);

        EQUAL(later.missed, 0);
        EQUAL(later.sequence, event.sequence + i);
    }
}

static void only_changes_are_events(void)
{
    char level[16];
    int fd;

    load("test_trigger=1");
    fd = open_good();
    trigger("good");
    trigger("commit");
    trigger("commit");
    trigger("warn");
    EQUAL(next(fd).level, POD_COMMIT);
    EQUAL(next(fd).level, POD_WARN);
    EQUAL(statistic("events"), 3);
    get_text("level", level, sizeof(level));
    CHECK(strcmp(level, "warn") == 0);
}

static void information(void)
{
    struct pod_info info;
    int fd;

    load("test_trigger=1 hold_up_ms=33 park_ms=7");
    fd = open_pod();
    EQUAL(ioctl(fd, POD_INFO, &info), 0);
    EQUAL(info.abi, POD_ABI);
    EQUAL(info.inputs, POD_INPUT_TEST);
    EQUAL(info.hold_up_ms, 33);
    EQUAL(info.park_ms, 7);
    EQUAL(info.reserved, 0);
    /* This is a virtual machine. */
    EQUAL(info.features, 0);
    FAILS(ioctl(fd, POD_INFO, NULL), EFAULT);
    FAILS(ioctl(fd, _IO(0xD9, 0), &info), ENOTTY);
    FAILS(ioctl(fd, _IO(0xD9, 99), NULL), ENOTTY);
}

const struct test event_tests[] = {
    {"first_event_is_how_power_is", first_event_is_how_power_is},
    {"all_readers_read_all", all_readers_read_all},
    {"read_blocks", read_blocks},
    {"signals_interrupt_reading", signals_interrupt_reading},
    {"poll_tells", poll_tells},
    {"bad_reads", bad_reads},
    {"who_is_slow_is_told", who_is_slow_is_told},
    {"only_changes_are_events", only_changes_are_events},
    {"information", information},
    {NULL, NULL}
};
