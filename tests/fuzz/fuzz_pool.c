/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_pool.c -- CONF and TOC: opening, checking, listing, allocating */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "device.h"
#include "fuzz.h"

#define FILE_MAX (64 << 10)
#define REGIONS POOL "/" VPM_REGIONS_DIR
#define POOL_PATH POOL "/" VPM_POOL_FILE

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct vpm_device device;
static uint8_t file[FILE_MAX], copy[FILE_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int fd;

    (void)argc;
    (void)argv;
    fresh_fs(4);
    vpm_pool_close(new_pool());
    fd = open(POOL_PATH, O_RDONLY);
    CHECK(fd >= 0);
    OK(vpm_device_identify(fd, &device, &err));
    close(fd);
    return 0;
}

/* -- the file ------------------------------------------------------------ */

static void fit_conf(struct vpm_conf *conf, uint8_t flags)
{
    memcpy(conf->magic, VPM_CONF_MAGIC, sizeof(conf->magic));
    conf->version = VPM_FORMAT_VERSION;
    if (flags & POOL_FIT_DEVICE)
        conf->device = device;
    conf->crc = vpm_crc32c(0, conf, offsetof(struct vpm_conf, crc));
}

static void fit_entry(struct vpm_toc_entry *entry, uint32_t index,
                      uint8_t flags)
{
    struct vpm_toc_body *body = &entry->body;
    uint32_t tag = (uint32_t)(entry->commit >> 32);

    if (flags & POOL_FIT_DESCRIPTORS)
        body->descriptor = index;
    if (flags & POOL_FIT_IDS && memchr(body->name, 0, sizeof(body->name)))
        body->id = vpm_region_id(body->name, body->sequence);
    if (flags & POOL_FIT_BODIES)
        entry->commit = tag == VPM_TOC_FREE ? (uint64_t)tag << 32 :
            live_word(body, tag);
    if (flags & POOL_FIT_EPOCHS)
        entry->epoch = epoch_word(body, entry->epoch);
}

/* Entries that the input does not reach are free. */
static size_t make_entries(struct input *input, const struct vpm_conf *conf,
                           uint8_t flags)
{
    uint64_t entries = conf->descriptors, length;
    uint32_t i = 0;

    if (entries > (FILE_MAX - VPM_TOC_OFFSET) / sizeof(struct vpm_toc_entry))
        entries = 16;
    for (; i < entries; i++) {
        struct vpm_toc_entry entry = {
            .commit = (uint64_t)VPM_TOC_FREE << 32,
        };

        if (input->length) {
            take(input, &entry, sizeof(entry));
            fit_entry(&entry, i, flags);
        }
        memcpy(file + VPM_TOC_OFFSET + i * sizeof(entry), &entry,
               sizeof(entry));
    }
    length = VPM_TOC_OFFSET + entries * sizeof(struct vpm_toc_entry);
    if (flags & POOL_FIT_LENGTH)
        length = (length + VPM_BLOCK - 1) / VPM_BLOCK * VPM_BLOCK;
    return length;
}

static size_t make_file(struct input *input)
{
    struct vpm_conf conf = {0};
    uint8_t flags;

    memset(file, 0, sizeof(file));
    take(input, &flags, sizeof(flags));
    if (flags & POOL_RAW) {
        size_t length = input->length < FILE_MAX ? input->length : FILE_MAX;

        take(input, file, length);
        return length;
    }
    take(input, &conf, POOL_CONF_HEAD);
    if (flags & POOL_FIT_CONF)
        fit_conf(&conf, flags);
    memcpy(file, &conf, sizeof(conf));
    return make_entries(input, &conf, flags);
}

/* -- its use ------------------------------------------------------------- */

static void clear_regions(void)
{
    DIR *dir = opendir(REGIONS);
    struct dirent *entry;
    char path[512];

    CHECK(dir);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), REGIONS "/%s/ram", entry->d_name);
        unlink(path);
        snprintf(path, sizeof(path), REGIONS "/%s/state", entry->d_name);
        unlink(path);
        snprintf(path, sizeof(path), REGIONS "/%s", entry->d_name);
        CHECK(rmdir(path) == 0);
    }
    closedir(dir);
}

static void ignore(const char *finding, void *opaque)
{
    (void)opaque;
    CHECK(strlen(finding) <= VPM_MESSAGE_MAX);
}

/* Changes nothing. */
static void check_unchanged(size_t length)
{
    vpm_pool_check(POOL, ignore, NULL, &err);
    peek(POOL_PATH, 0, copy, length);
    CHECK(memcmp(file, copy, length) == 0);
}

static void use_region(struct vpm_pool *pool,
                       const struct vpm_pool_info *about,
                       const struct vpm_region_info *region)
{
    struct vpm_region_info again;
    struct vpm_state_info state;

    CHECK(region->size > 0 && region->size % about->page_size == 0 &&
          region->size <= about->total_size);
    CHECK(region->descriptor < about->descriptors);
    CHECK(strlen(region->name) >= 1 && strlen(region->name) <= VPM_NAME_MAX);
    CHECK(region->id == vpm_region_id(region->name, region->sequence));
    OK(vpm_region_lookup(pool, region->name, region->sequence, &again,
                         &err));
    CHECK(again.id == region->id);
    /* There are no files. */
    EXPECT(VPM_EUNPROVEN, vpm_state_verify(pool, region->id, &state, &err));
    CHECK(vpm_region_begin_epoch(pool, region->id, &err) < 0 ||
          vpm_region_scrub(pool, region->id, &err) < 0);
}

static void use_pool(struct vpm_pool *pool)
{
    static struct vpm_region_info regions[256];
    struct vpm_region_info info;
    struct vpm_pool_info about;
    int count = vpm_region_list(pool, regions, 256, &err);

    CHECK(count >= 0 && count <= 256);
    OK(vpm_pool_info(pool, &about, &err));
    CHECK((uint32_t)count <= about.used_descriptors &&
          about.used_descriptors <= about.descriptors);
    for (int i = 0; i < count; i++) {
        CHECK(i == 0 || regions[i].descriptor > regions[i - 1].descriptor);
        use_region(pool, &about, &regions[i]);
    }
    if (nvalloc(pool, "a", 0, 1, &info, &err) == VPM_OK)
        OK(nvfree(pool, "a", 0, &err));
    for (int i = 0; i < count; i++)
        if (nvfree(pool, regions[i].name, regions[i].sequence, &err) ==
            VPM_OK)
            vpm_region_lookup(pool, regions[i].name, regions[i].sequence,
                              &info, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input input = {.bytes = bytes, .length = length};
    struct vpm_pool *pool;

    length = make_file(&input);
    clear_regions();
    unlink(POOL "/" VPM_CONF_FILE);  /* what an earlier input left */
    write_file(POOL_PATH, file, length);
    check_unchanged(length);
    pool = vpm_pool_open(POOL, &err);
    if (pool) {
        use_pool(pool);
        vpm_pool_close(pool);
    }
    return 0;
}
