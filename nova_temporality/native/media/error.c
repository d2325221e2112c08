/* SPDX-License-Identifier: Apache-2.0 */
/* error.c -- describing errors */
#include "error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int vpm_fail(struct vpm_error *err, int code, const char *format, ...)
{
    va_list args;

    err->code = code;
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    return code;
}

int vpm_fail_errno(struct vpm_error *err, const char *format, ...)
{
    int saved = errno;
    bool full = saved == ENOSPC || saved == EDQUOT;
    size_t used;
    va_list args;

    err->code = full ? VPM_ENOSPC : VPM_ESYS;
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    used = strlen(err->message);
    errno = saved;
    snprintf(err->message + used, sizeof(err->message) - used,
             ": %m (errno %d)%s", saved,
             full ? "; make room on the file system of the pool" : "");
    return err->code;
}

struct vpm_size_text vpm_size_text(uint64_t size)
{
    struct vpm_size_text out;

    if (size >= 1 << 20)
        snprintf(out.text, sizeof(out.text), "%.1f MiB", size / 1048576.0);
    else if (size >= 1 << 10)
        snprintf(out.text, sizeof(out.text), "%.1f KiB", size / 1024.0);
    else
        snprintf(out.text, sizeof(out.text), "%" PRIu64 " bytes", size);
    return out;
}
