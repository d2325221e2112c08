/* SPDX-License-Identifier: Apache-2.0 */
/* systemd.h -- tells systemd how the process is (sd_notify(3)) */
#ifndef VPM_SYSTEMD_H
#define VPM_SYSTEMD_H

#include <stdint.h>

/* Sends one or more lines, like "READY=1", if systemd wants to know. */
void vpm_systemd_notify(const char *text);

/* How often WATCHDOG=1 has to be sent, with much to spare; 0: never. */
uint64_t vpm_systemd_watchdog_ns(void);

#endif
