/* SPDX-License-Identifier: Apache-2.0 */
/* careful.h -- space that is cut off a file must be empty: somebody else gets
 * it */
#ifndef CAREFUL_H
#define CAREFUL_H

#include "persist.h"

/* truncate of the persistence interface; ends the program when what it would
 * cut off is not zero. */
int careful_truncate(int fd, uint64_t length);

/* Has libvpm use it, and the real functions for all else. */
void be_careful(void);

#endif
