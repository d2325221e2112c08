/* SPDX-License-Identifier: Apache-2.0 */
/* bare.c -- the least that a fault costs that a process answers for itself
 *
 *   bare BYTES PAGE FILE
 *
 * A thread answers a fault with a mapping of FILE, which is that long, and
 * wakes whoever waits: what every pager on userfaultfd(2) must do, and nothing
 * else.  Touches every page once, in the order of access.c; prints the time
 * that each took, in ns, as JSON. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "program.h"

static uint8_t *memory;
static uint64_t length, page_size;
static int file, uffd;

static void answer(uint64_t address)
{
    uint8_t *at = memory + (address - (uintptr_t)memory) / page_size *
        page_size;
    struct uffdio_range range = {(uintptr_t)at, page_size};

    if (mmap(at, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
             file, at - memory) == MAP_FAILED)
        die("mmap");
    if (ioctl(uffd, UFFDIO_WAKE, &range))
        die("UFFDIO_WAKE");
}

static void *reader(void *unused)
{
    struct uffd_msg message;

    while (read(uffd, &message, sizeof(message)) == sizeof(message))
        answer(message.arg.pagefault.address);
    die("read");
    return unused;
}

static void start(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    pthread_t thread;

    uffd = device < 0 ? -1 : ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
    memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                  MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    range.range.start = (uintptr_t)memory;
    range.range.len = length;
    if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
        ioctl(uffd, UFFDIO_REGISTER, &range))
        die("/dev/userfaultfd");
    errno = pthread_create(&thread, NULL, reader, NULL);
    if (errno)
        die("pthread_create");
}

int main(int argc, char **argv)
{
    uint64_t pages;

    if (argc != 4) {
        fprintf(stderr, "usage: bare BYTES PAGE FILE\n");
        return 2;
    }
    length = strtoull(argv[1], NULL, 10);
    page_size = strtoull(argv[2], NULL, 10);
    file = open(argv[3], O_RDWR | O_CLOEXEC);
    if (file < 0)
        die(argv[3]);
    pages = length / page_size;
    start();
    printf("{\"ns\": [");
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t page = i * SCATTER % pages;
        uint64_t before = now_ns();

        *(volatile uint64_t *)(void *)(memory + page * page_size);
        printf("%s%" PRIu64, i ? ", " : "", now_ns() - before);
    }
    printf("]}\n");
    return 0;
}
