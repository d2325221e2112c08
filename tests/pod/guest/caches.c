/* SPDX-License-Identifier: Apache-2.0 */
/* caches.c -- writing back all caches, and parking the CPUs */
#include "guest.h"

#define CPU1 "/sys/devices/system/cpu/cpu1/online"

static struct pod_write_back write_back(int fd)
{
    struct pod_write_back result;

    EQUAL(ioctl(fd, POD_WRITE_BACK, &result), 0);
    return result;
}

static void every_cpu_takes_part(void)
{
    struct pod_write_back result;
    int fd;

    load("");
    fd = open_pod();
    EQUAL(sysconf(_SC_NPROCESSORS_ONLN), 2);
    result = write_back(fd);
    EQUAL(result.cpus, 2);
    CHECK(result.duration_ns > 0);
    EQUAL(result.reserved, 0);
    put(CPU1, "0");
    EQUAL(write_back(fd).cpus, 1);
    put(CPU1, "1");
    EQUAL(write_back(fd).cpus, 2);
    EQUAL(statistic("write_backs"), 3);
    CHECK(statistic("write_back_ns") > 0);
    FAILS(ioctl(fd, POD_WRITE_BACK, NULL), EFAULT);
}

static void write_back_often(int fd)
{
    for (int i = 0; i < 20; i++)
        EQUAL(write_back(fd).cpus, 2);
}

static void many_at_the_same_time(void)
{
    pid_t callers[8];
    int fd;

    load("");
    fd = open_pod();
    for (int i = 0; i < 8; i++)
        callers[i] = start(write_back_often, fd);
    for (int i = 0; i < 8; i++)
        finish(callers[i]);
    /* They may share one, but each call has one that began after it, so a
     * single process makes as many as it calls for.
     */
    CHECK(statistic("write_backs") >= 20);
    CHECK(statistic("write_backs") <= 8 * 20);
}

static void fail_and_acknowledge(int fd)
{
    uint64_t sequence = power_fails(fd);

    EQUAL(ioctl(fd, POD_ACKNOWLEDGE, &sequence), 0);
}

static void cpus_are_parked(void)
{
    int64_t began;
    int fd;

    load("test_trigger=1 park_ms=50");
    fd = open_good();
    enroll(fd, 0);
    began = now_ns(CLOCK_MONOTONIC);
    fail_and_acknowledge(fd);
    CHECK(now_ns(CLOCK_MONOTONIC) - began >= 50000000);
    EQUAL(statistic("parks"), 1);
    CHECK(statistic("park_ns") >= 50000000);
    EQUAL(statistic("write_backs"), 1);
    /* All is as before. */
    trigger("good");
    EQUAL(next(fd).level, POD_GOOD);
    EQUAL(write_back(fd).cpus, 2);
}

static void good_power_ends_the_parking(void)
{
    uint64_t sequence;
    int fd;

    CHECK(load_module("pod_test_lines", "level0=1 level1=1") == 0);
    load("gpio_chip=pod-test-lines gpio_line=0 park_ms=1000");
    fd = open_good();
    enroll(fd, 0);
    put("/sys/module/pod_test_lines/parameters/level0", "0");
    sequence = next(fd).sequence;
    put("/sys/module/pod_test_lines/parameters/high_after_ms", "100");
    EQUAL(ioctl(fd, POD_ACKNOWLEDGE, &sequence), 0);
    EQUAL(statistic("parks"), 1);
    CHECK(statistic("park_ns") < 1000000000);
}

const struct test cache_tests[] = {
    {"every_cpu_takes_part", every_cpu_takes_part},
    {"many_at_the_same_time", many_at_the_same_time},
    {"cpus_are_parked", cpus_are_parked},
    {"good_power_ends_the_parking", good_power_ends_the_parking},
    {NULL, NULL}
};
