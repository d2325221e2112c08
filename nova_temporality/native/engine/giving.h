/* SPDX-License-Identifier: Apache-2.0 */
/* giving.h -- units go from one engine to another, armed as they are
 *
 * The one engine holds all its units at once: from then on none of them is
 * armed in it.  What it exports the other one, in another process, imports;
 * then that releases all of them at once, and the first one drops them.  Or
 * the first one releases them again. */
#ifndef VPM_GIVING_H
#define VPM_GIVING_H

#include "engine.h"

/* Holds all units that are armed.  False, and nothing is done, while a
 * fixation is under way. */
bool vpm_engine_hold(struct vpm_engine *engine);

/* Arms again what is held, or what was imported. */
void vpm_engine_release(struct vpm_engine *engine);

/* Closes the sockets of what is held: it is disarmed here. */
void vpm_engine_drop(struct vpm_engine *engine);

/* A unit on its way. */
struct vpm_given {
    enum vpm_unit_state state;  /* not VPM_UNIT_UNDER_WAY */
    struct vpm_arming arming;   /* with descriptors of the process it is in */
    struct vpm_outcome outcome;
    uint64_t heard;
    uint32_t line_length;
    bool line_too_long;
    char line[UNIT_LINE_MAX];   /* the last member; only line_length bytes of
                                 * it are of use */
};

/* Copies what there is of a unit that is held, or not armed. */
void vpm_unit_export(struct vpm_unit *unit, struct vpm_given *given);

/* Makes a unit that was just opened what another one was.  Its sockets are the
 * unit's from then on, its run lock stays the caller's. */
void vpm_unit_import(struct vpm_unit *unit, const struct vpm_given *given,
                     struct vpm_note *note);

#endif
