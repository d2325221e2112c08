/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine.c -- fixating many pVMs at once, among them bad ones
 *
 * A thread per pVM plays QEMU.  Linked so that every call of malloc, open and
 * mmap by libvpm can be counted. */
/* build: threads */
/* build: wrap malloc,calloc,openat,ioctl */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "harness.h"
#include "pod.h"

#define SECOND ((uint64_t)1000000000)

/* How a QEMU behaves. */
enum manner {
    SOUND,
    HANGS,            /* does not answer */
    HANGS_SAVING,     /* does not save */
    NEVER_COMPLETES,
    DIES_SAVING,      /* closes everything in the midst of the stream */
    CANNOT_FLUSH,     /* fails after the stream, saying why */
    SAYS_NOTHING,     /* fails with an empty stream */
    REFUSES,          /* the command "migrate" */
    REFUSES_SNAPSHOT,
    BABBLES,          /* events, long lines and nonsense between answers */
    TALKS_TOO_MUCH,   /* a stream that does not fit */
    SLOW_TO_COMPLETE, /* says "active" for a while */
    COMPLETES_FIRST,  /* when all others have been asked whether they did, */
    COMPLETES_LATER,  /* which they did while caches are written back */
};

struct fake {
    enum manner manner;
    const char *runstate;  /* when it is asked first, */
    const char *after;     /* and last */
    int qmp, stream;       /* its ends */
    int our_qmp, our_stream, lock;
    int asked;
    uint32_t priority;
    char seen[4096];       /* all commands */
    pthread_t thread;
    struct vpm_region_info region;
    struct vpm_note *note;
    struct vpm_unit *unit;
};

static struct vpm_pool *pool;
static struct vpm_engine *engine;
static uint64_t hold_up_ns;
static int counted;        /* calls that may wait or allocate */

#define COUNTED(type, name, arguments, ...)                               \
    type __real_##name arguments;                                         \
    type __wrap_##name arguments                                          \
    {                                                                     \
        __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);                \
        return __real_##name(__VA_ARGS__);                                \
    }

COUNTED(void *, malloc, (size_t size), size)
COUNTED(void *, calloc, (size_t count, size_t size), count, size)
COUNTED(int, openat, (int dir, const char *path, int flags, int mode), dir,
        path, flags, mode)

/* -- the POD driver ------------------------------------------------------ */

#define POD_FD 12345

static int write_backs;
static int write_back_errno;       /* 0: it works */
static int proven_at_write_back;
static int later;                  /* COMPLETES_LATER: how many there are, */
static int later_asked, later_answered;

static void wait_until(int *count, int most)
{
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < most)
        usleep(100);
}

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
    struct vpm_region_info regions[8];
    struct vpm_state_info info;
    struct vpm_error ignored;
    int count;

    if (fd != POD_FD)
        return __real_ioctl(fd, request, argument);
    CHECK(request == POD_WRITE_BACK);
    __atomic_add_fetch(&write_backs, 1, __ATOMIC_SEQ_CST);
    wait_until(&later_answered, later);
    count = vpm_region_list(pool, regions, 8, &ignored);
    proven_at_write_back = 0;
    for (int i = 0; i < count; i++)
        proven_at_write_back += vpm_state_verify(
            pool, regions[i].id, &info, &ignored) == VPM_OK;
    errno = write_back_errno;
    return write_back_errno ? -1 : 0;
}

/* -- QEMU ---------------------------------------------------------------- */

static void say(struct fake *fake, const char *text)
{
    /* Whether somebody still listens is not its affair. */
    send(fake->qmp, text, strlen(text), MSG_NOSIGNAL);
}

static void babble(struct fake *fake)
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

/* -- arming -------------------------------------------------------------- */

static void set_up(uint32_t threads)
{
    const struct vpm_engine_params params = {
        .threads = threads, .hold_up_ns = hold_up_ns,
    };
    struct vpm_error lost;

    pool = new_pool();
    CHECK(mkdir(FS "/notes", 0700) == 0);
    engine = vpm_engine_open(pool, &params, &lost, &err);
    CHECK(engine);
    CHECK(!lost.message[0]);
}

static void tear_down(void)
{
    vpm_engine_close(engine);
    vpm_pool_close(pool);
    check_pool(0);
}

static void arm(struct fake *fake, uint32_t route)
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
    CHECK(vpm_unit_armed(fake->unit));
}

static void make(struct fake *fake, const char *name, enum manner manner)
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

static struct vpm_event event(uint64_t patience_ns)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

    return (struct vpm_event){.wall_ns = 77, .monotonic_ns = now,
                              .deadline_ns = now + patience_ns,
                              .raised_by = "signal"};
}

static struct vpm_outcome wait_for(struct fake *fake)
{
    struct vpm_outcome outcome;

    OK(vpm_unit_wait(fake->unit, 0, &outcome, &err));
    return outcome;
}

/* QEMU is done with; it hangs no longer. */
static void end_qemu(struct fake *fake)
{
    pthread_join(fake->thread, NULL);
    close(fake->qmp);
}

static void drop(struct fake *fake)
{
    vpm_unit_close(fake->unit);
    vpm_note_close(fake->note);
    close(fake->lock);
}

static bool proven(const struct fake *fake)
{
    struct vpm_state_info info;

    return vpm_state_verify(pool, fake->region.id, &info, &err) == VPM_OK;
}

/* One pVM, from arming to the end. */
static struct vpm_outcome fixate_one(struct fake *fake, uint32_t route,
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

/* -- tests --------------------------------------------------------------- */

static void a_state_is_saved_and_proven(void)
{
    struct vpm_state_info info;
    struct vpm_stopped stopped;
    struct vpm_outcome outcome, listed;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED && outcome.length == 8000);
    CHECK(strcmp(outcome.runstate, "running") == 0);
    CHECK(outcome.signal_ns < outcome.command_ns &&
          outcome.command_ns < outcome.stopped_ns &&
          outcome.stopped_ns < outcome.stream_ns &&
          outcome.stream_ns < outcome.saved_ns &&
          outcome.saved_ns < outcome.fixated_ns);
    OK(vpm_state_verify(pool, fake.region.id, &info, &err));
    CHECK(info.length == 8000 && info.epoch == 1);
    CHECK(info.meta.wall_ns == 77);
    CHECK(info.meta.stopped_ns == outcome.stopped_ns);
    CHECK(strcmp(info.meta.runstate, "running") == 0);
    CHECK(strcmp(info.meta.producer, "qemu 10.0.2") == 0);
    CHECK(vpm_note_read(fake.note, &stopped));
    CHECK(stopped.pid == 4711);
    CHECK(strcmp(stopped.runstate, "running") == 0);
    CHECK(strcmp(stopped.raised_by, "signal") == 0);
    CHECK(!strstr(fake.seen, "background-snapshot"));
    CHECK(flock(open(region_file(fake.region.id, "state"), O_RDONLY),
                LOCK_EX | LOCK_NB) < 0);
    CHECK(vpm_outcome_list(pool, &listed, 1) == 1);
    CHECK(memcmp(&listed, &outcome, sizeof(listed)) == 0);
    CHECK(!vpm_unit_armed(fake.unit));
    EXPECT(VPM_ENOENT, vpm_unit_wait(fake.unit, 0, &outcome, &err));
    drop(&fake);
    tear_down();
}

static struct vpm_outcome fixate_with_driver(struct fake *fake, int error)
{
    write_backs = 0;
    write_back_errno = error;
    set_up(1);
    vpm_engine_write_back_by(engine, POD_FD);
    make(fake, "a", SOUND);
    return fixate_one(fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
}

static void caches_are_written_back_before_the_marker(void)
{
    struct fake fake;

    CHECK(fixate_with_driver(&fake, 0).result == VPM_RESULT_FIXATED);
    CHECK(write_backs == 1 && !proven_at_write_back);
    CHECK(proven(&fake));
    drop(&fake);
    tear_down();
}

static void no_marker_if_caches_are_not_written_back(void)
{
    struct vpm_outcome outcome;
    struct fake fake;

    outcome = fixate_with_driver(&fake, EIO);
    CHECK(outcome.result == VPM_RESULT_FAILED);
    CHECK(strstr(outcome.reason, "CPU caches are not written back"));
    CHECK(write_backs == 1 && !proven(&fake));
    drop(&fake);
    tear_down();
}

/* The first one waits for nobody; those that are saved while its caches are
 * written back share the next time. */
static void caches_are_written_back_once_for_many(void)
{
    const char *const names[] = {"a", "b", "c", "d", "e"};
    struct fake fakes[5];
    struct vpm_event now;

    write_backs = write_back_errno = 0;
    later = 4;
    set_up(1);
    vpm_engine_write_back_by(engine, POD_FD);
    for (int i = 0; i < 5; i++) {
        make(&fakes[i], names[i], i ? COMPLETES_LATER : COMPLETES_FIRST);
        arm(&fakes[i], VPM_ROUTE_MIGRATE);
    }
    now = event(60 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == 5);
    for (int i = 0; i < 5; i++)
        CHECK(wait_for(&fakes[i]).result == VPM_RESULT_FIXATED);
    CHECK(write_backs == 2 && proven_at_write_back == 1);
    for (int i = 0; i < 5; i++) {
        CHECK(proven(&fakes[i]));
        end_qemu(&fakes[i]);
        drop(&fakes[i]);
    }
    later = later_asked = later_answered = 0;
    tear_down();
}

static void nothing_is_allocated_or_opened(void)
{
    struct vpm_event now;
    struct fake fake;
    int before;

    set_up(2);
    make(&fake, "a", SOUND);
    arm(&fake, VPM_ROUTE_SNAPSHOT);
    now = event(60 * SECOND);
    before = __atomic_load_n(&counted, __ATOMIC_RELAXED);
    CHECK(vpm_engine_fire(engine, &now) == 1);
    CHECK(wait_for(&fake).result == VPM_RESULT_FIXATED);
    CHECK(__atomic_load_n(&counted, __ATOMIC_RELAXED) == before);
    CHECK(strstr(fake.seen, "background-snapshot"));
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

/* What each manner ends with, and says. */
static const struct {
    enum manner manner;
    enum vpm_result result;
    const char *reason;
} manners[] = {
    {SOUND, VPM_RESULT_FIXATED, ""},
    {HANGS, VPM_RESULT_FAILED, "did not stop"},
    {HANGS_SAVING, VPM_RESULT_FAILED, "did not deliver"},
    {NEVER_COMPLETES, VPM_RESULT_FAILED, "did not complete"},
    {DIES_SAVING, VPM_RESULT_FAILED, "closed the connection"},
    {CANNOT_FLUSH, VPM_RESULT_FAILED, "cannot save its state: no \"flush\""},
    {SAYS_NOTHING, VPM_RESULT_FAILED, "cannot save its state"},
    {REFUSES, VPM_RESULT_FAILED, "refuses to save its state: busy"},
    {BABBLES, VPM_RESULT_FIXATED, ""},
    {TALKS_TOO_MUCH, VPM_RESULT_FAILED, "longer than"},
    {SLOW_TO_COMPLETE, VPM_RESULT_FIXATED, ""},
};

#define MANNERS (sizeof(manners) / sizeof(manners[0]))

static void check_manner(struct fake *fake, size_t i)
{
    struct vpm_outcome outcome = wait_for(fake);
    bool fixated = manners[i].result == VPM_RESULT_FIXATED;

    if (outcome.result != manners[i].result ||
        !strstr(outcome.reason, manners[i].reason))
        printf("manner %zu: result %u, '%s'\n", i, outcome.result,
               outcome.reason);
    CHECK(outcome.result == manners[i].result);
    CHECK(strstr(outcome.reason, manners[i].reason));
    CHECK(proven(fake) == fixated);
    end_qemu(fake);
    drop(fake);
}

static void every_manner_ends_well(void)
{
    for (size_t i = 0; i < MANNERS; i++) {
        struct vpm_event now;
        struct fake fake;

        fresh_fs(64);
        set_up(1);
        make(&fake, "a", manners[i].manner);
        arm(&fake, VPM_ROUTE_MIGRATE);
        now = event(manners[i].result == VPM_RESULT_FIXATED ? 60 * SECOND :
                    SECOND);
        CHECK(vpm_engine_fire(engine, &now) == 1);
        check_manner(&fake, i);
        tear_down();
    }
}

/* Six bad ones and one thread: the sound one is done long before the
 * deadline. */
static void nobody_is_delayed(void)
{
    struct vpm_outcome sound;
    struct vpm_event now;
    struct fake fakes[7];

    set_up(1);
    for (int i = 0; i < 7; i++) {
        char name[2] = {(char)('a' + i)};

        make(&fakes[i], name, i == 3 ? SOUND : i % 2 ? HANGS :
             HANGS_SAVING);
        arm(&fakes[i], VPM_ROUTE_MIGRATE);
    }
    now = event(4 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == 7);
    CHECK(vpm_engine_fire(engine, &now) == 0);
    sound = wait_for(&fakes[3]);
    CHECK(sound.result == VPM_RESULT_FIXATED);
    CHECK(vpm_now_ns(CLOCK_MONOTONIC) < now.deadline_ns);
    for (int i = 0; i < 7; i++) {
        if (i != 3)
            CHECK(wait_for(&fakes[i]).result == VPM_RESULT_FAILED);
        end_qemu(&fakes[i]);
        CHECK(proven(&fakes[i]) == (i == 3));
        drop(&fakes[i]);
    }
    tear_down();
}

static void refused_snapshot_is_the_other_route(void)
{
    struct vpm_outcome outcome;
    struct fake fake;

    set_up(1);
    make(&fake, "a", REFUSES_SNAPSHOT);
    outcome = fixate_one(&fake, VPM_ROUTE_SNAPSHOT, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED);
    CHECK(outcome.route == VPM_ROUTE_MIGRATE);
    drop(&fake);
    tear_down();
}

/* QEMU would abort. */
static void no_snapshot_of_what_stopped_by_itself(void)
{
    struct vpm_outcome outcome;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    fake.after = "io-error";
    outcome = fixate_one(&fake, VPM_ROUTE_SNAPSHOT, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED);
    CHECK(outcome.route == VPM_ROUTE_MIGRATE);
    CHECK(!strstr(fake.seen, "background-snapshot"));
    drop(&fake);
    tear_down();
}

static void nothing_to_save_is_left_alone(void)
{
    static const char *const states[] = {"inmigrate", "prelaunch",
                                         "shutdown"};
    struct vpm_stopped stopped;
    struct vpm_outcome outcome;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    for (int i = 0; i < 3; i++) {
        fake.runstate = fake.after = states[i];
        outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
        CHECK(outcome.result == VPM_RESULT_SKIPPED);
        CHECK(strcmp(outcome.runstate, states[i]) == 0);
        CHECK(!strstr(fake.seen, "\"migrate\""));
        CHECK(!vpm_note_read(fake.note, &stopped));
        CHECK(!proven(&fake));
    }
    drop(&fake);
    tear_down();
}

static void proven_state_is_kept(void)
{
    struct vpm_outcome outcome;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    fake.runstate = fake.after = "postmigrate";
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED && !outcome.fixated_ns);
    CHECK(strstr(outcome.reason, "fixated before"));
    CHECK(!strstr(fake.seen, "\"migrate\""));
    CHECK(proven(&fake));

    /* Somebody started the vCPUs by hand. */
    fake.runstate = "running";
    fake.after = "paused";
    fake.manner = CANNOT_FLUSH;
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FAILED);
    CHECK(!proven(&fake));
    fake.manner = SOUND;
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED && outcome.fixated_ns);
    fake.runstate = "running";
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED && outcome.fixated_ns);
    drop(&fake);
    tear_down();
}

static void run_lock_is_waited_for(void)
{
    struct vpm_event now;
    struct fake fake;
    int other;

    set_up(1);
    make(&fake, "a", SOUND);
    other = open(region_file(fake.region.id, "state"), O_RDONLY);
    CHECK(flock(other, LOCK_EX) == 0);
    arm(&fake, VPM_ROUTE_MIGRATE);
    now = event(60 * SECOND);
    CHECK(vpm_unit_fire(fake.unit, &now));
    usleep(20000);
    CHECK(!fake.seen[0]);
    close(other);
    CHECK(wait_for(&fake).result == VPM_RESULT_FIXATED);
    end_qemu(&fake);

    OK(vpm_region_begin_epoch(pool, fake.region.id, &err));
    CHECK(flock(fake.lock, LOCK_UN) == 0);
    other = open(region_file(fake.region.id, "state"), O_RDONLY);
    CHECK(flock(other, LOCK_EX) == 0);
    CHECK(strstr(fixate_one(&fake, VPM_ROUTE_MIGRATE, SECOND / 20).reason,
                 "somebody else"));
    CHECK(!fake.seen[0]);
    close(other);
    drop(&fake);
    tear_down();
}

static void disarmed_is_not_fired(void)
{
    struct vpm_outcome outcome;
    struct vpm_event now;
    struct fake fake;

    set_up(2);
    make(&fake, "a", SOUND);
    arm(&fake, VPM_ROUTE_MIGRATE);
    CHECK(vpm_unit_disarm(fake.unit));
    end_qemu(&fake);
    CHECK(vpm_unit_disarm(fake.unit));
    now = event(60 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == 0);
    CHECK(!vpm_unit_fire(fake.unit, &now));
    EXPECT(VPM_ENOENT, vpm_unit_wait(fake.unit, 0, &outcome, &err));
    CHECK(!fake.seen[0]);
    drop(&fake);
    tear_down();
}

static void fired_is_not_disarmed(void)
{
    struct vpm_outcome outcome;
    struct vpm_event now;
    struct fake fake;

    set_up(1);
    make(&fake, "a", HANGS);
    arm(&fake, VPM_ROUTE_MIGRATE);
    now = event(SECOND / 10);
    CHECK(vpm_unit_fire(fake.unit, &now));
    CHECK(!vpm_unit_disarm(fake.unit));
    EXPECT(VPM_ETIMEDOUT, vpm_unit_wait(fake.unit, vpm_now_ns(
        CLOCK_MONOTONIC), &outcome,
                                        &err));
    CHECK(wait_for(&fake).code == VPM_ETIMEDOUT);
    CHECK(vpm_unit_disarm(fake.unit));
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

/* It is noticed while power is good, also after a flood of events. */
static void qemu_that_ends_disarms(void)
{
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    arm(&fake, VPM_ROUTE_MIGRATE);
    for (int i = 0; i < 10; i++)
        babble(&fake);
    CHECK(vpm_unit_armed(fake.unit));
    shutdown(fake.qmp, SHUT_RDWR);
    while (vpm_unit_armed(fake.unit))
        usleep(1000);
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

/* The note says how the guest was, also when that changed since. */
static void run_state_is_followed(void)
{
    struct vpm_stopped stopped;
    struct vpm_event now;
    struct fake fake;

    set_up(1);
    make(&fake, "a", HANGS);
    arm(&fake, VPM_ROUTE_MIGRATE);
    say(&fake, "{\"event\": \"STOP\"}\r\n");
    usleep(100000);
    now = event(SECOND / 10);
    CHECK(vpm_unit_fire(fake.unit, &now));
    CHECK(wait_for(&fake).result == VPM_RESULT_FAILED);
    CHECK(vpm_note_read(fake.note, &stopped));
    CHECK(strcmp(stopped.runstate, "paused") == 0);
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

/* A QEMU gone mad does not keep the thread busy, nor when it is fired. */
static void chatter_disarms(void)
{
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    arm(&fake, VPM_ROUTE_MIGRATE);
    while (vpm_unit_armed(fake.unit))
        babble(&fake);
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

static void closing_gives_up(void)
{
    struct vpm_event now;
    struct fake fake;

    set_up(1);
    make(&fake, "a", HANGS_SAVING);
    arm(&fake, VPM_ROUTE_MIGRATE);
    now = event(3600 * SECOND);
    CHECK(vpm_unit_fire(fake.unit, &now));
    drop(&fake);
    end_qemu(&fake);
    CHECK(!proven(&fake));
    tear_down();
}

static void *send_signal(void *thread)
{
    usleep(20000);
    pthread_kill(*(pthread_t *)thread, 44);
    return NULL;
}

static void signal_fires(void)
{
    pthread_t self = pthread_self(), sender;
    struct vpm_outcome outcome;
    struct vpm_signal received;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    for (int i = 0; i < 2; i++) {
        arm(&fake, VPM_ROUTE_MIGRATE);
        CHECK(pthread_create(&sender, NULL, send_signal, &self) == 0);
        OK(vpm_engine_wait_signal(engine, 44, i ? NULL : "signal",
                                  60 * SECOND, &received, &err));
        CHECK(received.pid == (uint32_t)getpid());
        pthread_join(sender, NULL);
        if (i == 0) {
            outcome = wait_for(&fake);
            CHECK(outcome.result == VPM_RESULT_FIXATED);
            CHECK(outcome.signal_ns == received.monotonic_ns);
            CHECK(outcome.wall_ns == received.wall_ns);
        } else {
            CHECK(vpm_unit_disarm(fake.unit));
        }
        end_qemu(&fake);
    }
    EXPECT(VPM_ESYS, vpm_engine_wait_signal(engine, 9999, NULL, 0,
                                            &received, &err));
    drop(&fake);
    tear_down();
}

static void make_ready(struct fake *fake, const char *name,
                       enum manner manner, uint32_t priority)
{
    make(fake, name, manner);
    fake->priority = priority;
    arm(fake, VPM_ROUTE_MIGRATE);
}

static bool is_before(const struct vpm_outcome *one,
                      const struct vpm_outcome *other)
{
    return one->fixated_ns && one->fixated_ns < other->command_ns;
}

static void priorities_have_their_turns(void)
{
    static const uint32_t priorities[] = {10, 100, 50, 50, 0};
    struct vpm_outcome outcomes[5];
    struct fake fakes[5];
    struct vpm_event now;
    char name[] = "0";

    hold_up_ns = 3600 * SECOND;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        fresh_fs(64);
        set_up(threads);
        for (int i = 0; i < 5; i++) {
            name[0] = (char)('0' + i);
            make_ready(&fakes[i], name, i == 3 ? CANNOT_FLUSH : SOUND,
                       priorities[i]);
        }
        now = event(60 * SECOND);
        CHECK(vpm_engine_fire(engine, &now) == 5);
        for (int i = 0; i < 5; i++) {
            outcomes[i] = wait_for(&fakes[i]);
            end_qemu(&fakes[i]);
            drop(&fakes[i]);
        }
        CHECK(is_before(&outcomes[1], &outcomes[2]));
        CHECK(is_before(&outcomes[1], &outcomes[3]));
        CHECK(is_before(&outcomes[2], &outcomes[0]));
        CHECK(outcomes[3].result == VPM_RESULT_FAILED);
        CHECK(is_before(&outcomes[0], &outcomes[4]));
        CHECK(outcomes[4].result == VPM_RESULT_FIXATED);
        tear_down();
    }
    hold_up_ns = 0;
}

static void hung_one_costs_its_share(void)
{
    struct fake hung, second, third;
    struct vpm_outcome outcome, last;
    struct vpm_event now;

    hold_up_ns = SECOND * 3 / 10;
    set_up(2);
    make_ready(&hung, "hung", HANGS, 90);
    make_ready(&second, "second", SOUND, 50);
    make_ready(&third, "third", SOUND, 20);
    now = event(60 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == 3);
    outcome = wait_for(&second);
    CHECK(outcome.result == VPM_RESULT_FIXATED);
    CHECK(outcome.command_ns >= now.monotonic_ns + SECOND / 10);
    last = wait_for(&third);
    CHECK(last.result == VPM_RESULT_FIXATED);
    CHECK(last.command_ns >= now.monotonic_ns + SECOND / 5);

    /* Nobody waits who is fired alone. */
    end_qemu(&third);
    OK(vpm_region_begin_epoch(pool, third.region.id, &err));
    arm(&third, VPM_ROUTE_MIGRATE);
    now = event(60 * SECOND);
    CHECK(vpm_unit_fire(third.unit, &now));
    CHECK(wait_for(&third).result == VPM_RESULT_FIXATED);

    drop(&hung);
    end_qemu(&hung);
    end_qemu(&second);
    end_qemu(&third);
    drop(&second);
    drop(&third);
    tear_down();
    hold_up_ns = 0;
}

static void turn_that_does_not_come_is_told(void)
{
    struct fake hung, second;
    struct vpm_outcome outcome;
    struct vpm_event now;

    hold_up_ns = 3600 * SECOND;
    set_up(1);
    make_ready(&hung, "hung", HANGS, 90);
    make_ready(&second, "second", SOUND, 50);
    now = event(SECOND / 10);
    CHECK(vpm_engine_fire(engine, &now) == 2);
    outcome = wait_for(&second);
    CHECK(outcome.result == VPM_RESULT_FAILED && !outcome.command_ns);
    CHECK(strstr(outcome.reason, "higher priority"));
    CHECK(wait_for(&hung).result == VPM_RESULT_FAILED);
    CHECK(!proven(&second));
    end_qemu(&hung);
    end_qemu(&second);
    drop(&hung);
    drop(&second);

    make(&second, "third", SOUND);
    second.priority = VPM_PRIORITY_MAX + 1;
    EXPECT(VPM_EINVAL, vpm_unit_arm(second.unit, &(struct vpm_arming){
        .priority = second.priority}, &err));
    SAYS("is 101");
    drop(&second);
    tear_down();
    hold_up_ns = 0;
}

static void impossible_engines_are_refused(void)
{
    struct vpm_engine_params params = {.threads = 0};
    const uint32_t cpu = 1000;
    struct vpm_error lost;

    pool = new_pool();
    CHECK(!vpm_engine_open(pool, &params, &lost, &err));
    SAYS("threads is 0");
    params = (struct vpm_engine_params){.threads = 1, .priority = 100};
    CHECK(!vpm_engine_open(pool, &params, &lost, &err));
    SAYS("priority is 100");
    params = (struct vpm_engine_params){.threads = 1, .cpus = &cpu,
                                        .cpu_count = 1};
    engine = vpm_engine_open(pool, &params, &lost, &err);
    CHECK(engine);
    CHECK(strstr(lost.message, "engine_cpus"));
    CHECK(!vpm_unit_open(engine, 12345, NULL, &err));
    CHECK(err.code == VPM_ENOENT);
    tear_down();
}

int main(void)
{
    sigset_t blocked;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, 44);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    RUN(a_state_is_saved_and_proven);
    RUN(caches_are_written_back_before_the_marker);
    RUN(no_marker_if_caches_are_not_written_back);
    RUN(caches_are_written_back_once_for_many);
    RUN(nothing_is_allocated_or_opened);
    RUN(every_manner_ends_well);
    RUN(nobody_is_delayed);
    RUN(refused_snapshot_is_the_other_route);
    RUN(no_snapshot_of_what_stopped_by_itself);
    RUN(nothing_to_save_is_left_alone);
    RUN(proven_state_is_kept);
    RUN(run_lock_is_waited_for);
    RUN(disarmed_is_not_fired);
    RUN(fired_is_not_disarmed);
    RUN(qemu_that_ends_disarms);
    RUN(run_state_is_followed);
    RUN(chatter_disarms);
    RUN(closing_gives_up);
    RUN(signal_fires);
    RUN(priorities_have_their_turns);
    RUN(hung_one_costs_its_share);
    RUN(turn_that_does_not_come_is_told);
    RUN(impossible_engines_are_refused);
    return 0;
}
