/* SPDX-License-Identifier: Apache-2.0 */
/* json.h -- finding values in a line of JSON (RFC 8259), in place
 *
 * Nothing is allocated and nothing is copied.  In text that is no JSON values
 * are not found, or wrong ones are; no byte beyond the span is read. */
#ifndef VPM_JSON_H
#define VPM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vpm_span {
    const char *at;
    size_t length;
};

/* Whether *object* is an object with a member *key*; *value* is its value's
 * text, without white space around it.  Keys with escapes are not found. */
bool vpm_json_member(struct vpm_span object, const char *key,
                     struct vpm_span *value);

/* Whether *value* is the string *text* (which needs no escapes). */
bool vpm_json_is(struct vpm_span value, const char *text);

/* Copies a string, as much of it as there is room for, and ends it with NUL.
 * Escaped characters other than " \ and / become spaces.  What is no string
 * becomes an empty one. */
void vpm_json_copy(struct vpm_span value, char *out, size_t size);

/* The number that *value* is, or 0. */
uint32_t vpm_json_number(struct vpm_span value);

#endif
