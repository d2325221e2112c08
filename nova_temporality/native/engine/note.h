/* SPDX-License-Identifier: Apache-2.0 */
/* note.h -- memory of having stopped a pVM, written without a system call
 *
 * A note is a mapped file below run_dir.  It has to survive the notifier, not
 * the host: it is as volatile as the QEMU that it is about.  Two slots are
 * written alternately, so that a notifier that is killed while it writes
 * leaves the earlier note.  The functions are declared in vpm.h. */
#ifndef VPM_NOTE_H
#define VPM_NOTE_H

#include "vpm.h"

#endif
