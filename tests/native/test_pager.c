/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager.c -- a process whose memory is paged, killed and started again
 *
 * The process is a child, its pages are filled with a pattern of page and
 * version, and what versions they must have is kept in memory that the parent
 * shares. */
/* build: threads */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "pager.h"
#include "persist.h"

#define THREADS 6
#define KILLS 25
#define PAGES_MOST 1024
#define PATIENCE 60000  /* ms */

/* A page has version *written*, or partly *wanted* if that is another. */
struct version {
    uint32_t wanted;
    uint32_t written;
};

struct shared {
    struct version versions[PAGES_MOST];
    uint64_t accesses;
    int flag;
};

static struct shared *shared;
static struct vpm_region_info region;
static struct vpm_pool *pool;
static uint32_t pages, page_words;
static uint64_t *guest;

/* -- a guest ------------------------------------------------------------- */

static uint64_t pattern(uint32_t page, uint32_t version, uint32_t word)
{
    uint64_t x = ((uint64_t)page << 40) ^ ((uint64_t)version << 16) ^ word;

    return version ? (x + 1) * 0x9e3779b97f4a7c15u : 0;
}

static uint64_t *guest_page(uint32_t page)
{
    return guest + (uint64_t)page * page_words;
}

static void verify(uint32_t page)
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

static void change(uint32_t page)
{
    struct version *is = &shared->versions[page];

    __atomic_store_n(&is->wanted, is->written + 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < page_words; i++)
        ((volatile uint64_t *)guest_page(page))[i] =
            pattern(page, is->wanted, i);
    __atomic_store_n(&is->written, is->wanted, __ATOMIC_SEQ_CST);
}

static struct vpm_pager *start(void)
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

static void must_start(void)
{
    if (!start())
        call_failed(__FILE__, __LINE__, "vpm_pager_start", 0, err.code);
}

/* -- its parent ---------------------------------------------------------- */

static void make(uint64_t size, uint64_t nvram_size, uint32_t page_size,
                 uint32_t policy)
{
    struct vpm_pool_params pool_params = small_params;
    const struct vpm_vpm_params params = {
        .size = size, .nvram_size = nvram_size, .page_size = page_size,
        .policy = policy, .swap_dir = SWAP,
    };

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

static void make_small(void)
{
    make(512 * KIB, 256 * KIB, 4096, VPM_POLICY_FIFO);
}

static void done(void)
{
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static pid_t spawn(void (*work)(void))
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

/* Exit status, or 128 + signal. */
static int ended(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
        WEXITSTATUS(status);
}

static void kill_it(pid_t pid)
{
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(ended(pid) == 128 + SIGKILL);
}

static void wait_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

static struct vpm_region_stats stats(void)
{
    struct vpm_region_stats stats;

    OK(vpm_region_stats(pool, region.id, &stats, &err));
    return stats;
}

/* -- one thread ---------------------------------------------------------- */

static void change_all(void)
{
    must_start();
    for (uint32_t i = 0; i < pages; i++)
        change(i);
}

static void verify_all(void)
{
    must_start();
    for (uint32_t i = 0; i < pages; i++)
        verify(i);
}

static void memory_is_found_again(void)
{
    make_small();
    CHECK(ended(spawn(verify_all)) == 0);  /* zeros */
    CHECK(ended(spawn(change_all)) == 0);
    CHECK(stats().swap_outs >= 64 && stats().error == 0);
    CHECK(stats().in_memory + stats().in_swap == 512 * KIB);
    CHECK(stats().in_memory <= 256 * KIB);
    CHECK(ended(spawn(verify_all)) == 0);
    CHECK(stats().swap_ins > 0);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

static void read_all_twice(void)
{
    must_start();
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < pages; i++)
            verify(i);
}

static void what_was_only_read_is_not_written(void)
{
    uint64_t before;

    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    before = stats().swap_outs;
    CHECK(ended(spawn(read_all_twice)) == 0);
    CHECK(stats().clean_outs >= 64);
    CHECK(stats().swap_outs == before);
    done();
}

static void touch_few(void)
{
    must_start();
    change(3);
    change(77);
}

static void frames_are_taken_at_first_touch(void)
{
    make_small();
    CHECK(ended(spawn(touch_few)) == 0);
    CHECK(stats().in_memory == 8 * KIB && stats().in_swap == 0);
    CHECK(stats().faults == 2);
    done();
}

/* 512 frames, clusters of 8 pages. */
static void make_clustered(void)
{
    make(4 * MIB, 2 * MIB, 4096, VPM_POLICY_S3FIFO);
}

static void touch_clusters(void)
{
    must_start();
    change(3);
    change(77);
    change(5);
    for (uint32_t i = 72; i < 80; i++)
        verify(i);
}

static void neighbours_come_with_a_first_touch(void)
{
    make_clustered();
    CHECK(ended(spawn(touch_clusters)) == 0);
    CHECK(stats().faults == 2);
    CHECK(stats().in_memory == 64 * KIB);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

/* The other half gets frames that had other contents. */
static void change_half(void)
{
    must_start();
    for (uint32_t i = 0; i < pages; i++)
        if (i / 4 % 2)
            change(i);
    for (uint32_t i = 0; i < pages; i++)
        verify(i);
}

static void touched_neighbours_are_left_alone(void)
{
    make_clustered();
    CHECK(ended(spawn(change_half)) == 0);
    CHECK(stats().swap_outs > 0);
    CHECK(ended(spawn(verify_all)) == 0);
    CHECK(ended(spawn(change_half)) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

/* A child has neither the memory nor the region. */
static void fork_and_forget(void)
{
    struct vpm_pager *pager = start();
    pid_t pid;

    CHECK(pager);
    change(3);
    pid = fork();
    if (pid == 0) {
        vpm_pager_forget(pager);
        CHECK(msync(guest_page(3), 4096, MS_ASYNC) < 0 && errno == ENOMEM);
        _exit(0);
    }
    CHECK(ended(pid) == 0);
    verify(3);
    verify(4);
}

static void children_forget(void)
{
    make_small();
    CHECK(ended(spawn(fork_and_forget)) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

static void second_pager(void)
{
    CHECK(!start());
    EXPECT(VPM_EINVAL, err.code);
    SAYS("in use by another pager");
}

static void hold(void)
{
    must_start();
    shared->flag = 1;
    pause();
}

static void wait_flag(void)
{
    for (int ms = 0; !__atomic_load_n(&shared->flag, __ATOMIC_SEQ_CST); ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
}

static void two_pagers_never(void)
{
    pid_t pid;

    make_small();
    pid = spawn(hold);
    wait_flag();
    CHECK(ended(spawn(second_pager)) == 0);
    kill_it(pid);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

static void other_swap_file(void)
{
    CHECK(!start());
    EXPECT(VPM_ECORRUPT, err.code);
    SAYS("not the file that belongs to it");
}

static void a_copied_swap_file_is_refused(void)
{
    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    CHECK(rename(region.swap_path, SWAP "/old") == 0);
    CHECK(system("cp -a " SWAP "/old `readlink " POOL "/regions/*/swap`")
          == 0);
    CHECK(ended(spawn(other_swap_file)) == 0);
    CHECK(rename(SWAP "/old", region.swap_path) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

/* -- many threads, killed ------------------------------------------------ */

static void *storm(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number ^ (unsigned)getpid();
    uint32_t mine = (uint32_t)(uintptr_t)number;

    for (uint32_t step = 0;; step++) {
        /* In turn random and sequential pages, of its own. */
        uint32_t page = step & 32 ? (uint32_t)rand_r(&seed) : step;

        page = page % (pages / THREADS) * THREADS + mine;
        verify(page);
        if (rand_r(&seed) % 2)
            change(page);
        __atomic_fetch_add(&shared->accesses, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void storm_guest(void)
{
    pthread_t threads[THREADS];

    must_start();
    for (uint32_t i = 0; i < pages; i++)
        verify(i);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, storm, (void *)i) == 0);
    pthread_join(threads[0], NULL);
}

/* It makes progress, is killed at some moment, and finds all again. */
static void storms(uint64_t size, uint64_t nvram_size, uint32_t page_size,
                   uint32_t policy)
{
    unsigned seed = 1;

    make(size, nvram_size, page_size, policy);
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = spawn(storm_guest);
        uint64_t goal = shared->accesses + 1000;

        for (int ms = 0; __atomic_load_n(&shared->accesses, __ATOMIC_SEQ_CST)
                         < goal; ms++) {
            int status;

            CHECK(waitpid(pid, &status, WNOHANG) == 0);
            CHECK(ms < PATIENCE);
            wait_ms(1);
        }
        wait_ms(rand_r(&seed) % 30);
        kill_it(pid);
        CHECK(check_pool(0) == 0);
    }
    CHECK(stats().error == 0);
    CHECK(stats().swap_ins > 100 && stats().swap_outs > 100);
    done();
}

static void storm_fifo_25(void)
{
    storms(2 * MIB, 512 * KIB, 4096, VPM_POLICY_FIFO);
}

static void storm_s3fifo_60(void)
{
    storms(4 * MIB, 2456 * KIB, 4096, VPM_POLICY_S3FIFO);
}

static void storm_s3fifo_25(void)
{
    storms(2 * MIB, 512 * KIB, 4096, VPM_POLICY_S3FIFO);
}

static void storm_large_pages(void)
{
    storms(10 * MIB, 4 * MIB, 64 * KIB, VPM_POLICY_S3FIFO);
}

/* -- errors -------------------------------------------------------------- */

#define BAD 5

/* One thread touches the bad page, another one all others. */
static void *touch_it(void *unused)
{
    verify(BAD);
    shared->flag = 2;  /* it should never get here */
    return unused;
}

static void touch_bad(void)
{
    pthread_t thread;

    must_start();
    for (uint32_t i = 0; i < BAD; i++)
        verify(i);  /* it is read ahead, in vain */
    CHECK(pthread_create(&thread, NULL, touch_it, NULL) == 0);
    for (uint32_t i = BAD + 1; i < pages; i++)
        verify(i);
    shared->flag |= 1;
    pause();
}

static void wait_error(enum vpm_region_error error)
{
    for (int ms = 0; stats().error == 0; ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
    CHECK(stats().error == error);
}

static void damage_swap(void)
{
    int fd = open(region.swap_path, O_RDWR);
    struct stat st;
    uint8_t byte;

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    for (off_t at = 0; at < st.st_size; at += 4096) {
        uint64_t word;

        CHECK(pread(fd, &word, 8, at) == 8);
        if (word != pattern(BAD, shared->versions[BAD].written, 0))
            continue;
        CHECK(pread(fd, &byte, 1, at + 1000) == 1);
        byte ^= 4;
        CHECK(pwrite(fd, &byte, 1, at + 1000) == 1);
        shared->flag = 4;
    }
    CHECK(shared->flag == 4);
    shared->flag = 0;
    close(fd);
}

/* Whoever touches it waits for ever, and everybody else goes on. */
static void a_torn_slot_is_never_shown(void)
{
    pid_t pid;

    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    damage_swap();
    pid = spawn(touch_bad);
    wait_error(VPM_REGION_BAD_SLOT);
    CHECK(stats().error_page == BAD && stats().error_slot != UINT32_MAX);
    wait_flag();
    wait_ms(20);
    CHECK(shared->flag == 1);
    kill_it(pid);
    done();
}

#define LOST 7

static void end(void)
{
    _exit(LOST);
}

static void start_to_end(void)
{
    struct vpm_pager *pager = start();

    CHECK(pager);
    vpm_pager_on_fatal(pager, end);
}

static void touch_only_bad(void)
{
    start_to_end();
    verify(BAD);
}

static void touch_all_but_bad(void)
{
    start_to_end();
    for (uint32_t i = 0; i < pages; i++)
        if (i != BAD)
            verify(i);
}

/* Its slot is not beside those of its neighbours any more. */
static void change_bad(void)
{
    must_start();
    change(BAD);
    for (uint32_t i = BAD + 1; i < pages; i++)
        verify(i);
}

static void a_fatal_error_ends_the_process(void)
{
    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    CHECK(ended(spawn(change_bad)) == 0);
    damage_swap();
    /* reading ahead is no need */
    CHECK(ended(spawn(touch_all_but_bad)) == 0);
    CHECK(stats().error == 0);
    CHECK(ended(spawn(touch_only_bad)) == LOST);
    CHECK(stats().error == VPM_REGION_BAD_SLOT && stats().fatal);
    CHECK(stats().error_page == BAD);
    /* it is about the latest pager */
    CHECK(ended(spawn(touch_few)) == 0);
    CHECK(stats().error == 0 && !stats().fatal);
    done();
}

static struct vpm_persist faulty;

static int never_written(int fd, uint64_t offset, const struct iovec *iov,
                         int count)
{
    (void)fd;
    (void)offset;
    (void)iov;
    (void)count;
    pause();
    return 0;
}

/* The evictor must not make the file longer again. */
static void touch_cut(void)
{
    faulty = vpm_persist_real;
    faulty.write = never_written;
    vpm_persist = &faulty;
    must_start();
    CHECK(truncate(region.swap_path, 0) == 0);
    verify(0);
    _exit(1);
}

/* Until some frames are free. */
static void let_evictor_rest(void)
{
    pid_t pid = spawn(hold);

    wait_flag();
    for (int ms = 0; stats().in_memory > 60 * 4096; ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
    kill_it(pid);
    shared->flag = 0;
}

static void what_cannot_be_read_is_never_shown(void)
{
    pid_t pid;

    make_small();
    CHECK(ended(spawn(change_all)) == 0);
    let_evictor_rest();
    pid = spawn(touch_cut);
    wait_error(VPM_REGION_SWAP_IN);
    CHECK(stats().error_errno == EIO && stats().error_page == 0);
    kill_it(pid);
    vpm_pool_close(pool);
}

static int failures;

static int fail_thrice(int fd, uint64_t offset, const struct iovec *iov,
                       int count)
{
    if (failures++ < 3) {
        errno = EIO;
        return -1;
    }
    return vpm_persist_real.write(fd, offset, iov, count);
}

static void write_with_failures(void)
{
    faulty = vpm_persist_real;
    faulty.write = fail_thrice;
    vpm_persist = &faulty;
    change_all();
    for (uint32_t i = 0; i < pages; i++)
        verify(i);
}

/* As long as the parent wants. */
static int fail_while_told(int fd, uint64_t offset, const struct iovec *iov,
                           int count)
{
    if (__atomic_load_n(&shared->flag, __ATOMIC_SEQ_CST)) {
        errno = EIO;
        return -1;
    }
    return vpm_persist_real.write(fd, offset, iov, count);
}

static void write_as_told(void)
{
    faulty = vpm_persist_real;
    faulty.write = fail_while_told;
    vpm_persist = &faulty;
    change_all();
}

static void what_cannot_be_written_is_kept(void)
{
    pid_t pid;

    make_small();
    CHECK(ended(spawn(write_with_failures)) == 0);
    CHECK(ended(spawn(verify_all)) == 0);
    /* It is an error as long as it is one. */
    shared->flag = 1;
    pid = spawn(write_as_told);
    wait_error(VPM_REGION_SWAP_OUT);
    CHECK(stats().error_errno == EIO && !stats().fatal);
    __atomic_store_n(&shared->flag, 0, __ATOMIC_SEQ_CST);
    CHECK(ended(pid) == 0);
    CHECK(stats().error == VPM_REGION_SOUND);
    CHECK(ended(spawn(verify_all)) == 0);
    done();
}

/* -- while background work is paused ------------------------------------- */

#define FRAMES_OF_SMALL 64u
#define BATCH_MOST 20u  /* a sixteenth of them, and a cluster */

/* Pages up to *flag* are touched; *accesses* says how far it is. */
static void touch_as_told(void)
{
    must_start();
    for (uint32_t i = 0; i < pages;) {
        if ((int)i >= __atomic_load_n(&shared->flag, __ATOMIC_SEQ_CST)) {
            wait_ms(1);
            continue;
        }
        change(i++);
        __atomic_store_n(&shared->accesses, i, __ATOMIC_SEQ_CST);
    }
    pause();
}

static void have_touched(uint32_t count)
{
    __atomic_store_n(&shared->flag, (int)count, __ATOMIC_SEQ_CST);
    for (int ms = 0; __atomic_load_n(&shared->accesses, __ATOMIC_SEQ_CST) <
         count; ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
}

static uint64_t evicted(void)
{
    return stats().swap_outs + stats().clean_outs;
}

/* Longer than it takes to evict all. */
static void give_evictor_time(void)
{
    wait_ms(300);
}

static void make_paused(uint32_t policy)
{
    make(512 * KIB, 256 * KIB, 4096, policy);
    OK(vpm_pool_pause(pool, VPM_PAUSE_MAX_NS, &err));
}

static void only_needs_evict(uint32_t policy)
{
    uint64_t before;
    pid_t pid;

    make_paused(policy);
    pid = spawn(touch_as_told);
    /* The last frame is taken, and nobody needs another one. */
    have_touched(FRAMES_OF_SMALL);
    give_evictor_time();
    CHECK(evicted() == 0 && stats().in_memory == 256 * KIB);
    /* One batch for one fault, and no more. */
    have_touched(FRAMES_OF_SMALL + 1);
    give_evictor_time();
    before = evicted();
    CHECK(before > 0 && before <= BATCH_MOST);
    CHECK(stats().in_memory + 4096 * before == 65 * 4096);

    /* Nobody renews it: as soon as it is over, all is as ever. */
    OK(vpm_pool_pause(pool, 1, &err));
    have_touched(FRAMES_OF_SMALL + 20);
    for (int ms = 0; stats().in_memory > 60 * 4096; ms++) {
        CHECK(ms < PATIENCE);
        wait_ms(1);
    }
    /* What is in swap is needed; guests never stand still. */
    OK(vpm_pool_pause(pool, VPM_PAUSE_MAX_NS, &err));
    have_touched(pages);
    kill_it(pid);
    CHECK(ended(spawn(read_all_twice)) == 0);
    CHECK(vpm_pool_is_paused(pool));
    done();
}

static void a_pause_is_kept_by_fifo(void)
{
    only_needs_evict(VPM_POLICY_FIFO);
}

static void a_pause_is_kept_by_s3fifo(void)
{
    only_needs_evict(VPM_POLICY_S3FIFO);
}

static int never_durable(int fd)
{
    (void)fd;
    pause();
    return 0;
}

static int messages[2];

static void write_to_hung_disk(void)
{
    CHECK(dup2(messages[1], STDERR_FILENO) >= 0);
    faulty = vpm_persist_real;
    faulty.datasync = never_durable;
    vpm_persist = &faulty;
    change_all();
}

static void the_watchdog_names_a_stuck_fault(void)
{
    char text[1024];
    struct pollfd ready;
    ssize_t got;
    pid_t pid;

    make_small();
    CHECK(pipe(messages) == 0);
    ready = (struct pollfd){.fd = messages[0], .events = POLLIN};
    pid = spawn(write_to_hung_disk);
    CHECK(poll(&ready, 1, PATIENCE) == 1);
    got = read(messages[0], text, sizeof(text) - 1);
    CHECK(got > 0);
    text[got] = 0;
    CHECK(strstr(text, "a fault on page") && strstr(text, "at address 0x"));
    kill_it(pid);
    CHECK(ended(spawn(verify_all)) == 0);
    close(messages[0]);
    close(messages[1]);
    done();
}

int main(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    RUN(memory_is_found_again);
    RUN(what_was_only_read_is_not_written);
    RUN(frames_are_taken_at_first_touch);
    RUN(neighbours_come_with_a_first_touch);
    RUN(touched_neighbours_are_left_alone);
    RUN(children_forget);
    RUN(two_pagers_never);
    RUN(a_copied_swap_file_is_refused);
    RUN(a_torn_slot_is_never_shown);
    RUN(a_fatal_error_ends_the_process);
    RUN(what_cannot_be_read_is_never_shown);
    RUN(what_cannot_be_written_is_kept);
    RUN(a_pause_is_kept_by_fifo);
    RUN(a_pause_is_kept_by_s3fifo);
    RUN(the_watchdog_names_a_stuck_fault);
    RUN(storm_fifo_25);
    RUN(storm_s3fifo_25);
    RUN(storm_s3fifo_60);
    RUN(storm_large_pages);
    return 0;
}
