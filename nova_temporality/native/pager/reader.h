/* SPDX-License-Identifier: Apache-2.0 */
/* reader.h -- the thread that waits for faults and for the disk */
#ifndef VPM_READER_H
#define VPM_READER_H

/* The thread's function; *pager* is a struct vpm_pager. */
void *vpm_reader_run(void *pager);

#endif
