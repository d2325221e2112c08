/* SPDX-License-Identifier: Apache-2.0 */
/* harness.h -- what every native test needs
 *
 * A test program runs as root.  It has a mount namespace of its own, in which
 * FS is a fresh tmpfs, so that nothing of it is left on the machine. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "vpm.h"

#define FS "/mnt"
#define POOL FS "/pool"
#define SWAP FS "/swap"
#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define UID_BASE 1900000000u

/* Ends the program when a condition does not hold. */
#define CHECK(condition)                                                 \
    do {                                                                 \
        if (!(condition))                                                \
            check_failed(__FILE__, __LINE__, #condition);                \
    } while (0)

/* A call that must succeed, or fail with this code; *err* is printed if it
 * does not. */
#define OK(call) EXPECT(VPM_OK, call)
#define EXPECT(code, call)                                               \
    do {                                                                 \
        int rc_ = (call);                                                \
        if (rc_ != (code))                                               \
            call_failed(__FILE__, __LINE__, #call, code, rc_);           \
    } while (0)

/* The message of the last error says *text*. */
#define SAYS(text)                                                       \
    do {                                                                 \
        if (!strstr(err.message, text))                                  \
            message_failed(__FILE__, __LINE__, text);                    \
    } while (0)

#define RUN(test)                                                        \
    do {                                                                 \
        fresh_fs(64);                                                    \
        test();                                                          \
        printf("ok %s\n", #test);                                        \
    } while (0)

/* Of the last call of libvpm. */
extern struct vpm_error err;

__attribute__((noreturn))
void check_failed(const char *file, int line, const char *condition);
__attribute__((noreturn))
void call_failed(const char *file, int line, const char *call, int expected,
                 int found);
__attribute__((noreturn))
void message_failed(const char *file, int line, const char *text);

/* An empty tmpfs of that many MiB on FS.  From then on libvpm is careful
 * (careful.h). */
void fresh_fs(unsigned mib);

/* 1 MiB, 16 KiB per state, 8 descriptors, own user ids. */
extern const struct vpm_pool_params small_params;

/* Formats and opens POOL; the same, for one that is there. */
struct vpm_pool *new_pool(void);
struct vpm_pool *open_pool(void);

/* Findings of vpm_pool_check(POOL); they are printed if not expected. */
int check_pool(int expected);

/* The text of the last finding. */
extern char last_finding[VPM_MESSAGE_MAX + 1];

/* Allocates a region and returns its info. */
struct vpm_region_info alloc(struct vpm_pool *pool, const char *name,
                             uint64_t size);

/* 512 KiB of memory in 256 KiB of NVRAM, pages of 4 KiB, S3-FIFO; the swap
 * file in SWAP, which is made if it is not there. */
extern const struct vpm_vpm_params small_vpm;

struct vpm_region_info alloc_vpm(struct vpm_pool *pool, const char *name);

/* Path of a region's file. */
const char *region_file(uint64_t id, const char *name);

/* Path of a VPM region's page table. */
const char *ppt_file(const struct vpm_region_info *info);

/* Fills a file with a byte; whether it holds nothing else; whether it was cut
 * off to nothing, which careful.h watches; overwrites bytes at an offset. */
void fill_file(const char *path, int byte);
int file_is(const char *path, int byte);
int fd_is(int fd, int byte);
int fd_is_drained(int fd);
void poke(const char *path, uint64_t offset, const void *data, size_t size);
void peek(const char *path, uint64_t offset, void *data, size_t size);
int exists(const char *path);

/* Fixates *length* bytes of *byte*; with what code it ends. */
int fixate(struct vpm_pool *pool, uint64_t id, int byte, size_t length);

/* A pipe with *length* bytes of *byte* and the writing end closed. */
int filled_pipe(int byte, size_t length);

/* Runs *work* in a child; returns its exit status, or 128 + signal. */
int in_child(void (*work)(void *arg), void *arg);

#endif
