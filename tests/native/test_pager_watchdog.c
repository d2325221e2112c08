/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager_watchdog.c -- a fault that waits too long is reported */
/* build: threads */
#include <poll.h>
#include <unistd.h>

#include "paged_guest.h"

static int never_durable(int fd)
{
    (void)fd;
    pause();
    return 0;
}

static int messages[2];

static void write_to_hung_disk(void)
{
    CHECK(dup2(messages[1], STDERR_FILENO) >= 0);
    faulty = vpm_persist_real;
    faulty.datasync = never_durable;
    vpm_persist = &faulty;
    change_all();
}

static void the_watchdog_names_a_stuck_fault(void)
{
    char text[1024];
    struct pollfd ready;
    ssize_t got;
    pid_t pid;

    make_small();
    CHECK(pipe(messages) == 0);
    ready = (struct pollfd){.fd = messages[0], .events = POLLIN};
    pid = spawn(write_to_hung_disk);
    CHECK(poll(&ready, 1, PATIENCE) == 1);
    got = read(messages[0], text, sizeof(text) - 1);
    CHECK(got > 0);
    text[got] = 0;
    CHECK(strstr(text, "a fault on page") && strstr(text, "at address 0x"));
    kill_it(pid);
    CHECK(ended(spawn(verify_all)) == 0);
    close(messages[0]);
    close(messages[1]);
    done();
}

int main(void)
{
    RUN(the_watchdog_names_a_stuck_fault);
    return 0;
}
