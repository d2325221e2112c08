/* SPDX-License-Identifier: Apache-2.0 */
/* finish.h -- finishing what was begun with a region: freeing, allocating
 *
 * Whoever makes or removes a region's files holds the lock of the region's
 * directory all that time, and the pool's lock only while the TOC says
 * something else about the region.  So a large region that is made or scrubbed
 * keeps nobody from the others.
 *
 * Order of the locks: the pool's may be waited for by the owner of a region's;
 * under the pool's a region's is only tried. */
#ifndef VPM_FINISH_H
#define VPM_FINISH_H

#include "handle.h"
#include "toc.h"

/* Finishes a freeing region, or rolls back an allocating one, whose lock the
 * caller holds: scrubs the former, removes the files and frees the entry.
 * While background work is paused, what is left to be scrubbed stays so, which
 * is no failure, unless it is urgent. */
int vpm_finish_held(struct vpm_pool *pool, const struct vpm_entry *entry,
                    bool urgent, struct vpm_error *err);

/* Takes the region's lock, and does that.  Does nothing when *found* is no
 * longer so, or when somebody works on it. */
int vpm_finish(struct vpm_pool *pool, const struct vpm_entry *found,
               bool urgent, struct vpm_error *err);

/* The same, but first waits for whoever works on it. */
int vpm_finish_after(struct vpm_pool *pool, const struct vpm_entry *found,
                     bool urgent, struct vpm_error *err);

/* Does that with all regions: with those that are allocating, and, if
 * *freeing*, with those that are freeing.  What cannot be finished stays as it
 * is (its space stays used), and its error is returned when all else is
 * done. */
int vpm_finish_all(struct vpm_pool *pool, bool freeing, bool wait,
                   struct vpm_error *err);

#endif
