/* SPDX-License-Identifier: Apache-2.0 */
/* vault.h -- what libvpm keeps in the vault of a pool: records and room
 *
 * All of these do nothing, successfully, when the pool has no vault.  The lock
 * of the region must be held, unless nobody else knows it. */
#ifndef VPM_VAULT_H
#define VPM_VAULT_H

#include "handle.h"

/* Makes a new region's record, and reserves room for all that it has. */
int vpm_vault_create(const struct vpm_pool *pool,
                     const struct vpm_toc_body *body, struct vpm_error *err);

/* Advances a region's record: what was written of the region is stale, durably,
 * on return. */
int vpm_vault_advance(const struct vpm_pool *pool,
                      const struct vpm_toc_body *body, struct vpm_error *err);

/* Reads a region's record: VPM_EVAULT when it is not there, is a copy, belongs
 * to another pool or region, or was claimed by another pool. */
int vpm_vault_runs(const struct vpm_pool *pool,
                   const struct vpm_toc_body *body, uint64_t *runs,
                   struct vpm_error *err);

/* Has a record, of whatever pool that was made again, belong to this one: from
 * then on no other one can advance it.  VPM_EUNPROVEN unless it was advanced
 * *runs* times; NULL: any.  The pool must have a vault. */
int vpm_vault_claim(const struct vpm_pool *pool,
                    const struct vpm_toc_body *body, const uint64_t *runs,
                    struct vpm_error *err);

/* Removes a region's record, durably, then what was written of it.  Harmless
 * when nothing of it is there. */
int vpm_vault_remove(const struct vpm_pool *pool,
                     const struct vpm_toc_body *body, struct vpm_error *err);

#endif
