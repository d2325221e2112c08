/* SPDX-License-Identifier: Apache-2.0 */
/* json.c -- finding values in a line of JSON, in place */
#include "json.h"

#include <string.h>

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' ||
                        *at == '\n'))
        at++;
    return at;
}

/* *at* is a quotation mark; returns what follows the closing one, or NULL. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* Returns what follows a value, or NULL when it does not end. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;

    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            if (!at || depth == 0)
                return at;
            continue;
        }
        if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0)
                return at;  /* ends a number or word, and what holds it */
            if (--depth == 0)
                return at + 1;
        } else if (*at == ',' && depth == 0) {
            return at;
        }
        at++;
    }
    return NULL;
}

static struct vpm_span span(const char *at, const char *end)
{
    while (end > at && (end[-1] == ' ' || end[-1] == '\t' ||
                        end[-1] == '\r' || end[-1] == '\n'))
        end--;
    return (struct vpm_span){.at = at, .length = (size_t)(end - at)};
}

bool vpm_json_member(struct vpm_span object, const char *key,
                     struct vpm_span *value)
{
    const char *end = object.at + object.length;
    const char *at = skip_space(object.at, end);

    if (at == end || *at != '{')
        return false;
    do {
        const char *name = skip_space(at + 1, end);
        const char *after;

        if (name == end || *name != '"')
            return false;
        after = skip_string(name, end);
        at = after ? skip_space(after, end) : end;
        if (at == end || *at != ':')
            return false;
        *value = (struct vpm_span){.at = skip_space(at + 1, end)};
        at = skip_value(value->at, end);
        if (!at)
            return false;
        *value = span(value->at, at);
        if (vpm_json_is(span(name, after), key))
            return true;
        at = skip_space(at, end);
    } while (at < end && *at == ',');
    return false;
}

bool vpm_json_is(struct vpm_span value, const char *text)
{
    size_t length = strlen(text);

    return value.length == length + 2 && value.at[0] == '"' &&
           memcmp(value.at + 1, text, length) == 0 &&
           value.at[length + 1] == '"';
}

void vpm_json_copy(struct vpm_span value, char *out, size_t size)
{
    size_t used = 0;

    if (value.length >= 2 && value.at[0] == '"') {
        for (size_t i = 1; i < value.length - 1 && used < size - 1; i++) {
            char one = value.at[i];

            if (one == '\\' && i + 1 < value.length - 1) {
                one = value.at[++i];
                if (one != '"' && one != '\\' && one != '/')
                    one = ' ';
            }
            out[used++] = one;
        }
    }
    out[used] = '\0';
}

uint32_t vpm_json_number(struct vpm_span value)
{
    uint32_t number = 0;

    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9' || number > 99999999)
            return 0;
        number = number * 10 + (uint32_t)(value.at[i] - '0');
    }
    return number;
}
