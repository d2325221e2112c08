/* SPDX-License-Identifier: Apache-2.0 */
/* medium.c -- on what a pool can lie */
#include "medium.h"

#include "error.h"

const char *vpm_medium_name(uint32_t medium)
{
    static const char *const names[] = {"", "dax", "tmpfs", "file"};

    return medium < sizeof(names) / sizeof(*names) ? names[medium] : "";
}

int vpm_medium_wanted(uint32_t wanted, enum vpm_medium found,
                      struct vpm_error *err)
{
    if (!wanted || wanted & 1u << found)
        return VPM_OK;
    if (found == VPM_MEDIUM_FILE)
        return vpm_fail(err, VPM_EMEDIUM, "this is an ordinary file system "
                        "(medium 'file'), not NVRAM: is the NVRAM mounted "
                        "there, with -o dax=always?");
    return vpm_fail(err, VPM_EMEDIUM, "the medium of this file system is '%s',"
                    " which is not the one that was asked for",
                    vpm_medium_name(found));
}
