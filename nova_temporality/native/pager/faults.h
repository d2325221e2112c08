/* SPDX-License-Identifier: Apache-2.0 */
/* faults.h -- answering faults that need no I/O, queueing the others */
#ifndef VPM_FAULTS_H
#define VPM_FAULTS_H

#include "core.h"

/* Answers a fault, or leaves it to the thread that has the page or to the
 * reader's queue.  Not to be called by the thread that has the page. */
void vpm_faults_answer(struct vpm_pager *pager, uint32_t page);

/* Puts a fault into the queue; false when it is full, and then the fault has
 * to be tried again later.  *ahead* as in struct fault.  The pager's lock must
 * be held. */
bool vpm_faults_enqueue(struct vpm_pager *pager, uint32_t page,
                        uint32_t ahead);

#endif
