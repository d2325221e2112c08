/* SPDX-License-Identifier: Apache-2.0 */
/* vpm_crash.c -- a program that does one thing to a pool and is stopped in
 * the midst of it
 *
 * vpm_crash STEP POOL finish
 * vpm_crash STEP POOL alloc|free|scrub|epoch NAME SIZE
 * vpm_crash STEP POOL alloc_vpm NAME SIZE SWAP_DIR
 * vpm_crash STEP POOL fixate NAME LENGTH
 *
 * STEP counts calls of the persistence interface; at -1 it is never stopped.
 * Exit status: 0, CRASHED, or a vpm_code without its sign.  A state that is
 * fixated has LENGTH bytes of 'S'.  Half of a VPM region is NVRAM. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash.h"
#include "vpm.h"

static struct vpm_error err;

static int feed(size_t length)
{
    int ends[2];

    if (pipe(ends) < 0 || fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) < 0)
        return -1;
    while (length-- > 0)
        if (write(ends[1], "S", 1) != 1)
            return -1;
    close(ends[1]);
    return ends[0];
}

static int fixate(struct vpm_pool *pool, uint64_t id, size_t length)
{
    const struct vpm_fixation_meta meta = {.runstate = "running"};
    struct vpm_fixation *fixation = vpm_fixation_open(pool, id, &err);
    uint64_t persisted_ns;
    int rc;

    if (!fixation)
        return err.code;
    rc = vpm_fixation_begin(fixation, &err);
    if (rc == VPM_OK)
        rc = vpm_fixation_receive(fixation, feed(length), 0, &err);
    if (rc == VPM_OK)
        rc = vpm_fixation_commit(fixation, &meta, &persisted_ns, &err);
    vpm_fixation_close(fixation);
    return rc;
}

static int alloc_vpm(struct vpm_pool *pool, const char *name, uint64_t size,
                     const char *swap_dir)
{
    const struct vpm_vpm_params params = {
        .size = size, .nvram_size = size / 2, .page_size = 4096,
        .policy = VPM_POLICY_FIFO, .swap_dir = swap_dir,
    };
    struct vpm_region_info info;

    return nvalloc_vpm(pool, name, 0, &params, &info, &err);
}

static int operate(struct vpm_pool *pool, const char *operation,
                   const char *name, uint64_t size, const char *swap_dir)
{
    uint64_t id = vpm_region_id(name, 0);
    struct vpm_region_info info;

    if (strcmp(operation, "alloc") == 0)
        return nvalloc(pool, name, 0, size, &info, &err);
    if (strcmp(operation, "alloc_vpm") == 0)
        return alloc_vpm(pool, name, size, swap_dir);
    if (strcmp(operation, "free") == 0)
        return nvfree(pool, name, 0, &err);
    if (strcmp(operation, "scrub") == 0)
        return vpm_region_scrub(pool, id, &err);
    if (strcmp(operation, "epoch") == 0)
        return vpm_region_begin_epoch(pool, id, &err);
    if (strcmp(operation, "fixate") == 0)
        return fixate(pool, id, size);
    return VPM_OK;
}

int main(int argc, char **argv)
{
    struct vpm_pool *pool;
    int rc;

    if (argc != 4 && argc != 6 && argc != 7)
        return 1;
    crash_at(atol(argv[1]));
    pool = vpm_pool_open(argv[2], &err);
    rc = !pool ? err.code :
        argc == 4 ? vpm_pool_finish_freed(pool, &err) :
        operate(pool, argv[3], argv[4], strtoull(argv[5], NULL, 10),
                argc == 7 ? argv[6] : "");
    if (rc < 0)
        fprintf(stderr, "%s\n", err.message);
    vpm_pool_close(pool);
    return -rc;
}
