/* SPDX-License-Identifier: Apache-2.0 */
/* two_states.c -- two regions with proven states, for tests that spoil them */
#include "two_states.h"

#include <unistd.h>

struct vpm_pool *pool;
struct vpm_region_info a, b;

int verify(uint64_t id)
{
    struct vpm_state_info info;

    return vpm_state_verify(pool, id, &info, &err);
}

void unproven(uint64_t id, const char *reason)
{
    int ends[2];
    char byte;

    EXPECT(VPM_EUNPROVEN, verify(id));
    SAYS("is unproven");
    SAYS(reason);
    CHECK(pipe(ends) == 0);
    EXPECT(VPM_EUNPROVEN, vpm_state_send(pool, id, ends[1], 0, &err));
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
}

void start(void)
{
    pool = new_pool();
    a = alloc(pool, "a", 4096);
    b = alloc(pool, "b", 4096);
    OK(fixate(pool, a.id, 0x11, STREAM));
    OK(fixate(pool, b.id, 0x22, STREAM));
    OK(verify(a.id));
}

void stop(void)
{
    vpm_pool_close(pool);
}

const char *state_of(const struct vpm_region_info *region)
{
    return region_file(region->id, "state");
}

void copy(const char *from, const char *to)
{
    char command[512];

    snprintf(command, sizeof(command), "cat %s > %s", from, to);
    CHECK(system(command) == 0);
}

void save(const struct vpm_region_info *region, const char *name)
{
    char from[128];

    snprintf(from, sizeof(from), "%s", state_of(region));
    copy(from, name);
}

void restore(const char *name, const struct vpm_region_info *region)
{
    copy(name, state_of(region));
}
