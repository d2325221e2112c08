/* SPDX-License-Identifier: Apache-2.0 */
/* media.h -- what a power cut leaves: a model of NVRAM and its file system
 *
 * A medium is a tree of directories and files.  What was made durable is
 * certain; all else is *pending*, and a crash keeps some of it:
 *
 *   - Bytes (stores, write(2), read(2) into a mapping) are pending by cache
 *     line of 64 bytes.  Of one line a crash keeps what was there at some
 *     instant: all stores before it and none after it; of the store that is
 *     cut, some 8-byte words from its beginning or from its end (memcpy(3)
 *     promises no order).  Lines are independent of each other.
 *   - A flush and then a fence make a line durable as it was at the flush.  A
 *     fence is no wider than its range, which is what msync(2) promises.
 *   - Size, owner and mode of a file change in order: a crash keeps the first
 *     few of the changes that are pending.  So do the names in a directory.
 *     Different files and directories are independent of each other.
 *   - Sync of a file makes its bytes, size, owner and mode durable; sync of a
 *     directory its names.  Neither does anything for the other: that a new
 *     file's sync makes its name durable on ext4 is not relied upon.
 *   - New space reads as zeros.
 *
 * This allows more than ext4 and XFS do (one journal orders the metadata of
 * all files) and is finer than a disk's sectors, so it also stands for files
 * on a volatile disk, such as swap files. */
#ifndef MEDIA_H
#define MEDIA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MEDIA_INODES 64
#define MEDIA_NAMES 16    /* in one directory */
#define MEDIA_NAME 24     /* bytes of a name with its NUL */
#define MEDIA_LOG 32      /* pending changes of one inode */
#define MEDIA_LINE 64
#define MEDIA_ROOT 0      /* inode of the directory above all */

enum event_kind {
    EVENT_WRITE,
    EVENT_FLUSH,
    EVENT_FENCE,
    EVENT_SYNC,
    EVENT_SIZE,
    EVENT_OWNER,
    EVENT_MODE,
    EVENT_LINK,     /* a new file or directory */
    EVENT_UNLINK,   /* of a file or directory */
    EVENT_RENAME,
    EVENT_DONE,     /* an operation returned to its caller */
};

/* A step of an operation.  Which members count depends on the kind. */
struct event {
    enum event_kind kind;
    int inode;                /* the file, or the directory of the name */
    int site;                 /* of the code; -1: none */
    uint64_t offset, length;  /* EVENT_SIZE: the new size is length */
    uint8_t *bytes;           /* EVENT_WRITE */
    bool word;                /* EVENT_WRITE: one that may commit something */
    char name[MEDIA_NAME];
    char to[MEDIA_NAME];      /* EVENT_RENAME */
    int child;                /* EVENT_LINK */
    bool directory;           /* EVENT_LINK: kind of the child */
    uint32_t value;           /* EVENT_OWNER, EVENT_MODE, EVENT_LINK: mode */
};

struct media_word {
    uint32_t call;            /* words of one store have the same */
    uint32_t index;           /* in the line, 0 to 7 */
    uint64_t value;
};

struct media_line {
    struct media_word *words; /* pending, in program order */
    uint32_t count, room;
    uint32_t flushed;         /* so many were there at the last flush */
};

struct media_name {
    char text[MEDIA_NAME];
    int inode;
};

struct media_inode {
    bool directory;
    bool secret;              /* a server's data is or was in it */
    uint32_t mode, uid;
    uint64_t size;
    uint64_t capacity;        /* of the following three, in bytes */
    uint8_t *durable;
    uint8_t *now;             /* as the program sees it */
    struct media_line *lines;
    struct media_name names[MEDIA_NAMES];
    int name_count;
    const struct event *log[MEDIA_LOG];  /* pending changes but bytes */
    int log_count;
};

struct media {
    struct media_inode inodes[MEDIA_INODES];
    int count;
    uint32_t calls;
};

/* Something of which a crash decides: a line or a log. */
struct media_unit {
    int inode;
    int64_t line;             /* -1: the log */
    uint32_t options;         /* 0: nothing of it survives; options - 1: all
                               * of it does */
};

/* Adds a file or directory that is durable; the index of it. */
int media_add(struct media *media, bool directory, uint32_t mode,
              uint32_t uid);

/* Gives a file durable contents; adds a durable name. */
void media_fill(struct media *media, int inode, const uint8_t *bytes,
                uint64_t size);
void media_name(struct media *media, int dir, const char *name, int inode);

/* Does one step. */
void media_apply(struct media *media, const struct event *event);

/* What is pending: up to *max* units; how many there are. */
uint32_t media_units(const struct media *media, struct media_unit *units,
                     uint32_t max);

/* A medium on which nothing is pending: *media* after a crash that kept
 * choice[i] of units[i].  *image* may have been used before. */
void media_crash(const struct media *media, const struct media_unit *units,
                 const uint32_t *choice, uint32_t count,
                 struct media *image);

/* Copies a medium on which nothing is pending. */
void media_copy(const struct media *from, struct media *to);

/* Whether a name leads to each of the inodes. */
void media_reach(const struct media *media, bool *reached);

/* A checksum of all that can be seen of a medium. */
uint64_t media_hash(const struct media *media);

void media_free(struct media *media);

#endif
