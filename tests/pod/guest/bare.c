/* SPDX-License-Identifier: Apache-2.0 */
/* bare.c -- on a machine without a hypervisor, as far as the CPU tells */
#include "guest.h"

static void caches_are_within_reach(void)
{
    struct pod_info info;

    load("");
    EQUAL(ioctl(open_pod(), POD_INFO, &info), 0);
    EQUAL(info.features, POD_WRITES_BACK);
}

const struct test bare_tests[] = {
    {"caches_are_within_reach", caches_are_within_reach},
    {NULL, NULL}
};
