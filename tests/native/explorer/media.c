/* SPDX-License-Identifier: Apache-2.0 */
/* media.c -- what a power cut leaves: a model of NVRAM and its file system */
#include "media.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "hash.h"

#define WORD sizeof(uint64_t)

/* -- making -------------------------------------------------------------- */

static void free_inode(struct media_inode *inode)
{
    for (uint64_t i = 0; i < inode->capacity / MEDIA_LINE; i++)
        free(inode->lines[i].words);
    free(inode->durable);
    free(inode->now);
    free(inode->lines);
    memset(inode, 0, sizeof(*inode));
}

int media_add(struct media *media, bool directory, uint32_t mode,
              uint32_t uid)
{
    struct media_inode *inode = &media->inodes[media->count];

    CHECK(media->count < MEDIA_INODES);
    free_inode(inode);  /* of an earlier use of the medium */
    inode->directory = directory;
    inode->mode = mode;
    inode->uid = uid;
    return media->count++;
}

static void reserve(struct media_inode *inode, uint64_t size)
{
    uint64_t had = inode->capacity;
    uint64_t want = (size + MEDIA_LINE - 1) / MEDIA_LINE * MEDIA_LINE;

    if (want <= had)
        return;
    inode->durable = realloc(inode->durable, want);
    inode->now = realloc(inode->now, want);
    inode->lines = realloc(inode->lines,
                           want / MEDIA_LINE * sizeof(*inode->lines));
    CHECK(inode->durable && inode->now && inode->lines);
    memset(inode->durable + had, 0, want - had);
    memset(inode->now + had, 0, want - had);
    memset(inode->lines + had / MEDIA_LINE, 0,
           (want - had) / MEDIA_LINE * sizeof(*inode->lines));
    inode->capacity = want;
}

void media_fill(struct media *media, int index, const uint8_t *bytes,
                uint64_t size)
{
    struct media_inode *inode = &media->inodes[index];

    reserve(inode, size);
    inode->size = size;
    if (size == 0)
        return;
    memcpy(inode->durable, bytes, size);
    memcpy(inode->now, bytes, size);
}

/* A region's files hold a server's data, but for its page table; those of the
 * pool none. */
static bool is_secret(const char *name)
{
    static const char *const open[] = {"conf", "conf.new", "lock", "pool", "pool.new",
                                       "ppt"};

    for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
        if (strcmp(name, open[i]) == 0)
            return false;
    return true;
}

void media_name(struct media *media, int dir, const char *name, int inode)
{
    struct media_inode *in = &media->inodes[dir];

    CHECK(in->directory && in->name_count < MEDIA_NAMES);
    CHECK(strlen(name) < MEDIA_NAME);
    strcpy(in->names[in->name_count].text, name);
    in->names[in->name_count++].inode = inode;
    media->inodes[inode].secret |= !media->inodes[inode].directory &&
        !media->inodes[inode].symlink && is_secret(name);
}

void media_free(struct media *media)
{
    for (int i = 0; i < MEDIA_INODES; i++)
        free_inode(&media->inodes[i]);
    media->count = 0;
}

/* -- names and attributes ------------------------------------------------ */

static int find_name(const struct media_inode *dir, const char *name)
{
    int i = 0;

    while (i < dir->name_count && strcmp(dir->names[i].text, name) != 0)
        i++;
    return i;
}

static void drop_name(struct media_inode *dir, const char *name)
{
    int at = find_name(dir, name);

    if (at < dir->name_count)
        dir->names[at] = dir->names[--dir->name_count];
}

/* Makes one change of an inode's log durable. */
static void commit(struct media *media, const struct event *event)
{
    struct media_inode *inode = &media->inodes[event->inode];

    switch (event->kind) {
    case EVENT_SIZE:
        inode->size = event->length;
        break;
    case EVENT_OWNER:
        inode->uid = event->value;
        break;
    case EVENT_MODE:
        inode->mode = event->value;
        break;
    case EVENT_LINK:
        media_name(media, event->inode, event->name, event->child);
        break;
    case EVENT_UNLINK:
        drop_name(inode, event->name);
        break;
    case EVENT_RENAME: {
        int at = find_name(inode, event->name);
        int child = inode->names[at].inode;

        CHECK(at < inode->name_count);
        drop_name(inode, event->name);
        drop_name(inode, event->to);
        media_name(media, event->inode, event->to, child);
        break;
    }
    default:
        CHECK(!"a change of an inode");
    }
}

/* What others made meanwhile leaves a gap of empty files without names. */
static void make_inode(struct media *media, const struct event *event)
{
    while (media->count < event->child)
        media_add(media, false, 0, 0);
    CHECK(media_add(media, event->directory, event->value, 0) ==
          event->child);
    media->inodes[event->child].symlink = event->bytes != NULL;
    media->inodes[event->child].secret = !event->directory &&
        !event->bytes && is_secret(event->name);
    if (event->bytes)
        media_fill(media, event->child, event->bytes, event->length);
}

static void log_change(struct media *media, const struct event *event)
{
    struct media_inode *inode = &media->inodes[event->inode];

    CHECK(inode->log_count < MEDIA_LOG);
    inode->log[inode->log_count++] = event;
    if (event->kind == EVENT_SIZE)
        reserve(inode, event->length);
    if (event->kind == EVENT_LINK)
        make_inode(media, event);
}

/* -- bytes --------------------------------------------------------------- */

static void put_word(struct media_inode *inode, uint64_t offset,
                     uint64_t value, uint32_t call)
{
    struct media_line *line = &inode->lines[offset / MEDIA_LINE];

    if (line->count == line->room) {
        line->room = line->room ? 2 * line->room : 8;
        line->words = realloc(line->words,
                              line->room * sizeof(*line->words));
        CHECK(line->words);
    }
    line->words[line->count++] = (struct media_word){
        .call = call,
        .index = (uint32_t)(offset % MEDIA_LINE / WORD),
        .value = value,
    };
    memcpy(inode->now + offset, &value, WORD);
}

/* A word that stays as it is makes no difference. */
static void write_bytes(struct media *media, const struct event *event)
{
    struct media_inode *inode = &media->inodes[event->inode];
    uint64_t end = event->offset + event->length;
    uint64_t at = event->offset & ~(uint64_t)(WORD - 1);

    CHECK(end <= inode->capacity);
    media->calls++;
    for (; at < end; at += WORD) {
        uint64_t from = at < event->offset ? event->offset : at;
        uint64_t to = at + WORD > end ? end : at + WORD;
        uint64_t old, value;

        memcpy(&old, inode->now + at, WORD);
        value = old;
        memcpy((uint8_t *)&value + (from - at),
               event->bytes + (from - event->offset), to - from);
        if (value != old)
            put_word(inode, at, value, media->calls);
    }
}

static void commit_words(struct media_inode *inode, uint64_t number,
                         uint32_t count)
{
    struct media_line *line = &inode->lines[number];

    for (uint32_t i = 0; i < count; i++)
        memcpy(inode->durable + number * MEDIA_LINE +
               line->words[i].index * WORD, &line->words[i].value, WORD);
    line->count -= count;
    if (line->count)
        memmove(line->words, line->words + count,
                line->count * sizeof(*line->words));
    line->flushed = 0;
}

static void flush(struct media_inode *inode, uint64_t offset, uint64_t length)
{
    for (uint64_t i = offset / MEDIA_LINE;
         length && i <= (offset + length - 1) / MEDIA_LINE; i++)
        inode->lines[i].flushed = inode->lines[i].count;
}

static void fence(struct media_inode *inode, uint64_t offset, uint64_t length)
{
    for (uint64_t i = offset / MEDIA_LINE;
         length && i <= (offset + length - 1) / MEDIA_LINE; i++)
        if (inode->lines[i].flushed)
            commit_words(inode, i, inode->lines[i].flushed);
}

static void sync_inode(struct media *media, struct media_inode *inode)
{
    for (int i = 0; i < inode->log_count; i++)
        commit(media, inode->log[i]);
    inode->log_count = 0;
    for (uint64_t i = 0; i < inode->capacity / MEDIA_LINE; i++)
        if (inode->lines[i].count)
            commit_words(inode, i, inode->lines[i].count);
}

void media_apply(struct media *media, const struct event *event)
{
    struct media_inode *inode = &media->inodes[event->inode];

    switch (event->kind) {
    case EVENT_WRITE:
        write_bytes(media, event);
        break;
    case EVENT_FLUSH:
        flush(inode, event->offset, event->length);
        break;
    case EVENT_FENCE:
        fence(inode, event->offset, event->length);
        break;
    case EVENT_SYNC:
        sync_inode(media, inode);
        break;
    case EVENT_DONE:
        break;
    default:
        log_change(media, event);
    }
}

/* -- crashes ------------------------------------------------------------- */

/* Words of the call that begins at *from*. */
static uint32_t call_length(const struct media_line *line, uint32_t from)
{
    uint32_t count = 1;

    while (from + count < line->count &&
           line->words[from + count].call == line->words[from].call)
        count++;
    return count;
}

/* Of a call of n words: 0, or 1 to n-1 from the beginning, or 1 to n-1 from
 * the end. */
static uint32_t call_options(uint32_t words)
{
    return 2 * words - 1;
}

static uint32_t line_options(const struct media_line *line)
{
    uint32_t options = 1;

    for (uint32_t at = 0; at < line->count;) {
        uint32_t words = call_length(line, at);

        options += call_options(words);
        at += words;
    }
    return options;
}

uint32_t media_units(const struct media *media, struct media_unit *units,
                     uint32_t max)
{
    uint32_t count = 0;

    for (int i = 0; i < media->count; i++) {
        const struct media_inode *inode = &media->inodes[i];

        if (inode->log_count) {
            CHECK(count < max);
            units[count++] = (struct media_unit){
                .inode = i, .line = -1,
                .options = (uint32_t)inode->log_count + 1,
            };
        }
        for (uint64_t n = 0; n < inode->capacity / MEDIA_LINE; n++) {
            if (!inode->lines[n].count)
                continue;
            CHECK(count < max);
            units[count++] = (struct media_unit){
                .inode = i, .line = (int64_t)n,
                .options = line_options(&inode->lines[n]),
            };
        }
    }
    return count;
}

static void keep_words(uint8_t *bytes, const struct media_word *words,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        memcpy(bytes + words[i].index * WORD, &words[i].value, WORD);
}

static void keep_line(uint8_t *bytes, const struct media_line *line,
                      uint32_t option)
{
    for (uint32_t at = 0; at < line->count && option > 0;) {
        uint32_t words = call_length(line, at);

        if (option >= call_options(words)) {
            keep_words(bytes, line->words + at, words);
            option -= call_options(words);
            at += words;
            continue;
        }
        if (option < words) {
            keep_words(bytes, line->words + at, option);
        } else {
            uint32_t last = option - words + 1;

            keep_words(bytes, line->words + at + words - last, last);
        }
        return;
    }
}

static void copy_inode(const struct media_inode *from, struct media_inode *to)
{
    struct media_inode kept = *to;

    *to = *from;
    to->capacity = kept.capacity;
    to->durable = kept.durable;
    to->now = kept.now;
    to->lines = kept.lines;
    to->log_count = 0;
    for (uint64_t i = 0; i < to->capacity / MEDIA_LINE; i++)
        to->lines[i].count = to->lines[i].flushed = 0;
    reserve(to, from->capacity);
    if (from->capacity)
        memcpy(to->durable, from->durable, from->capacity);
}

static void settle(struct media_inode *inode)
{
    if (inode->capacity > inode->size)
        memset(inode->durable + inode->size, 0,
               inode->capacity - inode->size);
    if (inode->capacity)
        memcpy(inode->now, inode->durable, inode->capacity);
}

void media_copy(const struct media *from, struct media *to)
{
    for (int i = 0; i < from->count; i++) {
        copy_inode(&from->inodes[i], &to->inodes[i]);
        settle(&to->inodes[i]);
    }
    to->count = from->count;
    to->calls = from->calls;
}

void media_crash(const struct media *media, const struct media_unit *units,
                 const uint32_t *choice, uint32_t count, struct media *image)
{
    for (int i = 0; i < media->count; i++)
        copy_inode(&media->inodes[i], &image->inodes[i]);
    image->count = media->count;
    image->calls = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct media_inode *inode = &media->inodes[units[i].inode];

        if (units[i].line >= 0)
            keep_line(image->inodes[units[i].inode].durable +
                      units[i].line * MEDIA_LINE,
                      &inode->lines[units[i].line], choice[i]);
        else
            for (uint32_t n = 0; n < choice[i]; n++)
                commit(image, inode->log[n]);
    }
    for (int i = 0; i < image->count; i++)
        settle(&image->inodes[i]);
}

/* -- looking ------------------------------------------------------------- */

static void reach(const struct media *media, int index, bool *reached)
{
    const struct media_inode *inode = &media->inodes[index];

    reached[index] = true;
    for (int i = 0; i < inode->name_count; i++)
        reach(media, inode->names[i].inode, reached);
}

void media_reach(const struct media *media, bool *reached)
{
    memset(reached, 0, (size_t)media->count * sizeof(*reached));
    reach(media, MEDIA_ROOT, reached);
}

uint64_t media_hash(const struct media *media)
{
    bool reached[MEDIA_INODES];
    uint64_t hash = 0;

    media_reach(media, reached);
    for (int i = 0; i < media->count; i++) {
        const struct media_inode *inode = &media->inodes[i];
        const uint64_t seen[] = {
            hash, (uint64_t)i, reached[i], inode->mode, inode->uid,
            inode->size,
        };

        /* What nobody will read or fear. */
        if (!reached[i] && !inode->secret)
            continue;
        hash = vpm_siphash(1, 2, seen, sizeof(seen));
        hash = vpm_siphash(hash, 3, inode->durable, inode->size);
        for (int n = 0; n < inode->name_count; n++)
            hash += vpm_siphash((uint64_t)i,
                                (uint64_t)inode->names[n].inode,
                                inode->names[n].text,
                                strlen(inode->names[n].text));
    }
    return hash;
}
