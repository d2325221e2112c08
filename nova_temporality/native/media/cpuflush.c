/* SPDX-License-Identifier: Apache-2.0 */
/* cpuflush.c -- writing CPU cache lines back to memory */
#include "cpuflush.h"

#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define LINES(addr, length, line, instruction)                           \
    do {                                                                 \
        uintptr_t p_ = (uintptr_t)(addr) & ~(uintptr_t)((line) - 1);     \
        uintptr_t end_ = (uintptr_t)(addr) + (length);                   \
        for (; p_ < end_; p_ += (line))                                  \
            instruction((void *)p_);                                     \
    } while (0)

static size_t line_size = 64;

static void flush_clflush(const void *addr, size_t length)
{
    LINES(addr, length, line_size, _mm_clflush);
}

__attribute__((target("clflushopt")))
static void flush_clflushopt(const void *addr, size_t length)
{
    LINES(addr, length, line_size, _mm_clflushopt);
}

__attribute__((target("clwb")))
static void flush_clwb(const void *addr, size_t length)
{
    LINES(addr, length, line_size, _mm_clwb);
}

/* Every x86-64 CPU has CLFLUSH. */
static void (*best)(const void *, size_t) = flush_clflush;
static const char *best_name = "clflush";

__attribute__((constructor))
static void cpuflush_init(void)
{
    unsigned eax, ebx, ecx, edx;

    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ebx >> 8 & 0xff))
        line_size = (ebx >> 8 & 0xff) * 8;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
        return;
    if (ebx & bit_CLWB) {
        best = flush_clwb;
        best_name = "clwb";
    } else if (ebx & bit_CLFLUSHOPT) {
        best = flush_clflushopt;
        best_name = "clflushopt";
    }
}

const char *vpm_cpu_flush_name(void)
{
    return best_name;
}

void vpm_cpu_flush(const void *addr, size_t length)
{
    best(addr, length);
}

void vpm_cpu_fence(void)
{
    _mm_sfence();
}

#else

const char *vpm_cpu_flush_name(void)
{
    return NULL;
}

void vpm_cpu_flush(const void *addr, size_t length)
{
    (void)addr;
    (void)length;
}

void vpm_cpu_fence(void)
{
}
#endif
