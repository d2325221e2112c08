/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.c -- what every fuzzing target needs */
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "crc32c.h"

void take(struct input *input, void *to, size_t length)
{
    size_t some = length < input->length ? length : input->length;

    memset(to, 0, length);
    memcpy(to, input->bytes, some);
    input->bytes += some;
    input->length -= some;
}

void write_file(const char *path, const void *bytes, size_t length)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK(pwrite(fd, bytes, length, 0) == (ssize_t)length);
    CHECK(ftruncate(fd, (off_t)length) == 0);
    close(fd);
}

uint64_t live_word(const struct vpm_toc_body *body, uint32_t tag)
{
    return (uint64_t)tag << 32 | vpm_crc32c(0, body, sizeof(*body));
}

uint64_t epoch_word(const struct vpm_toc_body *body, uint64_t epoch)
{
    const uint64_t bound[] = {
        body->id, body->incarnation, epoch & (((uint64_t)1 << 40) - 1),
    };

    return (uint64_t)vpm_crc32c(0, bound, sizeof(bound)) << 40 | bound[2];
}
