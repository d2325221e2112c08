/* SPDX-License-Identifier: Apache-2.0 */
/* fake_qemu.c -- QEMUs for tests of the engine, each played by a thread */
#include "fake_qemu.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

struct vpm_pool *pool;
struct vpm_engine *engine;
uint64_t hold_up_ns;
int later, later_asked, later_answered;
int write_backs;

void wait_until(int *count, int least)
{
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < least)
        usleep(100);
}

void say(struct fake *fake, const char *text)
{
    /* Not checked: nobody may be listening any more. */
    send(fake->qmp, text, strlen(text), MSG_NOSIGNAL);
}

void babble(struct fake *fake)
{
    static char junk[40000];

    memset(junk, 'x', sizeof(junk) - 1);
    say(fake, "{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}\r\n");
    say(fake, "{\"event\": \"RTC_CHANGE\", \"data\": {\"id\": 3, "
              "\"return\": {}}}\r\n");
    say(fake, "{\"junk\": \"");
    say(fake, junk);
    say(fake, "\"}\r\n{}\r\n[]\r\n\r\n{\"id\"\r\n{\"id\": 99, \"return\": "
              "{}}\r\nnonsense}\"\r\n");
}

static void answer(struct fake *fake, const char *id, const char *value)
{
    char line[512];

    if (fake->manner == BABBLES)
        babble(fake);
    snprintf(line, sizeof(line), "{\"return\": %s, \"id\": %s}\r\n", value,
             id);
    say(fake, line);
}

static void refuse(struct fake *fake, const char *id, const char *why)
{
    char line[512];

    snprintf(line, sizeof(line), "{\"error\": {\"class\": \"GenericError\", "
             "\"desc\": \"%s\"}, \"id\": %s}\r\n", why, id);
    say(fake, line);
}

static void stream(struct fake *fake, size_t length)
{
    static const char block[1000] = {[0 ... 999] = 'S'};

    for (size_t sent = 0; sent < length; sent += sizeof(block))
        if (write(fake->stream, block, sizeof(block)) < 0)
            break;
}

static void migrate(struct fake *fake)
{
    if (fake->manner == HANGS_SAVING)
        return;
    if (fake->manner == DIES_SAVING)
        shutdown(fake->qmp, SHUT_RDWR);
    stream(fake, fake->manner == SAYS_NOTHING ? 0 :
           fake->manner == TALKS_TOO_MUCH ? 20000 : 8000);
    close(fake->stream);
    fake->stream = -1;
}

static void on_query_migrate(struct fake *fake, const char *id)
{
    bool wait = fake->manner == NEVER_COMPLETES ||
        (fake->manner == SLOW_TO_COMPLETE && fake->asked++ < 3);

    if (fake->manner == COMPLETES_FIRST)
        wait_until(&later_asked, later);
    if (fake->manner == COMPLETES_LATER) {
        __atomic_add_fetch(&later_asked, 1, __ATOMIC_SEQ_CST);
        wait_until(&write_backs, 1);
    }
    answer(fake, id, wait ? "{\"status\": \"active\"}" :
           fake->manner == CANNOT_FLUSH || fake->manner == SAYS_NOTHING ?
           "{\"status\": \"failed\", \"error-desc\": \"no \\\"flush\\\"\"}" :
           "{\"ram\": {\"status\": \"x\"}, \"status\": \"completed\"}");
    if (fake->manner == COMPLETES_LATER)
        __atomic_add_fetch(&later_answered, 1, __ATOMIC_SEQ_CST);
}

static void obey(struct fake *fake, const char *command)
{
    const char *id = strstr(command, "\"id\":") + 5;
    char number[8] = {id[0]}, status[64];

    strncat(fake->seen, command, sizeof(fake->seen) -
            strlen(fake->seen) - 1);
    if (fake->manner == HANGS)
        return;
    if (strstr(command, "query-status")) {
        snprintf(status, sizeof(status), "{\"status\": \"%s\"}",
                 strstr(fake->seen, "\"stop\"") ? fake->after :
                 fake->runstate);
        answer(fake, number, status);
    } else if (strstr(command, "background-snapshot") &&
               fake->manner == REFUSES_SNAPSHOT) {
        refuse(fake, number, "no userfaultfd");
    } else if (strstr(command, "query-migrate")) {
        on_query_migrate(fake, number);
    } else if (strstr(command, "\"migrate\"")) {
        if (fake->manner == REFUSES) {
            refuse(fake, number, "busy");
            return;
        }
        if (fake->manner != DIES_SAVING)
            answer(fake, number, "{}");
        migrate(fake);
    } else {
        answer(fake, number, "{}");
    }
}

static void *play(void *opaque)
{
    struct fake *fake = opaque;
    char line[512];
    size_t length = 0;

    while (read(fake->qmp, line + length, 1) == 1) {
        if (line[length++] != '\n')
            continue;
        line[length] = '\0';
        length = 0;
        obey(fake, line);
    }
    if (fake->stream >= 0)
        close(fake->stream);
    return NULL;
}

void set_up(uint32_t threads)
{
    const struct vpm_engine_params params = {
        .threads = threads, .hold_up_ns = hold_up_ns,
    };
    struct vpm_error lost;

    signal(SIGPIPE, SIG_IGN);
    pool = new_pool();
    CHECK(mkdir(FS "/notes", 0700) == 0);
    engine = vpm_engine_open(pool, &params, &lost, &err);
    CHECK(engine);
    CHECK(!lost.message[0]);
}

void tear_down(void)
{
    vpm_engine_close(engine);
    vpm_pool_close(pool);
    check_pool(0);
}

void arm(struct fake *fake, uint32_t route)
{
    struct vpm_arming arming = {
        .pid = 4711, .route = route, .producer = "qemu 10.0.2",
        .priority = fake->priority,
    };
    int qmp[2], pipe_[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, qmp) == 0);
    CHECK(pipe(pipe_) == 0);
    fake->qmp = qmp[1];
    fake->stream = pipe_[1];
    fake->asked = 0;
    fake->seen[0] = '\0';
    arming.qmp_fd = qmp[0];
    arming.stream_fd = pipe_[0];
    arming.lock_fd = fake->lock;
    strcpy(arming.runstate, fake->runstate);
    CHECK(pthread_create(&fake->thread, NULL, play, fake) == 0);
    OK(vpm_unit_arm(fake->unit, &arming, &err));
    close(qmp[0]);
    close(pipe_[0]);
    CHECK(vpm_unit_state(fake->unit) == VPM_UNIT_ARMED);
}

void make(struct fake *fake, const char *name, enum manner manner)
{
    char path[64];

    memset(fake, 0, sizeof(*fake));
    fake->manner = manner;
    fake->runstate = "running";
    fake->after = "paused";
    fake->region = alloc(pool, name, 4096);
    OK(vpm_region_begin_epoch(pool, fake->region.id, &err));
    snprintf(path, sizeof(path), FS "/notes/%s", name);
    fake->note = vpm_note_open(path, &err);
    CHECK(fake->note);
    fake->lock = open(region_file(fake->region.id, "state"), O_RDONLY);
    CHECK(fake->lock >= 0);
    fake->unit = vpm_unit_open(engine, fake->region.id, fake->note, &err);
    CHECK(fake->unit);
}

struct vpm_event event(uint64_t patience_ns)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

    return (struct vpm_event){.wall_ns = 77, .monotonic_ns = now,
                              .deadline_ns = now + patience_ns,
                              .raised_by = "signal"};
}

struct vpm_outcome wait_for(struct fake *fake)
{
    struct vpm_outcome outcome;

    OK(vpm_unit_wait(fake->unit, 0, &outcome, &err));
    return outcome;
}

void end_qemu(struct fake *fake)
{
    pthread_join(fake->thread, NULL);
    close(fake->qmp);
}

void drop(struct fake *fake)
{
    vpm_unit_close(fake->unit);
    vpm_note_close(fake->note);
    close(fake->lock);
}

bool proven(const struct fake *fake)
{
    struct vpm_state_info info;

    return vpm_state_verify(pool, fake->region.id, &info, &err) == VPM_OK;
}

struct vpm_outcome fixate_one(struct fake *fake, uint32_t route,
                              uint64_t patience_ns)
{
    struct vpm_event now;
    struct vpm_outcome outcome;

    arm(fake, route);
    now = event(patience_ns);
    CHECK(vpm_engine_fire(engine, &now) == 1);
    outcome = wait_for(fake);
    end_qemu(fake);
    return outcome;
}
