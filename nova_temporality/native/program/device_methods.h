/* SPDX-License-Identifier: Apache-2.0 */
/* device_methods.h -- how a kind of device is watched */
#ifndef VPM_DEVICE_METHODS_H
#define VPM_DEVICE_METHODS_H

#include "protocol.h"

struct vpm_device_methods {
    /* Opens it; may wait.  Returns the descriptor, which does not block, or a
     * negative code. */
    int (*open)(const struct vpm_watch *watch, struct vpm_error *err);

    /* Makes a descriptor that another process has opened this process' own.
     * NULL: there is nothing to be done. */
    int (*adopt)(int fd, const struct vpm_watch *watch,
                 struct vpm_error *err);

    /* Reads what it says, VPM_WORDS_MAX words at most, into *words*, and adds
     * how many to *count*.  A negative code when it is not to be used any
     * more: what it said before that counts. */
    int (*read)(int fd, const struct vpm_watch *watch, struct vpm_word *words,
                uint32_t *count, struct vpm_error *err);

    /* Asks how power is; may wait.  It is called every second.  What lasts is
     * only a word when it has changed.  NULL: the device says all by
     * itself. */
    int (*look)(int fd, const struct vpm_watch *watch, struct vpm_word *word,
                struct vpm_error *err);
};

#endif
