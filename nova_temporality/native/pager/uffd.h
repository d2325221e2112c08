/* SPDX-License-Identifier: Apache-2.0 */
/* uffd.h -- a range of addresses whose missing pages are reported
 *
 * The range is anonymous memory that is registered with userfaultfd(2) and
 * never populated.  A page is shown by mapping its frame over it, and hidden
 * by moving anonymous memory that is registered as well over the frame, which
 * is atomic for whoever touches it meanwhile.
 *
 * Hiding blocks until somebody reads the event of it from *fd*.  So whoever
 * reads may not wait for whoever hides. */
#ifndef VPM_UFFD_H
#define VPM_UFFD_H

#include <stddef.h>
#include <stdint.h>

#include "vpm.h"

struct vpm_uffd {
    int fd;                /* poll(2) says when there is something to read */
    uint8_t *base;
    uint64_t length;
    uint8_t *staging;      /* what is moved over hidden pages */
    uint64_t staging_length;
};

/* A new descriptor of userfaultfd(2), or -1 with errno.  Kernel code faults,
 * too: KVM and system calls.  The system call needs CAP_SYS_PTRACE for that,
 * the device a permission. */
int vpm_uffd_new(void);

/* Registers the *length* bytes of anonymous memory at *base*.  At most
 * *staging_length* bytes can be hidden at once. */
int vpm_uffd_open(struct vpm_uffd *uffd, void *base, uint64_t length,
                  uint64_t staging_length, struct vpm_error *err);

/* Reads faults, without waiting; returns how many, as offsets in the range.
 * Events are read and need nothing more. */
int vpm_uffd_read(struct vpm_uffd *uffd, uint64_t *offsets, int most);

/* Maps *length* bytes of *ram_fd*; those who wait still wait.  0, or -1 with
 * errno, as all that follow. */
int vpm_uffd_show(struct vpm_uffd *uffd, uint64_t offset, uint64_t length,
                  int ram_fd, uint64_t ram_offset);
int vpm_uffd_hide(struct vpm_uffd *uffd, uint64_t offset, uint64_t length);

/* Lets those who wait in a range try again. */
int vpm_uffd_wake(struct vpm_uffd *uffd, uint64_t offset, uint64_t length);

/* In a child process: takes away what it must not have. */
void vpm_uffd_forget(struct vpm_uffd *uffd);

#endif
