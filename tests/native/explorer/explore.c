/* SPDX-License-Identifier: Apache-2.0 */
/* explore.c -- all that crashes can make of a recorded sequence */
#include "explore.h"

#include <inttypes.h>

#include "harness.h"
#include "stage.h"

#define UNITS 4096      /* most pending lines and logs at once */
#define SHOWN 10        /* violations that are described */

/* Cuts of the recovery from one state. */
#define ALL_EXHAUSTIVE 256  /* for the first state of a crash point: choices */
#define ALL_SAMPLES 32      /* at each crash point of the recovery, */
#define DRAWN 4             /* for any other: random points */

/* Where a crash was, and what it kept. */
struct cut {
    int point;          /* events before it */
    uint32_t count;
    struct media_unit units[UNITS];
    uint32_t choice[UNITS];
};

struct walk {
    const struct scenario *scenario;
    const char *label;
    const struct limits *limits;
    struct tally *tally;
    struct cut cuts[2];  /* of the operation and of its recovery */
    int level;           /* which of them is the last */
    int inodes;          /* of the recorded sequence */
    bool first;          /* no state of this crash point was tried yet */
    uint64_t random;
    uint64_t *seen;      /* hash table of states */
    uint64_t seen_count, seen_room;
};

/* Scratch media, one for each level. */
static struct media working[2], images[2], recovering;
static struct trace recovery;

/* -- chance, and what was seen ------------------------------------------- */

/* Xorshift64*. */
static uint32_t draw(struct walk *walk, uint32_t below)
{
    walk->random ^= walk->random >> 12;
    walk->random ^= walk->random << 25;
    walk->random ^= walk->random >> 27;
    return (uint32_t)((walk->random * 0x2545f4914f6cdd1du >> 32) % below);
}

static bool insert(uint64_t *table, uint64_t room, uint64_t hash)
{
    uint64_t at = hash & (room - 1);

    while (table[at] && table[at] != hash)
        at = (at + 1) & (room - 1);
    if (table[at])
        return false;
    table[at] = hash;
    return true;
}

static void grow_seen(struct walk *walk)
{
    uint64_t room = walk->seen_room ? 2 * walk->seen_room : 4096;
    uint64_t *table = calloc(room, sizeof(*table));

    CHECK(table);
    for (uint64_t i = 0; i < walk->seen_room; i++)
        if (walk->seen[i])
            insert(table, room, walk->seen[i]);
    free(walk->seen);
    walk->seen = table;
    walk->seen_room = room;
}

/* What may be found depends on what had returned. */
static bool is_new(struct walk *walk, const struct media *image, int done)
{
    uint64_t hash = media_hash(image) +
        (uint64_t)(2 * done + walk->level + 1) * 0x9e3779b97f4a7c15u;

    if (2 * walk->seen_count >= walk->seen_room)
        grow_seen(walk);
    if (!insert(walk->seen, walk->seen_room, hash ? hash : 1))
        return false;
    walk->seen_count++;
    return true;
}

/* -- checking ------------------------------------------------------------ */

static const char *first_finding;

static void note_finding(const char *finding, void *opaque)
{
    static char text[VPM_MESSAGE_MAX + 32];

    (void)opaque;
    if (first_finding)
        return;
    snprintf(text, sizeof(text), "check finds: %s", finding);
    first_finding = text;
}

const char *explore_unsound(void)
{
    first_finding = NULL;
    if (vpm_pool_check(POOL, note_finding, NULL, &err) < 0)
        return err.message;
    return first_finding;
}

/* Space that no name leads to, or that was cut off, is given to others. */
static const char *check_space(const struct media *image)
{
    bool reached[MEDIA_INODES];

    media_reach(image, reached);
    for (int i = 0; i < image->count; i++) {
        const struct media_inode *inode = &image->inodes[i];

        if (!inode->secret)
            continue;
        for (uint64_t n = reached[i] ? inode->size : 0; n < inode->capacity;
             n++)
            if (inode->durable[n])
                return "space that was given back holds a server's data";
    }
    return NULL;
}

static struct vpm_pool *recover(struct walk *walk)
{
    struct vpm_pool *pool;

    stage_seed(2 + (uint64_t)walk->level);
    if (walk->level == 0)
        record_start(&recovery, false);
    pool = walk->scenario->recover(walk->scenario);
    if (walk->level == 0)
        record_stop();
    return pool;
}

static const char *examine(struct walk *walk, const struct media *image,
                           int done)
{
    const char *wrong = check_space(image);
    struct vpm_pool *pool;

    stage_put(image);
    pool = recover(walk);
    if (!wrong)
        wrong = pool ? walk->scenario->check(walk->scenario, pool, done) :
            err.message;
    vpm_pool_close(pool);
    return wrong;
}

static void print_state(FILE *to, const struct walk *walk)
{
    fprintf(to, "%s/", walk->label);
    for (int level = 0; level <= walk->level; level++) {
        const struct cut *cut = &walk->cuts[level];
        const char *separator = "";

        fprintf(to, "%s%d:", level ? ";" : "", cut->point);
        for (uint32_t i = 0; i < cut->count; i++) {
            if (!cut->choice[i])
                continue;
            fprintf(to, "%s%" PRIu32 "=%" PRIu32, separator, i,
                    cut->choice[i]);
            separator = ",";
        }
    }
}

static void violation(struct walk *walk, const char *wrong)
{
    struct tally *tally = walk->tally;

    if (tally->violations++ == 0) {
        FILE *first = fmemopen(tally->first, sizeof(tally->first), "w");

        CHECK(first);
        print_state(first, walk);
        fclose(first);
    }
    if (walk->limits->quiet || tally->violations > SHOWN)
        return;
    printf("VIOLATION: %s\n  --replay '", wrong);
    print_state(stdout, walk);
    printf("'\n");
}

/* -- enumerating --------------------------------------------------------- */

static void visit(struct walk *walk, int done);

static bool stopped(const struct walk *walk)
{
    return walk->limits->first_only && walk->tally->violations;
}

static void try_choice(struct walk *walk, int done)
{
    struct cut *cut = &walk->cuts[walk->level];
    struct media *image = &images[walk->level];

    if (stopped(walk))
        return;
    media_crash(&working[walk->level], cut->units, cut->choice, cut->count,
                image);
    if (is_new(walk, image, done))
        visit(walk, done);
}

static void choose_all(struct cut *cut, bool everything)
{
    for (uint32_t i = 0; i < cut->count; i++)
        cut->choice[i] = everything ? cut->units[i].options - 1 : 0;
}

static bool next_choice(struct cut *cut)
{
    for (uint32_t i = 0; i < cut->count; i++) {
        if (++cut->choice[i] < cut->units[i].options)
            return true;
        cut->choice[i] = 0;
    }
    return false;
}

/* Mostly whole units: few, half or most of them. */
static void choose_random(struct walk *walk, struct cut *cut)
{
    uint32_t share = 1 + 3 * draw(walk, 3);

    for (uint32_t i = 0; i < cut->count; i++) {
        uint32_t options = cut->units[i].options;

        if (draw(walk, 4) == 0)
            cut->choice[i] = draw(walk, options);
        else
            cut->choice[i] = draw(walk, 8) < share ? options - 1 : 0;
    }
}

static void try_each_unit(struct walk *walk, struct cut *cut, int done)
{
    for (int missing = 0; missing < 2; missing++)
        for (uint32_t i = 0; i < cut->count; i++) {
            choose_all(cut, missing);
            cut->choice[i] = missing ? 0 : cut->units[i].options - 1;
            try_choice(walk, done);
        }
}

static bool at_most(const struct cut *cut, uint32_t limit)
{
    uint64_t product = 1;

    for (uint32_t i = 0; i < cut->count && product <= limit; i++)
        product *= cut->units[i].options;
    return product <= limit;
}

static void crash_here(struct walk *walk, int point, int done,
                       uint32_t exhaustive, uint32_t samples)
{
    struct cut *cut = &walk->cuts[walk->level];

    cut->point = point;
    cut->count = media_units(&working[walk->level], cut->units, UNITS);
    choose_all(cut, false);
    if (at_most(cut, exhaustive)) {
        do {
            try_choice(walk, done);
        } while (next_choice(cut));
        return;
    }
    try_choice(walk, done);
    choose_all(cut, true);
    try_choice(walk, done);
    if (walk->level == 0)
        try_each_unit(walk, cut, done);
    for (uint32_t i = 0; i < samples && !stopped(walk); i++) {
        choose_random(walk, cut);
        try_choice(walk, done);
    }
}

static bool is_point(const struct trace *trace, int at)
{
    if (at == trace->count)
        return true;
    if (at > 0 && trace->events[at - 1].kind == EVENT_DONE)
        return true;
    return trace->events[at].kind == EVENT_FENCE ||
        trace->events[at].kind == EVENT_SYNC;
}

static void cut_everywhere(struct walk *walk, int done)
{
    media_copy(&recovering, &working[1]);
    for (int at = 0; at <= recovery.count; at++) {
        if (is_point(&recovery, at))
            crash_here(walk, at, done, ALL_EXHAUSTIVE, ALL_SAMPLES);
        if (at < recovery.count)
            media_apply(&working[1], &recovery.events[at]);
    }
}

static void cut_somewhere(struct walk *walk, int done)
{
    int point = (int)draw(walk, (uint32_t)recovery.count + 1);

    media_copy(&recovering, &working[1]);
    for (int at = 0; at < point; at++)
        media_apply(&working[1], &recovery.events[at]);
    crash_here(walk, point, done, 0, 1);
}

static void cut_recovery(struct walk *walk, int done)
{
    walk->level = 1;
    media_copy(&images[0], &recovering);
    if (walk->first)
        cut_everywhere(walk, done);
    for (int i = 0; i < DRAWN && !walk->first; i++)
        cut_somewhere(walk, done);
    walk->first = false;
    walk->level = 0;
}

static void visit(struct walk *walk, int done)
{
    const char *wrong = examine(walk, &images[walk->level], done);

    walk->tally->states++;
    walk->tally->recoveries += walk->level == 1;
    if (wrong)
        violation(walk, wrong);
    if (walk->level == 1)
        return;
    if (walk->limits->recovery && recovery.count > 0)
        cut_recovery(walk, done);
    stage_forget(walk->inodes);
}

void explore(const struct scenario *scenario, const char *label,
             const struct media *base, const struct trace *trace,
             const struct limits *limits, struct tally *tally)
{
    static struct walk walk;
    int done = 0;

    memset(&walk, 0, sizeof(walk));
    walk.scenario = scenario;
    walk.label = label;
    walk.limits = limits;
    walk.tally = tally;
    walk.inodes = stage_count();
    walk.random = 0x5eed;
    media_copy(base, &working[0]);
    for (int at = 0; at <= trace->count && !stopped(&walk); at++) {
        if (is_point(trace, at)) {
            tally->points++;
            walk.first = true;
            crash_here(&walk, at, done, limits->exhaustive, limits->samples);
        }
        if (at < trace->count) {
            media_apply(&working[0], &trace->events[at]);
            done += trace->events[at].kind == EVENT_DONE;
        }
    }
    free(walk.seen);
}

/* -- replaying ----------------------------------------------------------- */

static void show_event(int at, const struct event *event)
{
    static const char *const kinds[] = {
        "write", "flush", "fence", "sync", "size", "owner", "mode", "link",
        "unlink", "rename", "-- returned --",
    };

    printf("  %3d %s inode %d", at, kinds[event->kind], event->inode);
    if (event->kind <= EVENT_FENCE)
        printf(", %" PRIu64 " bytes at %" PRIu64, event->length,
               event->offset);
    if (event->kind == EVENT_SIZE)
        printf(", %" PRIu64 " bytes", event->length);
    if (event->kind == EVENT_OWNER || event->kind == EVENT_MODE)
        printf(", 0%o", event->value);
    if (event->name[0])
        printf(", %s", event->name);
    if (event->kind == EVENT_LINK)
        printf(" as inode %d", event->child);
    if (event->kind == EVENT_RENAME)
        printf(" to %s", event->to);
    printf("\n");
}

static void show_cut(const struct cut *cut)
{
    printf("  power is cut; of what is pending there survives:\n");
    for (uint32_t i = 0; i < cut->count; i++) {
        const struct media_unit *unit = &cut->units[i];

        printf("    %" PRIu32 ": inode %d, ", i, unit->inode);
        if (unit->line < 0)
            printf("size, owner, mode or names: %" PRIu32 " of %" PRIu32
                   " changes\n", cut->choice[i], unit->options - 1);
        else
            printf("line at %" PRId64 ": step %" PRIu32 " of %" PRIu32 "\n",
                   unit->line * MEDIA_LINE, cut->choice[i],
                   unit->options - 1);
    }
}

/* Reads POINT:UNIT=OPTION,... after the medium was brought to POINT. */
static const char *read_choice(struct cut *cut, const char *path)
{
    int used = 0;

    choose_all(cut, false);
    for (;;) {
        uint32_t unit, option;

        if (sscanf(path, "%" SCNu32 "=%" SCNu32 "%n", &unit, &option,
                   &used) != 2)
            return path;
        CHECK(unit < cut->count && option < cut->units[unit].options);
        cut->choice[unit] = option;
        path += used;
        if (*path != ',')
            return path;
        path++;
    }
}

/* Takes one level of the path; returns the rest of it. */
static const char *replay_level(struct walk *walk, const struct media *base,
                                const struct trace *trace, const char *path,
                                int *done)
{
    struct cut *cut = &walk->cuts[walk->level];
    struct media *medium = &working[walk->level];
    int used = 0;

    CHECK(sscanf(path, "%d:%n", &cut->point, &used) == 1 && used > 0);
    CHECK(cut->point <= trace->count);
    media_copy(base, medium);
    for (int at = 0; at < cut->point; at++) {
        show_event(at, &trace->events[at]);
        media_apply(medium, &trace->events[at]);
        *done += trace->events[at].kind == EVENT_DONE;
    }
    cut->count = media_units(medium, cut->units, UNITS);
    path = read_choice(cut, path + used);
    show_cut(cut);
    media_crash(medium, cut->units, cut->choice, cut->count,
                &images[walk->level]);
    return path;
}

bool explore_replay(const struct scenario *scenario,
                    const struct media *base, const struct trace *trace,
                    const char *path)
{
    static struct walk walk;
    const char *wrong;
    int done = 0, ignored = 0;

    walk.scenario = scenario;
    path = replay_level(&walk, base, trace, path, &done);
    wrong = examine(&walk, &images[0], done);
    if (*path == ';') {
        printf("recovery:\n");
        media_copy(&images[0], &recovering);
        walk.level = 1;
        path = replay_level(&walk, &recovering, &recovery, path + 1,
                            &ignored);
        wrong = examine(&walk, &images[1], done);
    }
    CHECK(*path == 0);
    printf("%s\n", wrong ? wrong : "no violation");
    return wrong != NULL;
}
