/* SPDX-License-Identifier: Apache-2.0 */
/* say.h -- what is wrong with a state, in words */
#ifndef SAY_H
#define SAY_H

/* Returns the text, which is there until the next one. */
__attribute__((format(printf, 1, 2)))
const char *say(const char *format, ...);

#endif
