/* SPDX-License-Identifier: Apache-2.0 */
/* one_fixation.c -- a region and one fixation of it */
#include "one_fixation.h"

#include <unistd.h>

const struct vpm_fixation_meta meta = {
    .wall_ns = 11, .signal_ns = 22, .stopped_ns = 33, .saved_ns = 44,
    .runstate = "running", .producer = "qemu 10.0.2",
};

struct vpm_pool *pool;
struct vpm_region_info region;
struct vpm_fixation *fixation;
uint64_t persisted_ns;

void start(void)
{
    pool = new_pool();
    region = alloc(pool, "a", 4096);
    OK(vpm_region_begin_epoch(pool, region.id, &err));
    fixation = vpm_fixation_open(pool, region.id, &err);
    CHECK(fixation);
}

void stop(void)
{
    vpm_fixation_close(fixation);
    vpm_pool_close(pool);
}

int receive(int fd)
{
    int rc = vpm_fixation_receive(fixation, fd, 0, &err);

    close(fd);
    return rc;
}

int commit(void)
{
    return vpm_fixation_commit(fixation, &meta, &persisted_ns, &err);
}

int verify(void)
{
    struct vpm_state_info info;

    return vpm_state_verify(pool, region.id, &info, &err);
}
