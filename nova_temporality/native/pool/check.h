/* SPDX-License-Identifier: Apache-2.0 */
/* check.h -- examining a pool without changing anything (see vpm.h)
 *
 * It opens and maps everything for reading only, and uses no pool handle, so
 * that it works on pools that cannot be opened. */
#ifndef VPM_CHECK_H
#define VPM_CHECK_H

#include "vpm.h"

#endif
