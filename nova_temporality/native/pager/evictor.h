/* SPDX-License-Identifier: Apache-2.0 */
/* evictor.h -- the thread that keeps frames free */
#ifndef VPM_EVICTOR_H
#define VPM_EVICTOR_H

/* The thread's function; *pager* is a struct vpm_pager. */
void *vpm_evictor_run(void *pager);

#endif
