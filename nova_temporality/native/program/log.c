/* SPDX-License-Identifier: Apache-2.0 */
/* log.c -- lines for operators, on standard error */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void vpm_log(const char *format, ...)
{
    char line[1024] = "temporality-engine: ";
    size_t used = strlen(line);
    va_list args;
    ssize_t ignored;

    va_start(args, format);
    vsnprintf(line + used, sizeof(line) - used - 1, format, args);
    va_end(args);
    used = strlen(line);
    line[used++] = '\n';
    ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}
