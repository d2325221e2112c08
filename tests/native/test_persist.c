/* SPDX-License-Identifier: Apache-2.0 */
/* test_persist.c -- the real persistence interface: which ranges reach the
 * CPU, and which msync
 *
 * Built with recorders in place of libvpm's cpuflush.c. */
/* build: without cpuflush.c */
#include <errno.h>
#include <sys/mman.h>

#include "cpuflush.h"
#include "harness.h"
#include "persist.h"

static const void *flushed_addr;
static size_t flushed_length;
static int fences;

const char *vpm_cpu_flush_name(void)
{
    return "clwb";
}

void vpm_cpu_flush(const void *addr, size_t length)
{
    flushed_addr = addr;
    flushed_length = length;
}

void vpm_cpu_fence(void)
{
    fences++;
}

static void forget(void)
{
    flushed_addr = NULL;
    flushed_length = 0;
    fences = 0;
}

static void memory_is_flushed_by_the_cpu(void)
{
    static uint64_t words[1024];
    const struct vpm_map map = {
        .addr = (uint8_t *)words, .length = sizeof(words), .memory = true,
    };

    forget();
    vpm_persist_real.flush(&map, 100, 200);
    CHECK(flushed_addr == map.addr + 100 && flushed_length == 200);
    CHECK(fences == 0);
    CHECK(vpm_persist_real.fence(&map, 100, 200) == 0 && fences == 1);

    forget();
    CHECK(vpm_persist_word(&map, 16, 0x1122334455667788) == 0);
    CHECK(words[2] == 0x1122334455667788);
    CHECK(flushed_addr == map.addr + 16 && flushed_length == 8);
    CHECK(fences == 1);
}

/* msync wants the start of a page, and tells when something is wrong. */
static void files_are_synced_by_the_kernel(void)
{
    struct vpm_map map = {.length = 4 * 4096, .memory = false};

    forget();
    map.addr = mmap(NULL, map.length, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(map.addr != MAP_FAILED);
    CHECK(vpm_persist_range(&map, 5000, 200) == 0);
    CHECK(munmap(map.addr + 4096, 4096) == 0);
    CHECK(vpm_persist_range(&map, 5000, 200) == -1 && errno == ENOMEM);
    CHECK(vpm_persist_range(&map, 8192, 4096) == 0);
    CHECK(flushed_addr == NULL && fences == 0);
    munmap(map.addr, map.length);
}

int main(void)
{
    RUN(memory_is_flushed_by_the_cpu);
    RUN(files_are_synced_by_the_kernel);
    return 0;
}
