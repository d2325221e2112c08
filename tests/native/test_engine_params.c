/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_params.c -- impossible engines are refused */
/* build: threads */
#include "fake_qemu.h"

static void impossible_engines_are_refused(void)
{
    struct vpm_engine_params params = {.threads = 0};
    const uint32_t cpu = 1000;
    struct vpm_error lost;

    pool = new_pool();
    CHECK(!vpm_engine_open(pool, &params, &lost, &err));
    SAYS("threads is 0");
    params = (struct vpm_engine_params){.threads = 1, .priority = 100};
    CHECK(!vpm_engine_open(pool, &params, &lost, &err));
    SAYS("priority is 100");
    params = (struct vpm_engine_params){.threads = 1, .cpus = &cpu,
                                        .cpu_count = 1};
    engine = vpm_engine_open(pool, &params, &lost, &err);
    CHECK(engine);
    CHECK(strstr(lost.message, "engine_cpus"));
    CHECK(!vpm_unit_open(engine, 12345, NULL, &err));
    CHECK(err.code == VPM_ENOENT);
    tear_down();
}

int main(void)
{
    RUN(impossible_engines_are_refused);
    return 0;
}
