/* SPDX-License-Identifier: Apache-2.0 */
/* life.c -- coming and going of the driver */
#include "guest.h"

static void expect_failure(int fd)
{
    EQUAL(next(fd).level, POD_COMMIT);
}

static void stays_while_it_is_read(void)
{
    pid_t reader;
    int fd;

    load("test_trigger=1");
    fd = open_good();
    reader = start(expect_failure, fd);
    close(fd);
    wait_asleep(reader);
    FAILS(unload_module("pod"), EWOULDBLOCK);
    trigger("commit");
    finish(reader);
    EVENTUALLY(unload_module("pod") == 0);
    FAILS(open("/dev/pod", O_RDONLY), ENOENT);
}

static void goes_in_an_outage(void)
{
    load("test_trigger=1 hold_up_ms=100");
    trigger("commit");
    EQUAL(unload_module("pod"), 0);
    usleep(200000);
    load("test_trigger=1");
    close(open_good());
}

static void no_trigger_unless_wanted(void)
{
    struct pollfd fd = {.events = POLLIN};

    load("");
    FAILS(access("/sys/class/misc/pod/trigger", F_OK), ENOENT);
    EQUAL(access("/sys/class/misc/pod/level", F_OK), 0);
    FAILS(open("/sys/module/pod/parameters/test_trigger", O_WRONLY | O_TRUNC),
          EACCES);
    /* Nobody knows how power is. */
    fd.fd = open_pod();
    EQUAL(poll(&fd, 1, 0), 0);
}

static void refuse(const char *parameters, int error, const char *words)
{
    EQUAL(load_module("pod", parameters), -1);
    EQUAL(errno, error);
    CHECK(kernel_said(words));
    FAILS(access("/dev/pod", F_OK), ENOENT);
}

static void bad_parameters(void)
{
    refuse("hold_up_ms=0", EINVAL, "hold_up_ms=0 is out of range");
    refuse("hold_up_ms=60001", EINVAL, "hold_up_ms=60001 is out of range");
    refuse("park_ms=1001", EINVAL, "park_ms=1001 is out of range");
    refuse("gpio_chip=a", EINVAL, "give both or none");
    refuse("gpio_line=1", EINVAL, "give both or none");
    refuse("gpio_chip=a gpio_line=1,2,3", EINVAL, "can only take 2 arguments");
}

static void bad_trigger(void)
{
    int fd;

    load("test_trigger=1");
    fd = open("/sys/class/misc/pod/trigger", O_WRONLY);
    CHECK(fd >= 0);
    FAILS(write(fd, "lost", 4), EINVAL);
    FAILS(write(fd, "commitment", 10), EINVAL);
    EQUAL(statistic("events"), 1);
}

const struct test life_tests[] = {
    {"stays_while_it_is_read", stays_while_it_is_read},
    {"goes_in_an_outage", goes_in_an_outage},
    {"no_trigger_unless_wanted", no_trigger_unless_wanted},
    {"bad_parameters", bad_parameters},
    {"bad_trigger", bad_trigger},
    {NULL, NULL}
};
