/* SPDX-License-Identifier: Apache-2.0 */
/* test_media_errors.c -- memory that is not there is one region's trouble
 *
 * A file that is cut off while it is mapped is SIGBUS, as a poisoned line is.
 * Where nothing is written, states are read by pread(2), which says EIO. */
/* build: wrap pread */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "two_states.h"

/* The inode whose bytes from here to there are poisoned. */
static struct {
    ino_t inode;
    off_t from, to;
} poison;

ssize_t __real_pread(int fd, void *to, size_t length, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t length, off_t at);

ssize_t __wrap_pread(int fd, void *to, size_t length, off_t at)
{
    struct stat st;

    if (poison.inode && fstat(fd, &st) == 0 && st.st_ino == poison.inode &&
        at < poison.to && at + (off_t)length > poison.from) {
        if (at < poison.from)
            return __real_pread(fd, to, (size_t)(poison.from - at), at);
        errno = EIO;
        return -1;
    }
    return __real_pread(fd, to, length, at);
}

static void poison_file(const char *path, off_t from, off_t to)
{
    struct stat st;

    CHECK(stat(path, &st) == 0);
    poison.inode = st.st_ino;
    poison.from = from;
    poison.to = to;
}

static void a_state_that_cannot_be_read_is_unproven(void)
{
    static const off_t bad[] = {0, 4032, 4096, 4096 + STREAM - 1};

    start();
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        poison_file(state_of(&a), bad[i], bad[i] + 1);
        unproven(a.id, "cannot read the state file: Input/output error");
        OK(verify(b.id));
        CHECK(check_pool(1) == 1);
        CHECK(strstr(last_finding, "of 'a' is unproven: cannot read"));
    }
    /* What is not used does not matter. */
    poison_file(state_of(&a), 4096 + STREAM, 16 * KIB);
    OK(verify(a.id));
    CHECK(check_pool(0) == 0);
    poison.inode = 0;
    stop();
}

static void a_fixation_without_its_file_fails(void)
{
    struct vpm_fixation *mine, *others;
    static const struct vpm_fixation_meta meta;
    uint64_t ignored;
    int fd;

    start();
    OK(vpm_region_begin_epoch(pool, a.id, &err));
    OK(vpm_region_begin_epoch(pool, b.id, &err));
    mine = vpm_fixation_open(pool, a.id, &err);
    others = vpm_fixation_open(pool, b.id, &err);
    CHECK(mine && others);

    /* all of it, */
    CHECK(truncate(state_of(&a), 0) == 0);
    EXPECT(VPM_ESYS, vpm_fixation_begin(mine, &err));
    SAYS("Input/output error");
    /* what the stream goes to, */
    CHECK(truncate(state_of(&a), 4096) == 0);
    OK(vpm_fixation_begin(mine, &err));
    fd = filled_pipe(1, 5000);
    EXPECT(VPM_ESYS, vpm_fixation_receive(mine, fd, 0, &err));
    SAYS("cannot write the state of region");
    SAYS("of 'a': Input/output error");
    close(fd);
    /* or the header. */
    CHECK(truncate(state_of(&a), 16 * KIB) == 0);
    OK(vpm_fixation_begin(mine, &err));
    fd = filled_pipe(1, 5000);
    OK(vpm_fixation_receive(mine, fd, 0, &err));
    close(fd);
    CHECK(truncate(state_of(&a), 0) == 0);
    EXPECT(VPM_ESYS, vpm_fixation_commit(mine, &meta, &ignored, &err));
    SAYS("of 'a': Input/output error");

    OK(vpm_fixation_begin(others, &err));
    vpm_fixation_close(mine);
    vpm_fixation_close(others);
    OK(fixate(pool, b.id, 0x33, 100));
    OK(verify(b.id));
    stop();
}

/* Regions whose entries are there still go on. */
static void a_table_of_contents_that_is_not_there(void)
{
    struct vpm_outcome outcome = {.region = 1}, list[4];
    struct vpm_region_info info, other;
    char name[32];

    start();
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "more-%d", i);
        alloc(pool, name, 4096);
    }
    CHECK(truncate(POOL "/pool", VPM_BLOCK) == 0);
    EXPECT(VPM_ECORRUPT, vpm_region_list(pool, &info, 1, &err));
    SAYS("TOC entry 0 (offset 4096): its memory cannot be read");
    EXPECT(VPM_ECORRUPT, verify(a.id));
    EXPECT(VPM_ECORRUPT, vpm_region_begin_epoch(pool, a.id, &err));
    EXPECT(VPM_ECORRUPT, nvalloc(pool, "new", 0, 4096, &other, &err));
    EXPECT(VPM_ESYS, vpm_outcome_record(pool, &outcome, &err));
    SAYS("Input/output error");
    CHECK(vpm_outcome_list(pool, list, 4) == 0);
    stop();
}

int main(void)
{
    RUN(a_state_that_cannot_be_read_is_unproven);
    RUN(a_fixation_without_its_file_fails);
    RUN(a_table_of_contents_that_is_not_there);
    return 0;
}
