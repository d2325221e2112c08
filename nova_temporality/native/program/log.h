/* SPDX-License-Identifier: Apache-2.0 */
/* log.h -- lines for operators, on standard error */
#ifndef VPM_LOG_H
#define VPM_LOG_H

/* Writes one line.  Never between an event and the marker. */
__attribute__((format(printf, 1, 2)))
void vpm_log(const char *format, ...);

#endif
