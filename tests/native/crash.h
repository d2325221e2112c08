/* SPDX-License-Identifier: Apache-2.0 */
/* crash.h -- stopping libvpm at any of its persistence steps */
#ifndef CRASH_H
#define CRASH_H

#define CRASHED 77  /* exit status of a process that was stopped */

/* From now on the process ends with status CRASHED in its *step*-th call of
 * the persistence interface, counted from 0.  A store, a zeroing or a read is
 * done by half then, another call not at all.  -1: never. */
void crash_at(long step);


#endif
