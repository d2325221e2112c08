/* SPDX-License-Identifier: Apache-2.0 */
/* guest.h -- what the tests in the virtual machine have in common
 *
 * They are one static program, which is the machine's init process. What it
 * says on the second serial port is TAP (Test Anything Protocol).
 */
#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pod.h"

#define NEVER_MS 60000          /* a hold-up time that no test exceeds */

/* Every test is a process of its own; pod.ko is not loaded when it begins,
 * and is unloaded when it has ended. */
struct test {
    const char *name;
    void (*run)(void);
};

extern const struct test event_tests[], notifier_tests[], cache_tests[],
    input_tests[], life_tests[], bare_tests[];

/* Ends the test. */
void fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

#define CHECK(condition)                                                  \
    ((condition) ? (void)0 : fail(__FILE__, __LINE__, "%s (errno %d, %s)", \
                                  #condition, errno, strerror(errno)))

/* Two integers are the same. */
#define EQUAL(found, expected)                                            \
    do {                                                                  \
        long long found_ = (found), expected_ = (expected);               \
        if (found_ != expected_)                                          \
            fail(__FILE__, __LINE__, "%s is %lld instead of %lld "        \
                 "(errno %d, %s)", #found, found_, expected_, errno,      \
                 strerror(errno));                                        \
    } while (0)

/* A call fails with an errno. */
#define FAILS(call, expected)                                             \
    do {                                                                  \
        EQUAL(call, -1);                                                  \
        EQUAL(errno, expected);                                           \
    } while (0)

/* Waits until a condition holds, and ends the test if it never does. */
#define EVENTUALLY(condition)                                             \
    do {                                                                  \
        for (int i_ = 0; !(condition); i_++) {                            \
            if (i_ == 3000)                                               \
                fail(__FILE__, __LINE__, "never: %s", #condition);        \
            usleep(10000);                                                \
        }                                                                 \
    } while (0)

/* -- modules ------------------------------------------------------------- */

/* As insmod(8) and rmmod(8) do; -1 and errno on failure. */
int load_module(const char *name, const char *parameters);
int unload_module(const char *name);

/* Loads pod.ko. */
void load(const char *parameters);

/* -- files --------------------------------------------------------------- */

/* Below /sys/class/misc/pod unless absolute; they end the test on failure. */
long long get_number(const char *path);
void get_text(const char *path, char *text, size_t size);
void put(const char *path, const char *text);

long long statistic(const char *name);

/* Whether the kernel has said so since the test began. */
bool kernel_said(const char *words);

/* -- the device ---------------------------------------------------------- */

int open_pod(void);

/* Reads one event. */
struct pod_event next(int fd);

/* Opens it and reads how power is. */
int open_good(void);

/* Registers this process. */
void enroll(int fd, uint32_t number);

/* Says by the test trigger how power is. */
void trigger(const char *level);

/* Triggers a failure; returns its sequence number, as fd reads it. */
uint64_t power_fails(int fd);

int64_t now_ns(clockid_t clock);

/* -- processes ----------------------------------------------------------- */

/* Runs a function in another process. */
pid_t start(void (*function)(int fd), int fd);

/* It has ended well. */
void finish(pid_t pid);
void end_by_kill(pid_t pid);

/* It sleeps in the kernel. */
void wait_asleep(pid_t pid);

/* Has the host do something; the name is a line on the serial port. */
void ask_host(const char *what);

#endif
