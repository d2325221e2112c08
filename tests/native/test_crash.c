/* SPDX-License-Identifier: Apache-2.0 */
/* test_crash.c -- every operation stopped at each of its persistence steps,
 * and the recovery from that stopped at each of its steps as well
 *
 * A region "other", with a proven state, is there all the time and must not
 * notice. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash.h"
#include "harness.h"

#define SIZE (64 * KIB)
#define OLD_STREAM 300
#define NEW_STREAM 9000

/* What an operation starts from and what may be found after a crash. */
struct scenario {
    const char *name;
    void (*prepare)(void);
    void (*operate)(void);
    void (*check)(struct vpm_pool *pool);
    long least_steps;  /* with fewer the scenario tests nothing */
};

static int victim_ram = -1;  /* an open file shows what becomes of the space */

static uint64_t id_of(const char *name)
{
    return vpm_region_id(name, 0);
}

static int proven(struct vpm_pool *pool, const char *name, uint64_t length)
{
    struct vpm_state_info info;
    int rc = vpm_state_verify(pool, id_of(name), &info, &err);

    CHECK(rc == VPM_OK || rc == VPM_EUNPROVEN);
    return rc == VPM_OK && info.length == length;
}

static void add_fixated(struct vpm_pool *pool, const char *name)
{
    struct vpm_region_info info = alloc(pool, name, SIZE);

    OK(vpm_region_begin_epoch(pool, info.id, &err));
    fill_file(info.ram_path, 0xaa);
    OK(fixate(pool, info.id, 0x11, OLD_STREAM));
}

static void prepare_other(void)
{
    struct vpm_pool *pool = new_pool();

    add_fixated(pool, "other");
    vpm_pool_close(pool);
}

static void prepare_victim(void)
{
    struct vpm_pool *pool = new_pool();

    add_fixated(pool, "other");
    add_fixated(pool, "victim");
    victim_ram = open(region_file(id_of("victim"), "ram"), O_RDONLY);
    CHECK(victim_ram >= 0);
    vpm_pool_close(pool);
}

static void check_other(struct vpm_pool *pool)
{
    CHECK(file_is(region_file(id_of("other"), "ram"), 0xaa));
    CHECK(proven(pool, "other", OLD_STREAM));
}

/* The victim is there, with all that it had. */
static int untouched(struct vpm_pool *pool)
{
    return fd_is(victim_ram, 0xaa) && proven(pool, "victim", OLD_STREAM);
}

/* -- the operations ------------------------------------------------------ */

static void operate_alloc(void)
{
    struct vpm_pool *pool = open_pool();

    alloc(pool, "victim", SIZE);
}

static void check_alloc(struct vpm_pool *pool)
{
    struct vpm_region_info info;
    int rc = vpm_region_lookup(pool, "victim", 0, &info, &err);

    if (rc == VPM_ENOENT) {
        CHECK(!exists(region_file(id_of("victim"), "")));
        info = alloc(pool, "victim", MIB - SIZE);
    } else {
        OK(rc);
        CHECK(info.size == SIZE);
    }
    CHECK(file_is(info.ram_path, 0));
    CHECK(file_is(region_file(info.id, "state"), 0));
}

static void operate_free(void)
{
    struct vpm_pool *pool = open_pool();

    OK(nvfree(pool, "victim", 0, &err));
}

static void check_free(struct vpm_pool *pool)
{
    struct vpm_region_info info;
    int rc = vpm_region_lookup(pool, "victim", 0, &info, &err);

    if (rc == VPM_OK) {
        CHECK(untouched(pool));
        return;
    }
    EXPECT(VPM_ENOENT, rc);
    CHECK(fd_is_drained(victim_ram));
    CHECK(!exists(region_file(id_of("victim"), "")));
    alloc(pool, "victim", MIB - SIZE);
}

static void operate_scrub(void)
{
    struct vpm_pool *pool = open_pool();

    OK(vpm_region_scrub(pool, id_of("victim"), &err));
}

static void check_scrub(struct vpm_pool *pool)
{
    struct vpm_region_info info;

    OK(vpm_region_lookup(pool, "victim", 0, &info, &err));
    CHECK(info.epoch == 1 || info.epoch == 2);
    CHECK(info.epoch == 1 ? untouched(pool) :
          !proven(pool, "victim", OLD_STREAM));
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(fd_is(victim_ram, 0));
}

static void operate_epoch(void)
{
    struct vpm_pool *pool = open_pool();

    OK(vpm_region_begin_epoch(pool, id_of("victim"), &err));
}

static void check_epoch(struct vpm_pool *pool)
{
    struct vpm_region_info info;

    OK(vpm_region_lookup(pool, "victim", 0, &info, &err));
    CHECK(fd_is(victim_ram, 0xaa));
    CHECK(info.epoch == 1 || info.epoch == 2);
    CHECK(proven(pool, "victim", OLD_STREAM) == (info.epoch == 1));
}

/* The old state is of an earlier epoch: it must never be proven again. */
static void prepare_fixation(void)
{
    struct vpm_pool *pool;

    prepare_victim();
    pool = open_pool();
    OK(vpm_region_begin_epoch(pool, id_of("victim"), &err));
    vpm_pool_close(pool);
}

static void operate_fixation(void)
{
    struct vpm_pool *pool = open_pool();

    OK(fixate(pool, id_of("victim"), 0x22, NEW_STREAM));
}

static void check_fixation(struct vpm_pool *pool)
{
    uint8_t stream[NEW_STREAM];

    if (proven(pool, "victim", NEW_STREAM)) {
        peek(region_file(id_of("victim"), "state"), 4096, stream,
             sizeof(stream));
        for (size_t i = 0; i < sizeof(stream); i++)
            CHECK(stream[i] == 0x22);
        return;
    }
    EXPECT(VPM_EUNPROVEN, err.code);
    OK(fixate(pool, id_of("victim"), 0x22, NEW_STREAM));
    CHECK(proven(pool, "victim", NEW_STREAM));
}

/* -- the operations on a VPM region --------------------------------------- */

static void prepare_vpm(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;

    add_fixated(pool, "other");
    info = alloc_vpm(pool, "victim");
    fill_file(info.ram_path, 0xaa);
    fill_file(info.swap_path, 0xaa);
    victim_ram = open(info.swap_path, O_RDONLY);
    CHECK(victim_ram >= 0);
    vpm_pool_close(pool);
}

static int swap_files(void)
{
    DIR *dir = opendir(SWAP);
    int count = -2;

    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void prepare_vpm_alloc(void)
{
    prepare_other();
    CHECK(mkdir(SWAP, 0711) == 0);
}

static void operate_vpm_alloc(void)
{
    struct vpm_pool *pool = open_pool();

    alloc_vpm(pool, "victim");
}

static void check_vpm_alloc(struct vpm_pool *pool)
{
    struct vpm_region_info info;
    int rc = vpm_region_lookup(pool, "victim", 0, &info, &err);

    if (rc == VPM_ENOENT) {
        CHECK(!exists(region_file(id_of("victim"), "")));
        CHECK(swap_files() == 0);
        info = alloc_vpm(pool, "victim");
    }
    CHECK(info.virtual_size == small_vpm.size);
    CHECK(swap_files() == 1 && file_is(info.swap_path, 0));
    CHECK(file_is(info.ram_path, 0));
}

static void check_vpm_free(struct vpm_pool *pool)
{
    struct vpm_region_info info;
    int rc = vpm_region_lookup(pool, "victim", 0, &info, &err);

    if (rc == VPM_OK) {
        CHECK(fd_is(victim_ram, 0xaa) && file_is(info.ram_path, 0xaa));
        return;
    }
    EXPECT(VPM_ENOENT, rc);
    CHECK(fd_is_drained(victim_ram) && swap_files() == 0);
    CHECK(!exists(region_file(id_of("victim"), "")));
}

static void check_vpm_scrub(struct vpm_pool *pool)
{
    struct vpm_region_info info;

    OK(vpm_region_lookup(pool, "victim", 0, &info, &err));
    CHECK(info.epoch == 0 || info.epoch == 1);
    if (info.epoch == 0)
        CHECK(fd_is(victim_ram, 0xaa) && file_is(info.ram_path, 0xaa));
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(fd_is(victim_ram, 0) && file_is(info.ram_path, 0));
}

static void prepare_nothing(void)
{
}

static void operate_create(void)
{
    OK(vpm_pool_create(POOL, &small_params, &err));
}

static const struct scenario scenarios[] = {
    {"nvalloc", prepare_other, operate_alloc, check_alloc, 19},
    {"nvfree", prepare_victim, operate_free, check_free, 12},
    {"scrub", prepare_victim, operate_scrub, check_scrub, 8},
    {"begin_epoch", prepare_victim, operate_epoch, check_epoch, 6},
    {"nvalloc_vpm", prepare_vpm_alloc, operate_vpm_alloc, check_vpm_alloc,
     35},
    {"nvfree of VPM", prepare_vpm, operate_free, check_vpm_free, 20},
    {"scrub of VPM", prepare_vpm, operate_scrub, check_vpm_scrub, 18},
    {"fixation", prepare_fixation, operate_fixation, check_fixation, 12},
};

/* -- driving ------------------------------------------------------------- */

static const struct scenario *current;

static void operate(void *step)
{
    crash_at(*(long *)step);
    current->operate();
}

static void recover(void *step)
{
    struct vpm_pool *pool;

    crash_at(*(long *)step);
    pool = open_pool();
    OK(vpm_pool_finish_freed(pool, &err));
    vpm_pool_close(pool);
}

static void start(void)
{
    fresh_fs(8);
    if (victim_ram >= 0)
        close(victim_ram);
    victim_ram = -1;
    current->prepare();
}

static void finish(void)
{
    struct vpm_pool *pool = open_pool();

    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(check_pool(0) == 0);
    check_other(pool);
    current->check(pool);
    check_other(pool);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* A crash at *step*, one in the recovery from it at each of its steps, and
 * the recovery from that.  0 when the operation has no such step. */
static int crash_twice(long step)
{
    int status, again;
    long second = 0;

    do {
        start();
        status = in_child(operate, &step);
        CHECK(status == CRASHED || status == 0);
        again = in_child(recover, &second);
        CHECK(again == CRASHED || again == 0);
        finish();
        second++;
    } while (again == CRASHED);
    return status == CRASHED;
}

/* After a crash there is no pool, and formatting is possible, or a whole
 * pool. */
static void create_stopped_at_each_step(void)
{
    static const struct scenario create = {
        .prepare = prepare_nothing, .operate = operate_create,
    };
    struct vpm_pool *pool;
    int status;
    long step = 0;

    current = &create;
    do {
        start();
        status = in_child(operate, &step);
        CHECK(status == CRASHED || status == 0);
        pool = vpm_pool_open(POOL, &err);
        if (!pool) {
            EXPECT(VPM_ENOENT, err.code);
            pool = new_pool();
        }
        alloc(pool, "a", SIZE);
        CHECK(check_pool(0) == 0);
        vpm_pool_close(pool);
        step++;
    } while (status == CRASHED);
    CHECK(step > 20);
    printf("ok create stopped at each of %ld steps\n", step - 1);
}

int main(void)
{
    create_stopped_at_each_step();
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
        long step = 0;

        current = &scenarios[i];
        while (crash_twice(step))
            step++;
        CHECK(step >= current->least_steps);
        printf("ok %s stopped at each of %ld steps\n", current->name, step);
    }
    return 0;
}
