/* SPDX-License-Identifier: Apache-2.0 */
/* counter.c -- a program that survives power cuts with libvpm
 *
 * It plays a server with one vCPU.  Its memory is a region of a pool and holds
 * a list of numbers.  Its virtual environment, which a real server has in
 * vCPUs and devices, is the length of the list.  Each run recovers both,
 * counts one further, and fixates, as if power failed then.
 *
 *   counter POOL          recover or boot, count, fixate
 *   counter POOL crash    the same, but end without being fixated
 *   counter POOL free     free the region
 *
 * See README.rst. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vpm.h>

#define NAME "counter"
#define SEQUENCE 0       /* tells allocations of one name apart */
#define MEMORY (1 << 20)

/* What is lost with power unless it is fixated. */
struct environment {
    uint32_t length;     /* of the list in memory */
};

static struct vpm_error err;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, err.message);
    exit(EXIT_FAILURE);
}

static void fail_errno(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* -- the pool and the region --------------------------------------------- */

static struct vpm_pool *open_pool(const char *dir)
{
    const struct vpm_pool_params params = {
        .total_size = 16 << 20,
        .state_size = 64 << 10,
        .page_size = 4096,
        .descriptors = 8,
        .uid_base = 0,   /* all files belong to the caller */
    };
    struct vpm_pool *pool = vpm_pool_open(dir, &err);

    if (!pool && err.code == VPM_ENOENT) {
        if (vpm_pool_create(dir, &params, &err) < 0)
            fail("cannot create the pool");
        pool = vpm_pool_open(dir, &err);
    }
    if (!pool)
        fail("cannot open the pool");
    return pool;
}

static struct vpm_region_info find_region(struct vpm_pool *pool)
{
    struct vpm_region_info region;
    int rc = vpm_region_lookup(pool, NAME, SEQUENCE, &region, &err);

    if (rc == VPM_ENOENT)
        rc = nvalloc(pool, NAME, SEQUENCE, MEMORY, &region, &err);
    if (rc < 0)
        fail("cannot find or allocate the region");
    return region;
}

static uint32_t *map_memory(const struct vpm_region_info *region)
{
    int fd = open(region->ram_path, O_RDWR | O_CLOEXEC);
    void *memory = mmap(NULL, region->size, PROT_READ | PROT_WRITE,
                        MAP_SHARED, fd, 0);

    if (fd < 0 || memory == MAP_FAILED)
        fail_errno("cannot map the memory");
    close(fd);
    return memory;
}

/* -- recovery ------------------------------------------------------------ */

/* Gets the environment back that was fixated, if it proves itself. */
static bool recover(struct vpm_pool *pool, uint64_t id,
                    struct environment *environment)
{
    struct vpm_state_info info;
    int ends[2];
    int rc = vpm_state_verify(pool, id, &info, &err);

    if (rc == VPM_EUNPROVEN) {
        printf("boot: %s\n", err.message);
        return false;
    }
    if (rc < 0)
        fail("cannot verify the state");
    if (pipe(ends) < 0)
        fail_errno("cannot make a pipe");
    if (vpm_state_send(pool, id, ends[1], 0, &err) < 0)
        fail("cannot read the state");
    if (info.length != sizeof(*environment) ||
        read(ends[0], environment, sizeof(*environment)) !=
        sizeof(*environment))
        fail_errno("the state is not this program's");
    close(ends[0]);
    close(ends[1]);
    return true;
}

/* Says where to go on from.  After that the state is stale, whatever happens:
 * nobody can run from it a second time. */
static struct environment start(struct vpm_pool *pool, uint64_t id)
{
    struct environment environment = {.length = 0};

    if (recover(pool, id, &environment)) {
        if (vpm_region_begin_epoch(pool, id, &err) < 0)
            fail("cannot begin an epoch");
        return environment;
    }
    /* A boot must not find the memory of an earlier run.  This begins an
     * epoch, too. */
    if (vpm_region_scrub(pool, id, &err) < 0)
        fail("cannot scrub the region");
    return environment;
}

/* -- fixation ------------------------------------------------------------ */

/* The memory is in NVRAM, and only has to leave the CPU's caches.  QEMU's part
 * is played by a pipe, from which the environment is received. */
static void fixate(struct vpm_fixation *fixation, uint32_t *memory,
                   const struct environment *environment)
{
    const struct vpm_fixation_meta meta = {
        .runstate = "running", .producer = "counter",
    };
    uint64_t persisted_ns;
    int ends[2];

    if (msync(memory, MEMORY, MS_SYNC) < 0 || pipe(ends) < 0 ||
        write(ends[1], environment, sizeof(*environment)) !=
        sizeof(*environment))
        fail_errno("cannot save");
    close(ends[1]);
    if (vpm_fixation_begin(fixation, &err) < 0 ||
        vpm_fixation_receive(fixation, ends[0], 0, &err) < 0 ||
        vpm_fixation_commit(fixation, &meta, &persisted_ns, &err) < 0)
        fail("cannot fixate");
    close(ends[0]);
    printf("fixated\n");
}

/* -- a run --------------------------------------------------------------- */

static void run(struct vpm_pool *pool, bool crash)
{
    struct vpm_region_info region = find_region(pool);
    struct environment environment = start(pool, region.id);
    /* Prepared while power is good, so that the event needs no time for it. */
    struct vpm_fixation *fixation = vpm_fixation_open(pool, region.id, &err);
    uint32_t *memory = map_memory(&region);
    uint32_t last = 0;

    if (!fixation)
        fail("cannot prepare a fixation");
    if (environment.length > 0)
        last = memory[environment.length - 1];
    memory[environment.length++] = last + 1;
    printf("counted to %u\n", memory[environment.length - 1]);
    if (!crash)
        fixate(fixation, memory, &environment);
    munmap(memory, region.size);
    vpm_fixation_close(fixation);
}

int main(int count, char **words)
{
    const char *how = count > 2 ? words[2] : "";
    struct vpm_pool *pool;

    if (count < 2 || count > 3 ||
        (*how && strcmp(how, "crash") && strcmp(how, "free"))) {
        fprintf(stderr, "usage: counter POOL [crash|free]\n");
        return EXIT_FAILURE;
    }
    pool = open_pool(words[1]);
    if (strcmp(how, "free") != 0)
        run(pool, strcmp(how, "crash") == 0);
    else if (nvfree(pool, NAME, SEQUENCE, &err) < 0)
        fail("cannot free the region");
    vpm_pool_close(pool);
    return EXIT_SUCCESS;
}
