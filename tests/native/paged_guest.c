/* SPDX-License-Identifier: Apache-2.0 */
/* paged_guest.c -- a process whose memory is paged, for tests of the pager */
#include "paged_guest.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared *shared;
struct vpm_region_info region;
struct vpm_pool *pool;
struct vpm_persist faulty;
uint32_t pages;

static uint32_t page_words;
static uint64_t *guest;

uint64_t pattern(uint32_t page, uint32_t version, uint32_t word)
{
    uint64_t x = ((uint64_t)page << 40) ^ ((uint64_t)version << 16) ^ word;

    return version ? (x + 1) * 0x9e3779b97f4a7c15u : 0;
}

uint64_t *guest_page(uint32_t page)
{
    return guest + (uint64_t)page * page_words;
}

void verify(uint32_t page)
{
    const struct version *is = &shared->versions[page];
    const uint64_t *words = guest_page(page);

    for (uint32_t i = 0; i < page_words; i++)
        if (words[i] != pattern(page, is->written, i) &&
            words[i] != pattern(page, is->wanted, i)) {
            fprintf(stderr, "page %u, word %u: %016llx is neither version %u "
                    "nor %u\n", page, i, (unsigned long long)words[i],
                    is->written, is->wanted);
            _exit(1);
        }
}

void change(uint32_t page)
{
    struct version *is = &shared->versions[page];

    __atomic_store_n(&is->wanted, is->written + 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < page_words; i++)
        ((volatile uint64_t *)guest_page(page))[i] =
            pattern(page, is->wanted, i);
    __atomic_store_n(&is->written, is->wanted, __ATOMIC_SEQ_CST);
}

struct vpm_pager *start(void)
{
    char *dir = strdup(region.virtual_path);
    struct vpm_pager *pager;
    void *base = mmap(NULL, region.virtual_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(base != MAP_FAILED);
    *strrchr(dir, '/') = 0;
    guest = base;
    pager = vpm_pager_start(dir, base, region.virtual_size, &err);
    free(dir);
    return pager;
}

void must_start(void)
{
    if (!start())
        call_failed(__FILE__, __LINE__, "vpm_pager_start", 0, err.code);
}

void make(uint64_t size, uint64_t nvram_size, uint32_t page_size,
          uint32_t policy)
{
    struct vpm_pool_params pool_params = small_params;
    const struct vpm_vpm_params params = {
        .size = size, .nvram_size = nvram_size, .page_size = page_size,
        .policy = policy, .swap_dir = SWAP,
    };

    if (!shared)
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pool_params.total_size = 16 * MIB;
    OK(vpm_pool_create(POOL, &pool_params, &err));
    pool = open_pool();
    CHECK(mkdir(SWAP, 0711) == 0);
    OK(nvalloc_vpm(pool, "guest", 0, &params, &region, &err));
    memset(shared, 0, sizeof(*shared));
    pages = (uint32_t)(size / page_size);
    page_words = page_size / 8;
    CHECK(pages <= PAGES_MOST);
}

void make_small(void)
{
    make(512 * KIB, 256 * KIB, 4096, VPM_POLICY_FIFO);
}

void done(void)
{
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

pid_t spawn(void (*work)(void))
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        work();
        _exit(0);
    }
    return pid;
}

int ended(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
        WEXITSTATUS(status);
}

void kill_it(pid_t pid)
{
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(ended(pid) == 128 + SIGKILL);
}

void wait_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

struct vpm_region_stats stats(void)
{
    struct vpm_region_stats stats;

    OK(vpm_region_stats(pool, region.id, &stats, &err));
    return stats;
}

void change_all(void)
{
    must_start();
    for (uint32_t i = 0; i < pages; i++)
        change(i);
}

void verify_all(void)
{
    must_start();
    for (uint32_t i = 0; i < pages; i++)
        verify(i);
}

void read_all_twice(void)
{
    must_start();
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < pages; i++)
            verify(i);
}

void touch_few(void)
{
    must_start();
    change(3);
    change(77);
}

void hold(void)
{
    must_start();
    shared->flag = 1;
    pause();
}

void wait_flag(void)
{
    for (int ms = 0; !__atomic_load_n(&shared->flag, __ATOMIC_SEQ_CST); ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
}

void wait_error(enum vpm_region_error error)
{
    for (int ms = 0; stats().error == 0; ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
    CHECK(stats().error == error);
}
