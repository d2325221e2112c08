/* SPDX-License-Identifier: Apache-2.0 */
/* import.h -- all that import.c offers is public */
#ifndef VPM_IMPORT_H
#define VPM_IMPORT_H

#include "vpm.h"

#endif
