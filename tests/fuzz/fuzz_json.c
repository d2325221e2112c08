/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json.c -- finding values in lines of JSON, good ones and bad ones
 *
 * The first byte says whether the rest is the line, or says what a line of
 * good JSON is made of: then it is known what is to be found. */
#include "fuzz.h"
#include "json.h"

#define TEXT_MAX 65536
#define DEPTH_MAX 40
#define MEMBERS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char *const keys[] = {
    "event", "id", "return", "error", "status", "desc", "error-desc",
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* -- whatever it is ------------------------------------------------------- */

static void check_copy(struct vpm_span value, size_t size)
{
    char *copy = malloc(size);

    CHECK(copy);
    vpm_json_copy(value, copy, size);
    CHECK(strlen(copy) < size);
    CHECK(value.length < 2 ? !copy[0] : strlen(copy) <= value.length - 2);
    free(copy);
}

static void look_into(struct vpm_span object, int depth)
{
    for (size_t i = 0; i < KEYS; i++) {
        struct vpm_span value;

        if (!vpm_json_member(object, keys[i], &value))
            continue;
        CHECK(value.at > object.at &&
              value.at + value.length <= object.at + object.length);
        check_copy(value, 1);
        check_copy(value, 16);
        check_copy(value, TEXT_MAX);
        CHECK(vpm_json_number(value) < 1000000000);
        CHECK(!vpm_json_is(value, keys[i]) ||
              value.length == strlen(keys[i]) + 2);
        if (depth < DEPTH_MAX)
            look_into(value, depth + 1);
    }
}

/* A copy that ends where the sanitizer notices what is read beyond. */
static void use(const char *text, size_t length)
{
    char *copy = malloc(length ? length : 1);

    CHECK(copy);
    memcpy(copy, text, length);
    look_into((struct vpm_span){.at = copy, .length = length}, 0);
    free(copy);
}

/* -- good JSON ------------------------------------------------------------ */

static char text[TEXT_MAX];
static size_t used;

struct member {
    const char *key;
    size_t at, end;
};

static uint8_t next(struct input *input)
{
    uint8_t byte;

    take(input, &byte, 1);
    return byte;
}

static void put(const char *word)
{
    size_t length = strlen(word);

    CHECK(used + length < sizeof(text));
    memcpy(text + used, word, length);
    used += length;
}

static void put_space(struct input *input)
{
    static const char *const spaces[] = {"", " ", "\t", "\r", " \n "};

    put(spaces[next(input) % 5]);
}

static void put_string(struct input *input)
{
    static const char *const parts[] = {
        "a", "\\\"", "\\\\", "{", "}", "[", "]", ",", ":", "\\u00e9", "\\n",
    };

    put("\"");
    for (uint8_t left = next(input) % 8; left; left--)
        put(parts[next(input) % 11]);
    put("\"");
}

static void put_value(struct input *input, int depth);

static void put_members(struct input *input, int depth,
                        struct member *members, int *count)
{
    for (uint8_t left = next(input) % 6; left; left--) {
        const char *key = keys[next(input) % KEYS];

        put_space(input);
        put("\"");
        put(key);
        put("\"");
        put_space(input);
        put(":");
        put_space(input);
        if (members && *count < MEMBERS_MAX)
            members[(*count)++] = (struct member){.key = key, .at = used};
        put_value(input, depth);
        if (members)
            members[*count - 1].end = used;
        put_space(input);
        if (left > 1)
            put(",");
    }
}

static void put_object(struct input *input, int depth,
                       struct member *members, int *count)
{
    put("{");
    put_members(input, depth, members, count);
    put("}");
}

static void put_array(struct input *input, int depth)
{
    put("[");
    for (uint8_t left = next(input) % 4; left; left--) {
        put_value(input, depth);
        put_space(input);
        if (left > 1)
            put(",");
    }
    put("]");
}

static void put_value(struct input *input, int depth)
{
    static const char *const words[] = {
        "0", "7", "-1.5e3", "99999999", "true", "null"};
    uint8_t kind = next(input) % 9;

    if (used > TEXT_MAX / 2 || depth >= 6)
        kind %= 6;
    if (kind < 6)
        put(words[kind]);
    else if (kind == 6)
        put_string(input);
    else if (kind == 7)
        put_object(input, depth + 1, NULL, NULL);
    else
        put_array(input, depth + 1);
}

/* Of members with the same key the first one counts. */
static void check_members(const struct member *members, int count)
{
    struct vpm_span object = {.at = text, .length = used}, found;

    for (size_t i = 0; i < KEYS; i++) {
        const struct member *wanted = NULL;

        for (int j = count - 1; j >= 0; j--)
            if (strcmp(members[j].key, keys[i]) == 0)
                wanted = &members[j];
        CHECK(vpm_json_member(object, keys[i], &found) == (wanted != NULL));
        if (wanted)
            CHECK(found.at == text + wanted->at &&
                  found.length == wanted->end - wanted->at);
    }
}

static void use_good(struct input *input)
{
    struct member members[MEMBERS_MAX];
    int count = 0;

    used = 0;
    put_space(input);
    put_object(input, 0, members, &count);
    put_space(input);
    check_members(members, count);
    use(text, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input input = {.bytes = bytes, .length = length};

    if (next(&input) & JSON_GOOD)
        use_good(&input);
    else
        use((const char *)input.bytes, input.length);
    return 0;
}
