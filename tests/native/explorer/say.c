/* SPDX-License-Identifier: Apache-2.0 */
/* say.c -- what is wrong with a state, in words */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>

#include "vpm.h"

const char *say(const char *format, ...)
{
    static char message[VPM_MESSAGE_MAX + 256];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return message;
}
