/* SPDX-License-Identifier: Apache-2.0 */
/* regions.c -- scenarios of one region's life beside another's */
#include "regions.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "crash.h"
#include "error.h"
#include "explore.h"
#include "harness.h"
#include "record.h"
#include "say.h"
#include "stage.h"

#define SIZE (4 * KIB)
#define TOTAL (32 * KIB)
#define STATE_SIZE (8 * KIB)

/* As long as a server's: they reach into a second cache line. */
#define OTHER "0f4a7c0e-bystander-4d2b-9d55-0123456"
#define VICTIM "8c1d2f6a-the-victim-4b7e-8a11-9abcde"
#define NEXT "b7e3915d-successor-4c60-a2f8-5f6e7d8"

#define OTHER_MEMORY 0xaa
#define OTHER_STREAM 0x11
#define OTHER_LENGTH 200u

static const struct vpm_pool_params params = {
    .total_size = TOTAL,
    .state_size = STATE_SIZE,
    .page_size = 4096,
    /* Descriptors go round: the successor has to get the victim's. */
    .descriptors = 2,
    .uid_base = UID_BASE,
};

/* -- doing --------------------------------------------------------------- */

static struct vpm_pool *pool;
static struct vpm_fixation *fixation;
static bool recorded;

static const struct vpm_fixation_meta meta = {
    .wall_ns = 1, .signal_ns = 2, .stopped_ns = 3, .saved_ns = 4,
    .runstate = "running", .producer = "explorer",
};

static uint64_t victim(void)
{
    return vpm_region_id(VICTIM, 0);
}

static void close_all(void)
{
    vpm_fixation_close(fixation);
    vpm_pool_close(pool);
    fixation = NULL;
    pool = NULL;
}

static void make_bystander(void)
{
    struct vpm_region_info info = alloc(pool, OTHER, SIZE);

    OK(vpm_region_begin_epoch(pool, info.id, &err));
    fill_file(info.ram_path, OTHER_MEMORY);
    OK(fixate(pool, info.id, OTHER_STREAM, OTHER_LENGTH));
}

static void write_memory(int byte)
{
    const char *path = region_file(victim(), "ram");

    if (recorded)
        record_fill(path, byte);
    else
        fill_file(path, byte);
}

static void begin(void)
{
    vpm_fixation_close(fixation);
    fixation = vpm_fixation_open(pool, victim(), &err);
    CHECK(fixation);
    OK(vpm_fixation_begin(fixation, &err));
}

static void receive(int byte, size_t length)
{
    int fd = filled_pipe(byte, length);

    OK(vpm_fixation_receive(fixation, fd, 0, &err));
    close(fd);
}

/* A pool of a libvpm that did not record the medium. */
static void age(void)
{
    struct vpm_conf conf;

    close_all();
    peek(POOL "/pool", 0, &conf, sizeof(conf));
    conf.medium = VPM_MEDIUM_UNKNOWN;
    vpm_conf_seal(&conf);
    poke(POOL "/pool", 0, &conf, sizeof(conf));
    CHECK(unlink(POOL "/conf") == 0);
    stage_be(VPM_MEDIUM_FILE);
}

static void do_step(const struct step *step)
{
    struct vpm_region_info info;
    uint64_t ignored;

    record_operation();
    if (step->kind == CREATE)
        OK(vpm_pool_create(POOL, &params, &err));
    if (!pool)
        pool = open_pool();
    switch (step->kind) {
    case BYSTANDER:
        make_bystander();
        break;
    case ALLOC:
        OK(nvalloc(pool, VICTIM, 0, SIZE, &info, &err));
        break;
    case SUCCESSOR:
        OK(nvalloc(pool, NEXT, 0, SIZE, &info, &err));
        break;
    case EPOCH:
        OK(vpm_region_begin_epoch(pool, victim(), &err));
        break;
    case WRITE:
        write_memory(step->byte);
        break;
    case BEGIN:
        begin();
        break;
    case RECEIVE:
        receive(step->byte, step->length);
        break;
    case COMMIT:
        OK(vpm_fixation_commit(fixation, &meta, &ignored, &err));
        break;
    case REFUSED:
        EXPECT(VPM_EUNPROVEN,
               vpm_fixation_commit(fixation, &meta, &ignored, &err));
        break;
    case SCRUB:
        OK(vpm_region_scrub(pool, victim(), &err));
        break;
    case FREE:
        OK(nvfree(pool, VICTIM, 0, &err));
        break;
    case PAUSE:
        stage_pause(true);
        break;
    case UNPAUSE:
        stage_pause(false);
        break;
    case FINISH:
        OK(vpm_pool_finish_freed(pool, &err));
        break;
    case CUT_OFF:
        CHECK(truncate(region_file(victim(), "state"), 5000) == 0);
        CHECK(truncate(region_file(victim(), "ram"), 100) == 0);
        break;
    case AGE:
        age();
        break;
    case RECORD:
        OK(vpm_pool_record_medium(pool, VPM_MEDIUM_FILE, &err));
        break;
    default:
        break;
    }
}

static void do_stopped(void *arg)
{
    const struct step *step = arg;

    if (!pool)
        pool = open_pool();
    crash_at(step->stop);
    do_step(step);
}

void regions_prepare(const struct scenario *self)
{
    const struct plan *plan = self->plan;

    recorded = false;
    stage_be(VPM_MEDIUM_DAX);
    for (const struct step *step = plan->before; step->kind; step++) {
        struct step copy = *step;

        if (step->stop)
            CHECK(in_child(do_stopped, &copy) == CRASHED);
        else
            do_step(step);
    }
    close_all();
}

void regions_operate(const struct scenario *self)
{
    const struct plan *plan = self->plan;

    recorded = true;
    for (const struct step *step = plan->steps; step->kind; step++) {
        do_step(step);
        record_done();
    }
    close_all();
}

/* -- expecting ----------------------------------------------------------- */

#define ANY -1

/* What there is of the victim, and what there should be. */
struct expect {
    bool bystander;
    bool successor;
    bool live;
    bool emptied;     /* all of the state file is zero */
    bool damaged;     /* vpm_pool_check may complain */
    bool is_recorded; /* on what the pool was made */
    uint64_t epoch;
    int memory;       /* its only byte, or ANY */
    int marker;       /* whether there is one, or ANY */
    uint32_t length;  /* of the proven stream; 0: unproven */
    int byte;         /* of that */
};

/* What a step makes of *is*; *received* is the stream of a fixation. */
static void advance(const struct step *step, struct expect *is,
                    struct step *received)
{
    switch (step->kind) {
    case BYSTANDER:
        is->bystander = true;
        break;
    case CREATE:
    case RECORD:
        is->is_recorded = true;
        break;
    case AGE:
        is->is_recorded = false;
        break;
    case ALLOC:
        if (!step->stop)
            *is = (struct expect){
                .bystander = is->bystander, .successor = is->successor,
                .is_recorded = is->is_recorded,
                .live = true, .emptied = true,
            };
        break;
    case SUCCESSOR:
        is->successor = true;
        break;
    case EPOCH:
        is->epoch++;
        is->length = 0;
        is->marker = step->stop ? ANY : 0;
        break;
    case WRITE:
        is->memory = step->byte;
        break;
    case BEGIN:
        is->marker = 0;
        break;
    case RECEIVE:
        is->emptied = false;
        *received = *step;
        break;
    case COMMIT:
        is->emptied = false;
        is->marker = 1;
        is->length = received->length;
        is->byte = received->byte;
        break;
    case SCRUB:
        is->epoch++;
        is->length = 0;
        is->marker = 0;
        is->memory = 0;
        is->emptied = true;
        is->damaged = false;
        break;
    case FREE:
        is->live = false;
        break;
    case CUT_OFF:
        is->memory = ANY;
        is->damaged = true;
        break;
    default:
        break;
    }
}

/* Before and after the step that comes when *done* have returned. */
static const struct step *expect_at(const struct plan *plan, int done,
                                    struct expect *before,
                                    struct expect *after)
{
    const struct step *next = plan->steps;
    struct step received = {.kind = END};

    *before = (struct expect){.live = false};
    for (const struct step *step = plan->before; step->kind; step++)
        advance(step, before, &received);
    for (; done > 0; done--)
        advance(next++, before, &received);
    *after = *before;
    advance(next, after, &received);
    return next;
}

static bool fits(const struct expect *seen, const struct expect *expected)
{
    if (!seen->live || !expected->live)
        return seen->live == expected->live;
    return seen->epoch == expected->epoch &&
        (expected->memory == ANY || seen->memory == expected->memory) &&
        (!expected->emptied || seen->emptied) &&
        (expected->marker == ANY || seen->marker == expected->marker) &&
        seen->length == expected->length &&
        (!seen->length || seen->byte == expected->byte);
}

/* What a step may have done by half. */
static bool fits_half(const struct step *step, const struct expect *seen,
                      const struct expect *after)
{
    struct expect half = *after;

    if (step->kind != EPOCH && step->kind != SCRUB && step->kind != WRITE)
        return false;
    if (step->kind != WRITE)
        half.marker = ANY;
    if (step->kind != EPOCH)
        half.memory = ANY;
    half.emptied = false;
    return fits(seen, &half);
}

/* -- seeing -------------------------------------------------------------- */

/* ANY when not all bytes are the same. */
static int only_byte(const uint8_t *bytes, size_t length)
{
    for (size_t i = 1; i < length; i++)
        if (bytes[i] != bytes[0])
            return ANY;
    return bytes[0];
}

/* Without errors but of libvpm's own. */
static const char *look(struct vpm_pool *of, const char *name,
                        struct expect *seen)
{
    uint64_t id = vpm_region_id(name, 0), marker;
    uint8_t bytes[STATE_SIZE + 1];
    struct vpm_region_info region;
    struct vpm_state_info state;
    int rc = vpm_region_lookup(of, name, 0, &region, &err);

    *seen = (struct expect){.live = false};
    if (rc == VPM_ENOENT)
        return NULL;
    if (rc < 0)
        return say("lookup of %s: %s", name, err.message);
    seen->live = true;
    seen->epoch = region.epoch;
    if (stage_read(region_file(id, "ram"), bytes, sizeof(bytes)) >= 0)
        seen->memory = only_byte(bytes, SIZE);
    memset(bytes, 0, sizeof(bytes));
    stage_read(region_file(id, "state"), bytes, sizeof(bytes));
    memcpy(&marker, bytes + offsetof(struct vpm_state_header, marker),
           sizeof(marker));
    seen->marker = marker != 0;
    seen->emptied = only_byte(bytes, STATE_SIZE) == 0;
    rc = vpm_state_verify(of, id, &state, &err);
    if (rc == VPM_EUNPROVEN)
        return NULL;
    if (rc < 0)
        return say("verify of %s: %s", name, err.message);
    seen->length = (uint32_t)state.length;
    seen->byte = only_byte(bytes + sizeof(struct vpm_state_header),
                           state.length);
    return NULL;
}

static const char *check_bystander(struct vpm_pool *of)
{
    static const struct expect unharmed = {
        .live = true, .epoch = 1, .memory = OTHER_MEMORY, .marker = 1,
        .length = OTHER_LENGTH, .byte = OTHER_STREAM,
    };
    struct expect seen;
    const char *wrong = look(of, OTHER, &seen);

    if (wrong || fits(&seen, &unharmed))
        return wrong;
    return say("the bystander was harmed: live %d, epoch %" PRIu64 ", memory "
               "%d, marker %d, stream %u of %d", seen.live, seen.epoch,
               seen.memory, seen.marker, seen.length, seen.byte);
}

/* It is there or not, untouched; then it goes. */
static const char *check_successor(struct vpm_pool *of, bool before,
                                   bool after)
{
    struct expect seen;
    const char *wrong = look(of, NEXT, &seen);

    if (wrong)
        return wrong;
    if (seen.live != before && seen.live != after)
        return say("the successor's being there is %d", seen.live);
    if (!seen.live)
        return NULL;
    if (seen.memory != 0 || !seen.emptied || seen.length || seen.epoch)
        return "the successor is not empty";
    if (nvfree(of, NEXT, 0, &err) < 0)
        return say("the successor cannot be freed: %s", err.message);
    return NULL;
}

/* -- recovering and checking --------------------------------------------- */

static bool made_again;

/* A pool that says on what it was made has a sound copy of CONF, before anybody
 * opens it. */
static bool copy_is_sound(void)
{
    struct vpm_conf conf, copy;
    struct stat st;
    int dir, rc;

    if (stat(POOL "/pool", &st) < 0 ||
        stage_read(POOL "/pool", (uint8_t *)&conf, sizeof(conf)) < 0 ||
        conf.medium == VPM_MEDIUM_UNKNOWN)
        return true;
    dir = open(POOL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir >= 0);
    rc = vpm_conf_read_copy(dir, st.st_ino, &copy);
    close(dir);
    return rc || !vpm_fail(&err, VPM_ECORRUPT, "CONF has no sound copy");
}

/* As the notifier does, in the background. */
static struct vpm_pool *finish(struct vpm_pool *opened)
{
    if (opened && vpm_pool_finish_freed(opened, &err) < 0) {
        vpm_pool_close(opened);
        return NULL;
    }
    return opened;
}

struct vpm_pool *regions_recover(const struct scenario *self)
{
    const struct plan *plan = self->plan;
    struct vpm_pool *recovered;

    /* A pause does not outlive a power cut. */
    stage_pause(false);
    if (!copy_is_sound())
        return NULL;
    recovered = finish(vpm_pool_open(POOL, &err));
    made_again = !recovered && err.code == VPM_ENOENT &&
        plan->steps[0].kind == CREATE;
    if (!made_again)
        return recovered;
    if (vpm_pool_create(POOL, &params, &err) < 0)
        return NULL;
    return vpm_pool_open(POOL, &err);
}

/* All that was allocated can be had again, and is empty. */
static const char *check_space(struct vpm_pool *of, bool bystander)
{
    uint64_t size = TOTAL - (bystander ? SIZE : 0);
    uint8_t bytes[TOTAL];
    struct vpm_region_info region;

    if (nvalloc(of, VICTIM, 0, size, &region, &err) < 0)
        return say("the victim's space is lost: %s", err.message);
    if (stage_read(region.ram_path, bytes, sizeof(bytes)) != (ssize_t)size ||
        only_byte(bytes, size) != 0)
        return "new memory is not empty";
    if (stage_read(region_file(region.id, "state"), bytes, STATE_SIZE) !=
        STATE_SIZE || only_byte(bytes, STATE_SIZE) != 0)
        return "a new state file is not empty";
    return NULL;
}

/* The server can go on: it can be started, fixated and removed. */
static const char *check_use(struct vpm_pool *of, const struct expect *seen)
{
    struct vpm_state_info state;
    uint64_t id = victim();

    if (vpm_region_begin_epoch(of, id, &err) < 0)
        return say("no epoch can be begun: %s", err.message);
    if (vpm_state_verify(of, id, &state, &err) != VPM_EUNPROVEN)
        return "a state is proven in a new epoch";
    if (vpm_region_scrub(of, id, &err) < 0)
        return say("the region cannot be scrubbed: %s", err.message);
    if (fixate(of, id, 0x99, 100) < 0)
        return say("the region cannot be fixated: %s", err.message);
    if (vpm_state_verify(of, id, &state, &err) < 0 ||
        state.epoch != seen->epoch + 2 || state.length != 100)
        return say("a new state is not proven: %s", err.message);
    if (nvfree(of, VICTIM, 0, &err) < 0)
        return say("the region cannot be freed: %s", err.message);
    return NULL;
}

const char *regions_check(const struct scenario *self, struct vpm_pool *of,
                          int done)
{
    struct expect before, after, seen;
    const struct step *next = expect_at(self->plan, done, &before, &after);
    const char *wrong = before.damaged ? NULL : explore_unsound();

    if (made_again && done > 0)
        return "the pool was made, and is not there";
    if (!wrong)
        wrong = look(of, VICTIM, &seen);
    if (!wrong && !fits(&seen, &before) && !fits(&seen, &after) &&
        !fits_half(next, &seen, &after))
        wrong = say("neither before nor after step %d: live %d, epoch %"
                    PRIu64 ", memory %d, marker %d, stream %u of %d",
                    done, seen.live, seen.epoch, seen.memory, seen.marker,
                    seen.length, seen.byte);
    if (!wrong && before.is_recorded &&
        vpm_pool_check_medium(of, &err) != VPM_OK)
        wrong = err.message;
    if (!wrong && before.bystander)
        wrong = check_bystander(of);
    if (!wrong)
        wrong = check_successor(of, before.successor, after.successor);
    if (!wrong && seen.live)
        wrong = check_use(of, &seen);
    if (!wrong)
        wrong = check_space(of, before.bystander);
    if (!wrong && before.bystander)
        wrong = check_bystander(of);
    return wrong ? wrong : explore_unsound();
}
