/* SPDX-License-Identifier: Apache-2.0 */
/* successor.h -- starts the process that takes the place of this one */
#ifndef VPM_SUCCESSOR_H
#define VPM_SUCCESSOR_H

/* Starts a command; a failure is logged. */
void vpm_successor_start(char **command);

#endif
