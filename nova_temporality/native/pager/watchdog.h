/* SPDX-License-Identifier: Apache-2.0 */
/* watchdog.h -- the thread that reports faults that wait too long */
#ifndef VPM_WATCHDOG_H
#define VPM_WATCHDOG_H

/* The thread's function; *pager* is a struct vpm_pager. */
void *vpm_watchdog_run(void *pager);

#endif
