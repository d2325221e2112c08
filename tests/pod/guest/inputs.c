/* SPDX-License-Identifier: Apache-2.0 */
/* inputs.c -- GPIO lines and NMIs */
#include "guest.h"

#define LEVEL "/sys/module/pod_test_lines/parameters/level"
#define DRIVER "/sys/bus/platform/drivers/pod/"

static void load_lines(const char *parameters)
{
    EQUAL(load_module("pod_test_lines", parameters), 0);
}

static uint32_t inputs(int fd)
{
    struct pod_info info;

    EQUAL(ioctl(fd, POD_INFO, &info), 0);
    return info.inputs;
}

static void expect(int fd, uint32_t level)
{
    struct pod_event event = next(fd);

    EQUAL(event.level, level);
    EQUAL(event.origin, POD_ORIGIN_LINE);
}

static void two_lines(void)
{
    int fd;

    load_lines("level0=1 level1=1");
    load("gpio_chip=pod-test-lines gpio_line=0,1");
    fd = open_good();
    EQUAL(inputs(fd), POD_INPUT_LINES);
    put(LEVEL "1", "0");
    expect(fd, POD_WARN);
    put(LEVEL "0", "0");
    expect(fd, POD_COMMIT);
    put(LEVEL "0", "1");
    expect(fd, POD_WARN);
    put(LEVEL "1", "1");
    expect(fd, POD_GOOD);
    EQUAL(statistic("events"), 5);
}

static void power_is_out_from_the_start(void)
{
    struct pod_event event;

    load_lines("level0=0");
    load("gpio_chip=pod-test-lines gpio_line=0");
    event = next(open_pod());
    EQUAL(event.level, POD_COMMIT);
    EQUAL(event.flags, POD_EVENT_STATE);
}

static void lines_may_be_active_low(void)
{
    int fd;

    load_lines("level0=0");
    load("gpio_chip=pod-test-lines gpio_line=0 gpio_active_low=1");
    fd = open_good();
    put(LEVEL "0", "1");
    expect(fd, POD_COMMIT);
}

static void lines_may_sleep(void)
{
    int fd;

    load_lines("level0=1 level1=1 sleeping=1");
    load("gpio_chip=pod-test-lines gpio_line=0,1");
    fd = open_good();
    put(LEVEL "0", "0");
    expect(fd, POD_COMMIT);
    put(LEVEL "0", "1");
    expect(fd, POD_GOOD);
}

static void chip_comes_later(void)
{
    int fd;

    load("gpio_chip=pod-test-lines gpio_line=0");
    fd = open_pod();
    EQUAL(inputs(fd), 0);
    load_lines("level0=1");
    expect(fd, POD_GOOD);
    EQUAL(inputs(fd), POD_INPUT_LINES);
    /* It is in use. */
    CHECK(unload_module("pod_test_lines") == -1);
}

static void lines_go(void)
{
    int fd;

    load_lines("level0=1");
    load("gpio_chip=pod-test-lines gpio_line=0");
    fd = open_good();
    put(DRIVER "unbind", "pod");
    expect(fd, POD_LOST);
    EQUAL(inputs(fd), 0);
    put(LEVEL "0", "0");
    EQUAL(statistic("events"), 2);
    put(DRIVER "bind", "pod");
    expect(fd, POD_COMMIT);
}

static void worst_input_counts(void)
{
    int fd;

    load_lines("level0=1");
    load("gpio_chip=pod-test-lines gpio_line=0 test_trigger=1");
    fd = open_good();
    EQUAL(inputs(fd), POD_INPUT_LINES | POD_INPUT_TEST);
    put(LEVEL "0", "0");
    EQUAL(next(fd).level, POD_COMMIT);
    trigger("warn");
    EQUAL(statistic("events"), 2);
    put(LEVEL "0", "1");
    EQUAL(next(fd).level, POD_WARN);
}

static void nmi(void)
{
    struct pollfd later = {.events = POLLIN};
    struct pod_event event;
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, POD_SIGNAL);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    load("nmi=1 hold_up_ms=60000");
    fd = open_pod();
    EQUAL(inputs(fd), POD_INPUT_NMI);
    enroll(fd, POD_SIGNAL);
    ask_host("nmi");
    event = next(fd);
    EQUAL(event.level, POD_COMMIT);
    EQUAL(event.origin, POD_ORIGIN_NMI);
    EQUAL(event.flags, 0);
    CHECK(event.monotonic_ns < now_ns(CLOCK_MONOTONIC));
    EQUAL(sigwaitinfo(&set, NULL), POD_SIGNAL);
    CHECK(statistic("nmis") >= 1);
    EQUAL(ioctl(fd, POD_ACKNOWLEDGE, &event.sequence), 0);
    EQUAL(statistic("acknowledged"), 1);
    /* An instant is nothing that a later reader is told. */
    later.fd = open_pod();
    EQUAL(poll(&later, 1, 0), 0);
    CHECK(!kernel_said("Uhhuh"));
}

static void nmi_of_others(void)
{
    int fd;

    load("test_trigger=1");
    fd = open_good();
    ask_host("nmi");
    EVENTUALLY(kernel_said("NMI received for unknown reason"));
    EQUAL(statistic("nmis"), 0);
    EQUAL(statistic("events"), 1);
    close(fd);
}

const struct test input_tests[] = {
    {"two_lines", two_lines},
    {"power_is_out_from_the_start", power_is_out_from_the_start},
    {"lines_may_be_active_low", lines_may_be_active_low},
    {"lines_may_sleep", lines_may_sleep},
    {"chip_comes_later", chip_comes_later},
    {"lines_go", lines_go},
    {"worst_input_counts", worst_input_counts},
    {"nmi", nmi},
    {"nmi_of_others", nmi_of_others},
    {NULL, NULL}
};
