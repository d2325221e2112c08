/* SPDX-License-Identifier: Apache-2.0 */
/* access.c -- uses memory as it is told to, and checks what it finds in it
 *
 *   access BYTES [FILE]
 *
 * maps FILE, which is that long, or anonymous memory, and obeys lines on its
 * standard input, with one JSON object each on its standard output:
 *
 *   touch BYTES                  every page of so many bytes once, in no
 *                                order; the time that each took, in ns
 *   fill                         writes every page
 *   uniform|zipf|seq MS THREADS  pages of 4 KiB, read and checked or written
 *                                as a coin falls, for so long
 *
 * Every page is always a pattern of its number and its version; the versions
 * are kept elsewhere, in locked memory.  A wrong page ends the program. */
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "program.h"

#define PAGE 4096u
#define WORDS (PAGE / 8)
#define THREADS_MOST 64
#define THETA 0.99        /* of the zipf distribution, as in YCSB */
#define BUSY 0x80000000u  /* in a version: somebody uses the page */

enum pattern { UNIFORM, ZIPF, SEQUENTIAL };

struct job {
    enum pattern pattern;
    uint32_t first;       /* sequential: where it begins */
    uint64_t until_ns;
    uint64_t seed;
    uint64_t accesses;
};

static uint64_t *memory;
static uint32_t *versions;
static uint32_t pages;
static double zeta, eta, second;

/* splitmix64 */
static uint64_t draw(uint64_t *seed)
{
    uint64_t x = *seed += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* -- pages --------------------------------------------------------------- */

static uint64_t first_word(uint32_t page, uint32_t version)
{
    uint64_t seed = (uint64_t)page << 32 | version;

    return version ? draw(&seed) : 0;
}

static uint64_t step(uint32_t version)
{
    return version ? 0x9e3779b97f4a7c15u : 0;
}

static void check(uint32_t page, uint32_t version)
{
    const uint64_t *words = memory + (uint64_t)page * WORDS;
    uint64_t expected = first_word(page, version);
    uint64_t wrong = 0;

    for (uint32_t i = 0; i < WORDS; i++)
        wrong |= words[i] ^ (expected + i * step(version));
    if (wrong) {
        fprintf(stderr, "access: page %" PRIu32 " is not version %" PRIu32
                "\n", page, version);
        exit(1);
    }
}

static void change(uint32_t page, uint32_t version)
{
    uint64_t *words = memory + (uint64_t)page * WORDS;
    uint64_t value = first_word(page, version);

    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = value + i * step(version);
}

/* One thread at a time uses a page. */
static uint32_t begin(uint32_t page)
{
    for (;;) {
        uint32_t version = __atomic_load_n(&versions[page],
                                           __ATOMIC_RELAXED);

        if (!(version & BUSY) && __atomic_compare_exchange_n(
                &versions[page], &version, version | BUSY, false,
                __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return version;
        sched_yield();
    }
}

static void end(uint32_t page, uint32_t version)
{
    __atomic_store_n(&versions[page], version, __ATOMIC_RELEASE);
}

static void use(uint32_t page, bool write)
{
    uint32_t version = begin(page);

    if (write)
        change(page, ++version);
    else
        check(page, version);
    end(page, version);
}

/* -- patterns ------------------------------------------------------------ */

/* Gray et al., Quickly generating billion-record synthetic databases (SIGMOD
 * 1994), as YCSB has it. */
static void prepare_zipf(void)
{
    for (uint32_t i = 1; i <= pages; i++)
        zeta += 1 / pow(i, THETA);
    second = 1 + pow(0.5, THETA);
    eta = (1 - pow(2.0 / pages, 1 - THETA)) / (1 - second / zeta);
}

static uint32_t draw_zipf(uint64_t *seed)
{
    double u = (double)(draw(seed) >> 11) / (double)((uint64_t)1 << 53);
    double rank = u * zeta < 1 ? 0 : u * zeta < second ? 1 :
        pages * pow(eta * u - eta + 1, 1 / (1 - THETA));

    return (uint32_t)((uint64_t)rank * SCATTER % pages);
}

static uint32_t next_page(struct job *job)
{
    switch (job->pattern) {
    case UNIFORM:
        return (uint32_t)(draw(&job->seed) % pages);
    case ZIPF:
        return draw_zipf(&job->seed);
    default:
        return (uint32_t)((job->first + job->accesses) % pages);
    }
}

static void *work(void *opaque)
{
    struct job *job = opaque;

    while (now_ns() < job->until_ns) {
        uint32_t page = next_page(job);

        use(page, draw(&job->seed) & 1);
        job->accesses++;
    }
    return NULL;
}

/* -- commands ------------------------------------------------------------ */

static long major_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_majflt;
}

static void run(enum pattern pattern, unsigned ms, unsigned threads)
{
    static uint64_t rounds;
    pthread_t ids[THREADS_MOST];
    struct job jobs[THREADS_MOST];
    long faults = major_faults();
    uint64_t start = now_ns(), taken, accesses = 0;

    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){
            .pattern = pattern,
            .first = (uint32_t)((uint64_t)pages * i / threads),
            .until_ns = start + (uint64_t)ms * 1000000u,
            .seed = ++rounds,
        };
        errno = pthread_create(&ids[i], NULL, work, &jobs[i]);
        if (errno)
            die("pthread_create");
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        accesses += jobs[i].accesses;
    }
    taken = now_ns() - start;
    printf("{\"accesses\": %" PRIu64 ", \"ns\": %" PRIu64
           ", \"major_faults\": %ld}\n", accesses, taken,
           major_faults() - faults);
}

static void fill(void)
{
    uint64_t start = now_ns();

    for (uint32_t i = 0; i < pages; i++)
        use(i, true);
    printf("{\"ns\": %" PRIu64 "}\n", now_ns() - start);
}

static void touch(unsigned page_size)
{
    uint64_t count = (uint64_t)pages * PAGE / page_size;

    printf("{\"ns\": [");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t page = i * SCATTER % count;
        uint64_t start = now_ns();

        *(volatile uint64_t *)&memory[page * (page_size / 8)];
        printf("%s%" PRIu64, i ? ", " : "", now_ns() - start);
    }
    printf("]}\n");
}

static void obey(const char *line)
{
    static const char *const names[] = {"uniform", "zipf", "seq"};
    unsigned number, threads;
    char word[16];
    int got = sscanf(line, "%15s %u %u", word, &number, &threads);

    if (got == 1 && !strcmp(word, "fill")) {
        fill();
        return;
    }
    if (got == 2 && !strcmp(word, "touch") && number >= PAGE) {
        touch(number);
        return;
    }
    for (int i = 0; i < 3; i++)
        if (got == 3 && !strcmp(word, names[i]) && threads > 0 &&
            threads <= THREADS_MOST) {
            run((enum pattern)i, number, threads);
            return;
        }
    errno = EINVAL;
    die(line);
}

static void open_memory(uint64_t length, const char *file)
{
    int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;

    if (file && fd < 0)
        die(file);
    memory = mmap(NULL, length, PROT_READ | PROT_WRITE, file ? MAP_SHARED :
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, fd, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    pages = (uint32_t)(length / PAGE);
    versions = mmap(NULL, pages * sizeof(*versions), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (versions == MAP_FAILED || mlock(versions, pages * sizeof(*versions)))
        die("versions");
}

int main(int argc, char **argv)
{
    uint64_t length = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    char line[64];

    if (argc > 3 || length < PAGE || length % PAGE ||
        length / PAGE > UINT32_MAX) {
        fprintf(stderr, "usage: access BYTES [FILE]\n");
        return 2;
    }
    /* Whoever started it may have something to arrange before. */
    if (!fgets(line, sizeof(line), stdin))
        return 0;
    open_memory(length, argv[2]);
    prepare_zipf();
    printf("{}\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        obey(line);
        fflush(stdout);
    }
    return 0;
}
