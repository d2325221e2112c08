/* SPDX-License-Identifier: Apache-2.0 */
/* handover.h -- a new engine process takes the place of the one that runs
 *
 * The new one is a client of the old one.  At first it lists the units and
 * opens them, which takes long.  Then it asks for all:
 *
 *   new: VPM_REQUEST_HAND_OVER
 *   old: an answer.  If that is VPM_OK, nothing is armed any more from then
 *        on, and signals and requests wait;
 *        a struct vpm_handed_unit for each unit, with its descriptors;
 *        a struct vpm_handed_rest
 *   new: HANDED_TAKEN
 *   old: HANDED_GO
 *
 * At that word the new one arms all and serves everybody, and the old one
 * passes on what signals it still gets, for a second.  If the new one fails
 * before it, the old one arms all again.  If the old one fails, the new one
 * need not wait for the word. */
#ifndef VPM_HANDOVER_H
#define VPM_HANDOVER_H

#include "process.h"

/* New: takes everything over.  VPM_ENOENT when no engine runs. */
int vpm_handover_take(struct vpm_process *process, const char *run_dir,
                      struct vpm_error *err);

/* Old: gives everything to a client that has asked for it.  False when it
 * keeps all of it. */
bool vpm_handover_give(struct vpm_process *process,
                       struct vpm_client *successor);

#endif
