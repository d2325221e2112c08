/* SPDX-License-Identifier: Apache-2.0 */
/* seeds.c -- inputs for the fuzzing targets, made by real operations
 *
 * seeds DIRECTORY: writes DIRECTORY/TARGET/NAME. */
#include <sys/stat.h>

#include "crash.h"
#include "fuzz.h"
#include "move.h"
#include "protocol.h"
#include "reading.h"

#define ENTRIES 4

static const char *directory;

static const struct vpm_pool_params params = {
    .total_size = 64 << 10,
    .state_size = 8 << 10,
    .page_size = 4096,
    .descriptors = ENTRIES,
};

static void write_seed(const char *target, const char *name,
                       const void *bytes, size_t length)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", directory, target);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/%s/%s", directory, target, name);
    write_file(path, bytes, length);
}

static void keep_pool(const char *name)
{
    uint8_t seed[1 + POOL_CONF_HEAD +
                 ENTRIES * sizeof(struct vpm_toc_entry)] = {0x7f};

    peek(POOL "/" VPM_POOL_FILE, 0, seed + 1, POOL_CONF_HEAD);
    peek(POOL "/" VPM_POOL_FILE, VPM_TOC_OFFSET, seed + 1 + POOL_CONF_HEAD,
         ENTRIES * sizeof(struct vpm_toc_entry));
    write_seed("pool", name, seed, sizeof(seed));
}

static void keep_state(const char *name, uint64_t id)
{
    struct vpm_state_header header;
    uint8_t seed[1 + STATE_HEAD + sizeof(header.crc) +
                 sizeof(header.marker) + 300] = {0x0f};
    uint8_t *at = seed + 1;

    peek(region_file(id, VPM_STATE_FILE), 0, &header, sizeof(header));
    memcpy(at, &header, STATE_HEAD);
    at += STATE_HEAD;
    memcpy(at, &header.crc, sizeof(header.crc));
    at += sizeof(header.crc);
    memcpy(at, &header.marker, sizeof(header.marker));
    at += sizeof(header.marker);
    peek(region_file(id, VPM_STATE_FILE), sizeof(header), at, 300);
    write_seed("state", name, seed, sizeof(seed));
}

/* -- page tables --------------------------------------------------------- */

static void keep_table(const char *name, const struct vpm_ppt *ppt)
{
    uint8_t seed[1 + PPT_HEAD + 2 * 8] = {
        PPT_FIT_HEADER | PPT_FIT_SUBJECT | PPT_FIT_ENTRIES,
    };

    memcpy(seed + 1, &ppt->header, PPT_HEAD);
    for (uint32_t page = 0; page < 8; page++) {
        struct vpm_ppt_entry entry;

        CHECK(!vpm_ppt_get(ppt, page, &entry));
        seed[1 + PPT_HEAD + 2 * page] = (uint8_t)(entry.frame + 1);
        seed[2 + PPT_HEAD + 2 * page] = (uint8_t)(entry.slot + 1);
    }
    write_seed("ppt", name, seed, sizeof(seed));
}

/* Pages 0 to 5 come in, 1 and 3 go out, 3 comes back. */
static void page(struct vpm_backing *backing)
{
    struct vpm_move moves[6];

    for (uint32_t i = 0; i < 6; i++)
        moves[i] = (struct vpm_move){
            .page = i, .slot = VPM_NONE, .old_slot = VPM_NONE,
            .frame = vpm_frame_take(backing, VPM_NONE, NULL),
        };
    CHECK(vpm_move_in(backing, moves, 6) == 0);
    keep_table("in", &backing->ppt);
    for (int i = 1; i < 4; i += 2) {
        vpm_move_digest(backing, &moves[i], 1);
        moves[i].slot = vpm_slot_take(backing);
        CHECK(vpm_move_write(backing, &moves[i], 1) == 0);
        CHECK(vpm_move_out(backing, &moves[i], 1) == 0);
    }
    keep_table("out", &backing->ppt);
    CHECK(read_move(backing, &moves[3]) == VPM_REGION_SOUND);
    CHECK(vpm_move_in(backing, &moves[3], 1) == 0);
    keep_table("back", &backing->ppt);
}

static void page_region(void)
{
    struct vpm_region_info region;
    struct vpm_backing backing;
    struct vpm_pool *pool;

    fresh_fs(4);
    pool = new_pool();
    region = alloc_vpm(pool, "a");
    OK(vpm_backing_open(&backing, region_file(region.id, ""), &err));
    OK(vpm_backing_scan(&backing, NULL, NULL, &err));
    keep_table("untouched", &backing.ppt);
    page(&backing);
    vpm_backing_close(&backing);
    vpm_pool_close(pool);
}

/* -- what QEMU says ------------------------------------------------------ */

static const char stopped[] =
    "{\"return\": {\"status\": \"running\"}, \"id\": 1}\r\n"
    "{\"event\": \"STOP\"}\r\n{\"return\": {}, \"id\": 2}\r\n"
    "{\"return\": {\"status\": \"paused\"}, \"id\": 3}\r\n";
static const char taken[] =
    "{\"return\": {}, \"id\": 4}\r\n{\"return\": {}, \"id\": 5}\r\n"
    "{\"return\": {}, \"id\": 6}\r\n{\"return\": {}, \"id\": 7}\r\n";
static const char active[] =
    "{\"return\": {\"status\": \"active\"}, \"id\": 8}\r\n";
static const char completed[] =
    "{\"return\": {\"status\": \"completed\"}, \"id\": 8}\r\n";
static const char failed[] =
    "{\"return\": {\"status\": \"failed\", "
    "\"error-desc\": \"no\"}, \"id\": 8}\r\n";
static const char refused[] =
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, "
    "\"id\": 7}\r\n";

static void keep_dialogue(const char *name, uint8_t flags,
                          const char *const *pieces)
{
    uint8_t seed[2048] = {flags};
    size_t length = 1;

    for (; *pieces; pieces++) {
        seed[length++] = (uint8_t)strlen(*pieces);
        memcpy(seed + length, *pieces, strlen(*pieces));
        length += strlen(*pieces);
    }
    write_seed("qmp", name, seed, length);
}

static void keep_line(const char *name, const char *line)
{
    uint8_t seed[512] = {0};

    memcpy(seed + 1, line, strlen(line));
    write_seed("json", name, seed, 1 + strlen(line));
}

static void speak(void)
{
    const char *const all[] = {stopped, taken, active, completed, NULL};
    const char *const no[] = {stopped, refused, NULL};
    const char *const bad[] = {stopped, taken, failed, NULL};
    const char *const idle[] = {"{\"event\": \"STOP\"}\n{\"ev",
                                "ent\": \"RESUME\"}\n", NULL};

    keep_dialogue("fixated", QMP_FIRED, all);
    keep_dialogue("snapshot", QMP_FIRED | QMP_SNAPSHOT, all);
    keep_dialogue("refused", QMP_FIRED, no);
    keep_dialogue("failed", QMP_FIRED, bad);
    keep_dialogue("armed", QMP_ENDS, idle);
    keep_dialogue("flood", QMP_LONG, idle);
    keep_line("failed", failed);
    keep_line("refused", refused);
}

/* -- requests ------------------------------------------------------------ */

#define ALL_FITS (REQUEST_FIT_VERSION | REQUEST_FIT_KIND |                \
                  REQUEST_FIT_REGION | REQUEST_FIT_FDS | REQUEST_FIT_PID)

static void keep_requests(const char *name, const uint32_t *kinds)
{
    uint8_t seed[1024];
    size_t length = 0;

    for (; *kinds; kinds++) {
        const struct vpm_request request = {.kind = *kinds, .id = 1};

        seed[length] = ALL_FITS;
        memcpy(seed + length + 1, &request, REQUEST_HEAD);
        length += 1 + REQUEST_HEAD;
    }
    write_seed("protocol", name, seed, length);
}

static void ask(void)
{
    keep_requests("begin", (const uint32_t[]){
        VPM_REQUEST_HELLO, VPM_REQUEST_WRITE_BACK, VPM_REQUEST_LISTEN,
        VPM_REQUEST_LIST, 0});
    keep_requests("arm", (const uint32_t[]){
        VPM_REQUEST_OPEN, VPM_REQUEST_ARM, VPM_REQUEST_LOOK,
        VPM_REQUEST_TOUCH, VPM_REQUEST_DISARM, VPM_REQUEST_CLOSE, 0});
    keep_requests("fire", (const uint32_t[]){
        VPM_REQUEST_OPEN, VPM_REQUEST_ARM, VPM_REQUEST_FIRE,
        VPM_REQUEST_TAKE, VPM_REQUEST_FIRE_ALL, VPM_REQUEST_RECORD, 0});
    keep_requests("signal", (const uint32_t[]){
        VPM_REQUEST_ON_SIGNAL, VPM_REQUEST_SIGNAL, VPM_REQUEST_HAND_OVER, 0});
}

/* -- pools and states ---------------------------------------------------- */

static void stopped_alloc(void *pool)
{
    crash_at(12);
    alloc(pool, "c", 4096);
}

static void stopped_free(void *pool)
{
    crash_at(3);
    nvfree(pool, "b", 0, &err);
}

int main(int argc, char **argv)
{
    struct vpm_region_info region;
    struct vpm_pool *pool;

    CHECK(argc == 2);
    directory = argv[1];
    fresh_fs(4);
    OK(vpm_pool_create(POOL, &params, &err));
    keep_pool("empty");
    pool = open_pool();
    region = alloc(pool, "a", 4096);
    alloc(pool, "b", 8192);
    keep_pool("live");
    keep_state("none", region.id);
    OK(vpm_region_begin_epoch(pool, region.id, &err));
    OK(fixate(pool, region.id, 'S', 300));
    keep_pool("fixated");
    keep_state("fixated", region.id);
    OK(vpm_region_begin_epoch(pool, region.id, &err));
    keep_state("called-off", region.id);
    CHECK(in_child(stopped_free, pool) == CRASHED);
    keep_pool("freeing");
    vpm_pool_close(pool);
    pool = open_pool();
    CHECK(in_child(stopped_alloc, pool) == CRASHED);
    keep_pool("allocating");
    vpm_pool_close(pool);
    page_region();
    speak();
    ask();
    return 0;
}
