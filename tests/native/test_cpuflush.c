/* SPDX-License-Identifier: Apache-2.0 */
/* test_cpuflush.c -- the best instruction is chosen, and all of them that the
 * CPU has can be used
 *
 * Built without libvpm's own cpuflush.o: its parts are used one by one. */
/* build: without cpuflush.c */
#include "harness.h"

#include "cpuflush.c"

#if defined(__x86_64__)
static int cpu_has(const char *flag)
{
    char line[8192], word[32];
    FILE *file = fopen("/proc/cpuinfo", "r");
    int has = 0;

    CHECK(file);
    snprintf(word, sizeof(word), " %s ", flag);
    while (!has && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = ' ';
        has = strncmp(line, "flags", 5) == 0 && strstr(line, word);
    }
    fclose(file);
    return has;
}

static void the_best_is_chosen(void)
{
    const char *expected = cpu_has("clwb") ? "clwb" :
        cpu_has("clflushopt") ? "clflushopt" : "clflush";

    CHECK(strcmp(vpm_cpu_flush_name(), expected) == 0);
}

/* Ends of ranges lie anywhere in a cache line; what lies behind the last one
 * may not even be mapped. */
static void flushing_keeps_contents(void)
{
    void (*const ways[])(const void *, size_t) = {
        flush_clflush,
        cpu_has("clflushopt") ? flush_clflushopt : flush_clflush,
        cpu_has("clwb") ? flush_clwb : flush_clflush,
    };
    uint8_t *data = aligned_alloc(4096, 4096);

    CHECK(data);
    for (size_t way = 0; way < sizeof(ways) / sizeof(*ways); way++) {
        memset(data, (int)way + 1, 4096);
        for (size_t start = 0; start < 130; start++)
            ways[way](data + start, 4096 - start);
        vpm_cpu_fence();
        for (size_t i = 0; i < 4096; i++)
            CHECK(data[i] == way + 1);
    }
    free(data);
}

int main(void)
{
    RUN(the_best_is_chosen);
    RUN(flushing_keeps_contents);
    return 0;
}
#else
int main(void)
{
    CHECK(vpm_cpu_flush_name() == NULL);
    return 0;
}
#endif
