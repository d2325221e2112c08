/* SPDX-License-Identifier: Apache-2.0 */
/* main.c -- the work of the guest's CPUs */
#include "guest.h"

#include <stddef.h>

/* Pages that devices use: one of so many. */
#define BUFFERS_PART 4

/* Interrupt command register of the local APIC (Intel SDM 3, 11.6.1). */
#define ICR ((volatile uint32_t *)0xfee00300)
#define ICR_PENDING 0x1000
#define ICR_INIT_ALL_OTHERS 0xc4500
#define ICR_START_ALL_OTHERS (0xc4600 | TRAMPOLINE / PAGE)

_Static_assert(offsetof(struct report, cpus) == REPORT_CPUS, "for start.S");

#define MAGIC 0x56504d21        /* of a report */

struct multiboot {
    uint32_t flags;
    uint32_t low_kib;
    uint32_t high_kib;          /* above 1 MiB */
};

extern const uint8_t trampoline[], trampoline_end[], _end[];

__attribute__((noreturn)) void first_cpu(const struct multiboot *multiboot);
__attribute__((noreturn)) void other_cpu(uint32_t number);

__attribute__((noreturn))
static void halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void wrong(enum wrong what, const volatile void *address, uint32_t expected,
           uint32_t found)
{
    static uint32_t told;

    if (!__atomic_exchange_n(&told, 1, __ATOMIC_SEQ_CST)) {
        report->address = (uint32_t)address;
        report->expected = expected;
        report->found = found;
        __atomic_store_n(&report->wrong, what, __ATOMIC_RELEASE);
    }
    halt();
}

void stop_if_wrong(void)
{
    if (report->wrong)
        halt();
}

/* The firmware leaves something there, the guest's earlier boot its report. */
static void count_boot(void)
{
    uint32_t boots = report->magic == MAGIC ? report->boots + 1 : 1;
    volatile uint32_t *words = (volatile uint32_t *)report;

    for (uint32_t i = 0; i < sizeof(*report) / sizeof(*words); i++)
        words[i] = 0;
    report->magic = MAGIC;
    report->boots = boots;
    report->cpus = 1;
}

static void start_others(void)
{
    volatile uint8_t *to = (volatile uint8_t *)TRAMPOLINE;
    uint32_t length = (uint32_t)(trampoline_end - trampoline);

    for (uint32_t i = 0; i < length; i++)
        to[i] = trampoline[i];
    *ICR = ICR_INIT_ALL_OTHERS;
    while (*ICR & ICR_PENDING)
        ;
    *ICR = ICR_START_ALL_OTHERS;
}

/* The steps are counted in a register, too, which does not survive unless the
 * CPU's state does. */
__attribute__((noreturn))
static void work(uint32_t cpu, bool devices)
{
    struct walk walk = {.random = mix(cpu + 1, 1), .next = cpu * 64};

    for (;;) {
        if (devices) {
            disk_step(&walk.random);
            net_step(&walk.random);
        }
        memory_step(&walk);
        if (report->steps[cpu] + 1 < walk.steps ||
            report->steps[cpu] > walk.steps)
            wrong(WRONG_COUNT, &report->steps[cpu], walk.steps,
                  report->steps[cpu]);
        report->steps[cpu] = walk.steps;
        stop_if_wrong();
    }
}

void first_cpu(const struct multiboot *multiboot)
{
    uint32_t end = (multiboot->high_kib + 1024) / 4;
    uint32_t first = ((uint32_t)_end + PAGE - 1) / PAGE;
    uint32_t buffers = (end - first) / BUFFERS_PART;

    count_boot();
    buffers_init(first, first + buffers);
    memory_init(first + buffers, end);
    memory_fill();
    disk_init();
    net_init();
    start_others();
    work(0, true);
}

void other_cpu(uint32_t number)
{
    work(number, false);
}
