/* SPDX-License-Identifier: Apache-2.0 */
/* note.c -- memory of having stopped a pVM, written without a system call */
#include "note.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "error.h"

struct slot {
    uint64_t sequence;  /* the higher one counts */
    struct vpm_stopped stopped;
    uint32_t crc;       /* of all before it */
};

struct vpm_note {
    struct slot *slots;
    int fd;
};

#define SLOTS 2
#define LENGTH (SLOTS * sizeof(struct slot))

static uint32_t slot_crc(const struct slot *slot)
{
    return vpm_crc32c(0, slot, offsetof(struct slot, crc));
}

/* Copies the slot that counts; all zero when there is none. */
static void current(const struct vpm_note *note, struct slot *found)
{
    memset(found, 0, sizeof(*found));
    for (int i = 0; i < SLOTS; i++) {
        struct slot slot = note->slots[i];

        if (slot.sequence > found->sequence && slot.crc == slot_crc(&slot))
            *found = slot;
    }
}

/* Takes the descriptor over, also when it fails. */
static struct vpm_note *map(int fd, struct vpm_error *err)
{
    struct vpm_note *note = calloc(1, sizeof(*note));
    void *addr = MAP_FAILED;

    if (note)
        addr = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_POPULATE, fd, 0);
    if (addr == MAP_FAILED) {
        vpm_fail_errno(err, "cannot map a note");
        close(fd);
        free(note);
        return NULL;
    }
    note->slots = addr;
    note->fd = fd;
    return note;
}

struct vpm_note *vpm_note_open(const char *path, struct vpm_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || ftruncate(fd, LENGTH) < 0 ||
        posix_fallocate(fd, 0, LENGTH) != 0) {
        vpm_fail_errno(err, "cannot make the note %s", path);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    return map(fd, err);
}

int vpm_note_fd(const struct vpm_note *note)
{
    return note->fd;
}

struct vpm_note *vpm_note_open_fd(int fd, struct vpm_error *err)
{
    struct stat st;
    int copy;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != LENGTH) {
        vpm_fail(err, VPM_EINVAL, "what was passed is no note's file");
        return NULL;
    }
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        vpm_fail_errno(err, "cannot map a note");
        return NULL;
    }
    return map(copy, err);
}

void vpm_note_close(struct vpm_note *note)
{
    if (!note)
        return;
    munmap(note->slots, LENGTH);
    close(note->fd);
    free(note);
}

void vpm_note_write(struct vpm_note *note, const struct vpm_stopped *stopped)
{
    struct slot slot;

    current(note, &slot);
    slot.sequence++;
    slot.stopped = *stopped;
    slot.crc = slot_crc(&slot);
    memcpy(&note->slots[slot.sequence % SLOTS], &slot, sizeof(slot));
}

bool vpm_note_read(struct vpm_note *note, struct vpm_stopped *stopped)
{
    struct slot slot;

    current(note, &slot);
    *stopped = slot.stopped;
    stopped->runstate[VPM_RUNSTATE_MAX] = '\0';
    stopped->raised_by[VPM_RAISED_BY_MAX] = '\0';
    return stopped->pid != 0;
}
