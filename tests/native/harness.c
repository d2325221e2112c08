/* SPDX-License-Identifier: Apache-2.0 */
/* harness.c -- what every native test needs */
#include "harness.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "careful.h"

struct vpm_error err;
char last_finding[VPM_MESSAGE_MAX + 1];

const struct vpm_pool_params small_params = {
    .total_size = 1 << 20,
    .state_size = 16 << 10,
    .page_size = 4096,
    .descriptors = 8,
    .uid_base = UID_BASE,
};

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: does not hold: %s (errno: %m; last error: %s)\n",
            file, line, condition, err.message);
    exit(1);
}

void call_failed(const char *file, int line, const char *call, int expected,
                 int found)
{
    fprintf(stderr, "%s:%d: %s: expected %d, found %d: %s\n", file, line,
            call, expected, found, err.message);
    exit(1);
}

void message_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: '%s' is not in: %s\n", file, line, text,
            err.message);
    exit(1);
}

__attribute__((constructor))
static void own_mounts(void)
{
    CHECK(unshare(CLONE_NEWNS) == 0);
    CHECK(mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

void fresh_fs(unsigned mib)
{
    static int mounted;
    char options[32];

    if (mounted)
        CHECK(umount2(FS, MNT_DETACH) == 0);
    snprintf(options, sizeof(options), "size=%um,mode=755", mib);
    CHECK(mount("none", FS, "tmpfs", 0, options) == 0);
    mounted = 1;
    be_careful();
}

struct vpm_pool *new_pool(void)
{
    OK(vpm_pool_create(POOL, &small_params, &err));
    return open_pool();
}

struct vpm_pool *open_pool(void)
{
    struct vpm_pool *pool = vpm_pool_open(POOL, &err);

    if (!pool)
        call_failed(__FILE__, __LINE__, "vpm_pool_open", 0, err.code);
    return pool;
}

static void keep(const char *finding, void *opaque)
{
    int *expected = opaque;

    if (--*expected < 0)
        fprintf(stderr, "unexpected finding: %s\n", finding);
    snprintf(last_finding, sizeof(last_finding), "%s", finding);
}

int check_pool(int expected)
{
    return vpm_pool_check(POOL, keep, &expected, &err);
}

struct vpm_region_info alloc(struct vpm_pool *pool, const char *name,
                             uint64_t size)
{
    struct vpm_region_info info;

    OK(nvalloc(pool, name, 0, size, &info, &err));
    return info;
}

const struct vpm_vpm_params small_vpm = {
    .size = 512 << 10,
    .nvram_size = 256 << 10,
    .page_size = 4096,
    .policy = VPM_POLICY_S3FIFO,
    .swap_dir = SWAP,
};

struct vpm_region_info alloc_vpm(struct vpm_pool *pool, const char *name)
{
    struct vpm_region_info info;

    mkdir(SWAP, 0711);
    OK(nvalloc_vpm(pool, name, 0, &small_vpm, &info, &err));
    return info;
}

const char *region_file(uint64_t id, const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), POOL "/regions/%016llx/%s",
             (unsigned long long)id, name);
    return path;
}

const char *ppt_file(const struct vpm_region_info *info)
{
    return region_file(info->id, "ppt");
}

void fill_file(const char *path, int byte)
{
    int fd = open(path, O_RDWR);
    uint8_t block[4096];
    struct stat st;

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    memset(block, byte, sizeof(block));
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof(block))
        CHECK(pwrite(fd, block, sizeof(block), at) == sizeof(block));
    close(fd);
}

int fd_is(int fd, int byte)
{
    uint8_t block[4096];
    ssize_t got;
    off_t at = 0;

    while ((got = pread(fd, block, sizeof(block), at)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            if (block[i] != byte)
                return 0;
        at += got;
    }
    CHECK(got == 0 && at > 0);
    return 1;
}

int fd_is_drained(int fd)
{
    struct stat st;

    CHECK(fstat(fd, &st) == 0);
    return st.st_size == 0;
}

int file_is(const char *path, int byte)
{
    int fd = open(path, O_RDONLY);
    int is;

    CHECK(fd >= 0);
    is = fd_is(fd, byte);
    close(fd);
    return is;
}

void poke(const char *path, uint64_t offset, const void *data, size_t size)
{
    int fd = open(path, O_RDWR);

    CHECK(fd >= 0 && pwrite(fd, data, size, (off_t)offset) == (ssize_t)size);
    close(fd);
}

void peek(const char *path, uint64_t offset, void *data, size_t size)
{
    int fd = open(path, O_RDONLY);

    CHECK(fd >= 0 && pread(fd, data, size, (off_t)offset) == (ssize_t)size);
    close(fd);
}

int exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int filled_pipe(int byte, size_t length)
{
    uint8_t block[1024];
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= (int)length);
    memset(block, byte, sizeof(block));
    while (length > 0) {
        size_t part = length < sizeof(block) ? length : sizeof(block);

        CHECK(write(ends[1], block, part) == (ssize_t)part);
        length -= part;
    }
    close(ends[1]);
    return ends[0];
}

int fixate(struct vpm_pool *pool, uint64_t id, int byte, size_t length)
{
    const struct vpm_fixation_meta meta = {
        .wall_ns = 1, .signal_ns = 2, .stopped_ns = 3, .saved_ns = 4,
        .runstate = "running", .producer = "test",
    };
    struct vpm_fixation *fixation = vpm_fixation_open(pool, id, &err);
    uint64_t persisted_ns;
    int fd, rc;

    if (!fixation)
        return err.code;
    fd = filled_pipe(byte, length);
    rc = vpm_fixation_begin(fixation, &err);
    if (rc == VPM_OK)
        rc = vpm_fixation_receive(fixation, fd, 0, &err);
    if (rc == VPM_OK)
        rc = vpm_fixation_commit(fixation, &meta, &persisted_ns, &err);
    close(fd);
    vpm_fixation_close(fixation);
    return rc;
}

int in_child(void (*work)(void *arg), void *arg)
{
    pid_t pid = fork();
    int status;

    CHECK(pid >= 0);
    if (pid == 0) {
        work(arg);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
        WEXITSTATUS(status);
}
