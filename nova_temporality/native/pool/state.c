/* SPDX-License-Identifier: Apache-2.0 */
/* state.c -- state files, and what proves them */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"
#include "error.h"
#include "lookup.h"
#include "regiondir.h"

#define UNPROVEN(subject, err, format, ...)                              \
    vpm_fail(err, VPM_EUNPROVEN, "state of region %016" PRIx64 " of '%s' "\
             "is unproven: " format, (subject)->entry->body.id,           \
             (subject)->entry->body.name, __VA_ARGS__)

/* -- proving ------------------------------------------------------------- */

static uint32_t header_crc(const struct vpm_state_header *header)
{
    return vpm_crc32c(0, header, offsetof(struct vpm_state_header, crc));
}

static int prove_header(const struct vpm_state_subject *subject,
                        const struct vpm_state_header *header,
                        struct vpm_error *err)
{
    uint32_t crc = header_crc(header);

    if (header->marker == 0)
        return UNPROVEN(subject, err, "%s", "there is no marker: no fixation "
                        "of this region was completed since its vCPUs ran");
    if (header->marker >> 32 != VPM_MARKER_MAGIC)
        return UNPROVEN(subject, err, "the marker is damaged: 0x%016" PRIx64
                        " (offset %zu)", header->marker,
                        offsetof(struct vpm_state_header, marker));
    if ((uint32_t)header->marker != crc || header->crc != crc)
        return UNPROVEN(subject, err, "the header is damaged: it has checksum "
                        "0x%08" PRIx32 ", says 0x%08" PRIx32 " and its marker "
                        "0x%08" PRIx32, crc, header->crc,
                        (uint32_t)header->marker);
    if (memcmp(header->magic, VPM_STATE_MAGIC, sizeof(header->magic)))
        return UNPROVEN(subject, err, "%s", "it is no state file: the magic "
                        "at offset 0 is wrong");
    if (header->version != VPM_FORMAT_VERSION)
        return UNPROVEN(subject, err, "it has format version %" PRIu32
                        ", this libvpm reads %d", header->version,
                        VPM_FORMAT_VERSION);
    return VPM_OK;
}

static int prove_identity(const struct vpm_state_subject *subject,
                          const struct vpm_state_header *header,
                          struct vpm_error *err)
{
    const struct vpm_entry *entry = subject->entry;

    if (memcmp(header->pool_uuid, subject->conf->uuid,
               sizeof(header->pool_uuid)))
        return UNPROVEN(subject, err, "%s", "it belongs to another pool");
    if (header->region_id != entry->body.id)
        return UNPROVEN(subject, err, "it belongs to another region, %016"
                        PRIx64, header->region_id);
    if (header->incarnation != entry->body.incarnation)
        return UNPROVEN(subject, err, "%s", "it belongs to an earlier region "
                        "of the same name, which was freed");
    if (header->epoch != entry->epoch)
        return UNPROVEN(subject, err, "it is stale: it is of epoch %" PRIu64
                        ", and the region is in epoch %" PRIu64
                        ", so its vCPUs may have run since", header->epoch,
                        entry->epoch);
    if (header->ram_inode != subject->ram_inode)
        return UNPROVEN(subject, err, "it belongs to another ram file: inode "
                        "%" PRIu64 ", not %" PRIu64 ", which may be a copy",
                        header->ram_inode, subject->ram_inode);
    if (header->ram_size != subject->ram_size)
        return UNPROVEN(subject, err, "the ram file has %" PRIu64 " bytes, "
                        "and had %" PRIu64, subject->ram_size,
                        header->ram_size);
    return VPM_OK;
}

static int prove_stream(const struct vpm_state_subject *subject,
                        const struct vpm_state_header *header,
                        const uint8_t *stream, uint64_t capacity,
                        struct vpm_error *err)
{
    uint32_t crc;

    if (header->length == 0 || header->length > capacity)
        return UNPROVEN(subject, err, "its stream of %" PRIu64 " bytes cannot "
                        "be in a file with room for %" PRIu64,
                        header->length, capacity);
    crc = vpm_crc32c(0, stream, header->length);
    if (crc != header->stream_crc)
        return UNPROVEN(subject, err, "the stream is damaged: its %" PRIu64
                        " bytes have checksum 0x%08" PRIx32 ", the header "
                        "says 0x%08" PRIx32, header->length, crc,
                        header->stream_crc);
    return VPM_OK;
}

static void describe(const struct vpm_state_header *header,
                     struct vpm_state_info *info)
{
    memset(info, 0, sizeof(*info));
    info->epoch = header->epoch;
    info->length = header->length;
    info->persisted_ns = header->persisted_ns;
    info->meta.wall_ns = header->meta.wall_ns;
    info->meta.signal_ns = header->meta.signal_ns;
    info->meta.stopped_ns = header->meta.stopped_ns;
    info->meta.saved_ns = header->meta.saved_ns;
    memcpy(info->meta.runstate, header->meta.runstate, VPM_RUNSTATE_MAX);
    memcpy(info->meta.producer, header->meta.producer, VPM_RUNSTATE_MAX);
}

int vpm_state_prove(const struct vpm_state_subject *subject,
                    const uint8_t *file, uint64_t length,
                    struct vpm_state_info *info, struct vpm_error *err)
{
    struct vpm_state_header header;
    uint64_t state_size = subject->conf->state_size;
    int rc;

    if (length != state_size)
        return UNPROVEN(subject, err, "the state file has %" PRIu64 " bytes "
                        "instead of %" PRIu64, length, state_size);
    memcpy(&header, file, sizeof(header));
    rc = prove_header(subject, &header, err);
    if (rc == VPM_OK)
        rc = prove_identity(subject, &header, err);
    if (rc == VPM_OK)
        rc = prove_stream(subject, &header, file + sizeof(header),
                          length - sizeof(header), err);
    if (rc == VPM_OK)
        describe(&header, info);
    return rc;
}

bool vpm_state_is_stale(const struct vpm_entry *entry, const uint8_t *file)
{
    struct vpm_state_header header;

    memcpy(&header, file, sizeof(header));
    return header.crc == header_crc(&header) &&
           header.epoch < entry->epoch;
}

/* -- files --------------------------------------------------------------- */

int vpm_state_subject(int regions_fd, const struct vpm_conf *conf,
                      const struct vpm_entry *entry,
                      struct vpm_state_subject *subject,
                      struct vpm_error *err)
{
    int fd = vpm_dir_open_file(regions_fd, entry->body.id, VPM_RAM_FILE,
                               O_PATH);
    struct stat st;
    int rc = fd < 0 ? -1 : fstat(fd, &st);

    subject->conf = conf;
    subject->entry = entry;
    if (rc < 0) {
        int saved = errno;

        if (fd >= 0)
            close(fd);
        errno = saved;
        return UNPROVEN(subject, err, "cannot examine its ram file: %m "
                        "(errno %d)", saved);
    }
    close(fd);
    subject->ram_inode = st.st_ino;
    subject->ram_size = (uint64_t)st.st_size;
    return VPM_OK;
}

/* The header first: most of a state file is unused. */
static int read_used(struct vpm_map *copy, int fd)
{
    size_t head = sizeof(struct vpm_state_header);
    uint64_t length;

    if (vpm_map_fill(copy, fd, 0, head) < 0)
        return -1;
    memcpy(&length, copy->addr + offsetof(struct vpm_state_header, length),
           sizeof(length));
    return length > copy->length - head ? 0 :
        vpm_map_fill(copy, fd, head, head + length);
}

static int read_file(struct vpm_map *copy, int fd, uint64_t size)
{
    int saved;

    if (vpm_map_blank(copy, size) < 0)
        return -1;
    if (read_used(copy, fd) == 0)
        return 0;
    saved = errno;
    vpm_map_close(copy);
    errno = saved;
    return -1;
}

int vpm_state_read(int regions_fd, const struct vpm_toc_body *body,
                   struct vpm_map *copy, struct vpm_error *err)
{
    int fd = vpm_dir_open_file(regions_fd, body->id, VPM_STATE_FILE, O_RDONLY);
    struct stat st;
    int rc = fd < 0 ? -1 : fstat(fd, &st);
    int saved;

    if (rc == 0 && (uint64_t)st.st_size < sizeof(struct vpm_state_header)) {
        close(fd);
        errno = EINVAL;
        return vpm_fail(err, VPM_EUNPROVEN, "state of region %016" PRIx64
                        " of '%s' is unproven: the state file has only %lld "
                        "bytes", body->id, body->name,
                        (long long)st.st_size);
    }
    if (rc == 0)
        rc = read_file(copy, fd, (uint64_t)st.st_size);
    saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    if (rc < 0)
        return vpm_fail(err, VPM_EUNPROVEN, "state of region %016" PRIx64
                        " of '%s' is unproven: cannot read the state file: "
                        "%m (errno %d)", body->id, body->name, saved);
    return VPM_OK;
}

static int clear_marker(int fd)
{
    struct vpm_map map;
    int rc;

    if (vpm_map_open(&map, fd, sizeof(struct vpm_state_header), true) < 0)
        return -1;
    rc = vpm_persist_word(&map, offsetof(struct vpm_state_header, marker), 0);
    vpm_map_close(&map);
    return rc;
}

int vpm_state_clear(struct vpm_pool *pool, const struct vpm_toc_body *body,
                    struct vpm_error *err)
{
    int fd = vpm_dir_open_file(pool->regions_fd, body->id, VPM_STATE_FILE,
                               O_RDWR);
    struct stat st;
    int rc = fd < 0 ? -1 : fstat(fd, &st);

    if (rc == 0 && (uint64_t)st.st_size >= sizeof(struct vpm_state_header))
        rc = clear_marker(fd);
    if (rc < 0)
        rc = vpm_fail_errno(err, "cannot clear the marker in the state file "
                            "of region %016" PRIx64 " of '%s'", body->id,
                            body->name);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* -- recovery ------------------------------------------------------------ */

static int prove_copy(struct vpm_pool *pool, const struct vpm_entry *entry,
                      const struct vpm_map *copy,
                      struct vpm_state_info *info, struct vpm_error *err)
{
    struct vpm_state_subject subject;
    int rc = vpm_state_subject(pool->regions_fd, &pool->file.conf, entry,
                               &subject, err);

    return rc < 0 ? rc :
        vpm_state_prove(&subject, copy->addr, copy->length, info, err);
}

/* Proves a state; on success *copy* has it. */
static int read_proven(struct vpm_pool *pool, uint64_t id,
                       struct vpm_map *copy, struct vpm_state_info *info,
                       struct vpm_error *err)
{
    struct vpm_entry entry;
    int rc = vpm_lookup_id(pool, id, &entry, err);

    if (rc == VPM_OK)
        rc = vpm_state_read(pool->regions_fd, &entry.body, copy, err);
    if (rc < 0)
        return rc;
    rc = prove_copy(pool, &entry, copy, info, err);
    if (rc < 0)
        vpm_map_close(copy);
    return rc;
}

int vpm_state_verify(struct vpm_pool *pool, uint64_t id,
                     struct vpm_state_info *info, struct vpm_error *err)
{
    struct vpm_map copy;
    int rc = read_proven(pool, id, &copy, info, err);

    if (rc == VPM_OK)
        vpm_map_close(&copy);
    return rc;
}

/* Never waits if there is a deadline: neither does a socket, nor a pipe that
 * has room, for so little.  A socket whose reader has gone must not kill the
 * process. */
static ssize_t write_some(int fd, const uint8_t *data, size_t length,
                          bool may_wait)
{
    ssize_t done = send(fd, data, length, MSG_NOSIGNAL |
                        (may_wait ? 0 : MSG_DONTWAIT));

    if (done < 0 && errno == ENOTSOCK)
        done = write(fd, data, may_wait || length < PIPE_BUF ? length :
                     PIPE_BUF);
    return done;
}

/* Waits until something can be written: 0, or -1 with errno, which is
 * ETIMEDOUT after the deadline. */
static int wait_writable(int fd, uint64_t deadline_ns)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    struct timespec left, *timeout = NULL;
    int rc;

    do {
        if (deadline_ns) {
            uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

            if (now >= deadline_ns) {
                errno = ETIMEDOUT;
                return -1;
            }
            left.tv_sec = (time_t)((deadline_ns - now) / 1000000000u);
            left.tv_nsec = (long)((deadline_ns - now) % 1000000000u);
            timeout = &left;
        }
        rc = ppoll(&ready, 1, timeout, NULL);
    } while (rc == 0 || (rc < 0 && errno == EINTR));
    return rc < 0 ? -1 : 0;
}

static int write_all(int fd, const uint8_t *data, uint64_t length,
                     uint64_t deadline_ns)
{
    while (length > 0) {
        ssize_t done;

        if (wait_writable(fd, deadline_ns) < 0)
            return -1;
        done = write_some(fd, data, length, deadline_ns == 0);
        if (done < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (done < 0)
            return -1;
        data += done;
        length -= (uint64_t)done;
    }
    return 0;
}

int vpm_state_send(struct vpm_pool *pool, uint64_t id, int fd,
                   uint64_t deadline_ns, struct vpm_error *err)
{
    struct vpm_state_info info;
    struct vpm_map copy;
    int rc = read_proven(pool, id, &copy, &info, err);

    if (rc < 0)
        return rc;
    rc = write_all(fd, copy.addr + sizeof(struct vpm_state_header),
                   info.length, deadline_ns);
    if (rc < 0 && errno == ETIMEDOUT)
        rc = vpm_fail(err, VPM_ETIMEDOUT, "the state of region %016" PRIx64
                      " was not read to its end before the deadline", id);
    else if (rc < 0)
        rc = vpm_fail_errno(err, "cannot write the state of region %016"
                            PRIx64, id);
    vpm_map_close(&copy);
    return rc;
}
