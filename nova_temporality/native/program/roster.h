/* SPDX-License-Identifier: Apache-2.0 */
/* roster.h -- the units that the engine's process keeps for its clients
 *
 * They stay when a client ends.  All functions are for one thread. */
#ifndef VPM_ROSTER_H
#define VPM_ROSTER_H

#include "giving.h"
#include "protocol.h"

struct vpm_served {
    struct vpm_served *next;     /* in ascending order of regions */
    struct vpm_unit *unit;
    struct vpm_note *note;
    int lock_fd;                 /* of the run lock; -1 before it was armed */
    bool told;                   /* how it is, if that is news */
    bool ill;                    /* its state file cannot be written */
    struct vpm_unit_info info;   /* but its state */
};

struct vpm_roster {
    struct vpm_pool *pool;
    struct vpm_engine *engine;
    struct vpm_served *first;
};

/* The unit of a region, or NULL; that of the next higher region. */
struct vpm_served *vpm_roster_find(const struct vpm_roster *roster,
                                   uint64_t region);
struct vpm_served *vpm_roster_after(const struct vpm_roster *roster,
                                    uint64_t region);

/* Opens the unit of a region that was created then, with the file of its note.
 * One that is open already stays as it is; that of an earlier region of this
 * id is closed first.  NULL on failure. */
struct vpm_served *vpm_roster_open(struct vpm_roster *roster, uint64_t region,
                                   uint64_t created_ns, int note_fd,
                                   struct vpm_error *err);
void vpm_roster_close(struct vpm_roster *roster, struct vpm_served *served);

/* Opens the unit that another process has, without its note. */
int vpm_roster_prepare(struct vpm_roster *roster,
                       const struct vpm_unit_info *info,
                       struct vpm_error *err);

/* Takes over a unit that another process had.  All descriptors are the
 * roster's then, unless it fails. */
int vpm_roster_import(struct vpm_roster *roster,
                      const struct vpm_unit_info *info,
                      const struct vpm_given *given, int note_fd, bool told,
                      struct vpm_error *err);

/* Closes what was prepared, and not taken over: the other process has closed it
 * since, or it could not be taken. */
void vpm_roster_close_prepared(struct vpm_roster *roster);

/* Arms it.  The descriptors of *arming* stay the caller's. */
int vpm_roster_arm(struct vpm_served *served, const struct vpm_arming *arming,
                   uint64_t started, struct vpm_error *err);

/* Disarms it.  False when it is fired already. */
bool vpm_roster_disarm(struct vpm_served *served);

/* What there is to be known of it now. */
struct vpm_unit_info vpm_roster_look(const struct vpm_served *served);

/* Whether a fixation is under way. */
bool vpm_roster_is_busy(const struct vpm_roster *roster);

#endif
