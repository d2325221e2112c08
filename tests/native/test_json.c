/* SPDX-License-Identifier: Apache-2.0 */
/* test_json.c -- looking into lines of JSON, good ones and bad ones */
#include "harness.h"
#include "json.h"

static const char *const lines[] = {
    "{\"return\": {\"status\": \"running\", \"x\": [1, {\"id\": 9}]}, "
    "\"id\": 7}",
    "{ \"timestamp\" : {\"seconds\":1}, \"event\" : \"STOP\" }\r",
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no \\\"x\\\", "
    "{ \\\\\"}, \"id\": 12}",
    "{\"a\":1,\"b\":true,\"c\":null,\"d\":-1.5e3,\"e\":[],\"f\":{}}",
};

static struct vpm_span span(const char *text)
{
    return (struct vpm_span){.at = text, .length = strlen(text)};
}

static struct vpm_span member(struct vpm_span object, const char *key)
{
    struct vpm_span value;

    CHECK(vpm_json_member(object, key, &value));
    return value;
}

static bool has(const char *text, const char *key)
{
    struct vpm_span value;

    return vpm_json_member(span(text), key, &value);
}

static void members_are_found(void)
{
    struct vpm_span reply = member(span(lines[0]), "return");
    struct vpm_span id = member(span(lines[0]), "id");

    CHECK(vpm_json_is(member(reply, "status"), "running"));
    CHECK(!vpm_json_is(member(reply, "status"), "runnin"));
    CHECK(!vpm_json_is(member(reply, "status"), "running!"));
    CHECK(vpm_json_number(id) == 7);
    CHECK(!has(lines[0], "status") && !has(lines[0], "event"));
    CHECK(vpm_json_is(member(span(lines[1]), "event"), "STOP"));
    CHECK(member(span(lines[3]), "f").length == 2);
    CHECK(vpm_json_number(member(span(lines[3]), "b")) == 0);
    CHECK(vpm_json_number(member(span(lines[3]), "d")) == 0);
}

static void texts_are_copied_as_far_as_they_fit(void)
{
    struct vpm_span error = member(span(lines[2]), "error");
    char text[64], little[4];

    vpm_json_copy(member(error, "desc"), text, sizeof(text));
    CHECK(strcmp(text, "no \"x\", { \\") == 0);
    vpm_json_copy(member(error, "desc"), little, sizeof(little));
    CHECK(strcmp(little, "no ") == 0);
    vpm_json_copy(span("\"a\\nb\\u00e9\""), text, sizeof(text));
    CHECK(strcmp(text, "a b 00e9") == 0);
    vpm_json_copy(span("12"), text, sizeof(text));
    CHECK(!text[0]);
    vpm_json_copy(span("\""), text, sizeof(text));
    CHECK(!text[0]);
}

static void nonsense_has_no_members(void)
{
    static const char *const bad[] = {
        "", " ", "{", "{}", "[]", "\"id\"", "{\"id\"", "{\"id\":", "{id:1}",
        "{\"id\"1}", "{\"id\":\"", "{\"id\":[", "{\"x\":1 \"id\":2}",
        "{\"x\":1,,\"id\":2}", "{1:2,\"id\":2}", "{\"i\\u0064\":1}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!has(bad[i], "id"));
}

/* Cut anywhere and changed anywhere; the sanitizers look for reads beyond. */
static void look(const char *text, size_t length)
{
    char *copy = malloc(length + !length);
    struct vpm_span line = {.at = copy, .length = length};
    struct vpm_span value, inner;
    char out[16];

    memcpy(copy, text, length);
    for (const char *key = "return\0id\0event\0error\0f\0"; *key;
         key += strlen(key) + 1) {
        if (!vpm_json_member(line, key, &value))
            continue;
        CHECK(value.at >= copy && value.at + value.length <= copy + length);
        vpm_json_copy(value, out, sizeof(out));
        vpm_json_number(value);
        vpm_json_is(value, "STOP");
        if (vpm_json_member(value, "status", &inner))
            CHECK(inner.at + inner.length <= value.at + value.length);
    }
    free(copy);
}

static void nothing_beyond_is_read(void)
{
    static const char poison[] = "\"\\{}[],: \0x";

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        size_t length = strlen(lines[i]);

        for (size_t cut = 0; cut <= length; cut++)
            look(lines[i], cut);
        for (size_t at = 0; at < length; at++) {
            char copy[256];

            memcpy(copy, lines[i], length);
            for (size_t p = 0; p < sizeof(poison); p++) {
                copy[at] = poison[p];
                look(copy, length);
            }
        }
    }
}

int main(void)
{
    RUN(members_are_found);
    RUN(texts_are_copied_as_far_as_they_fit);
    RUN(nonsense_has_no_members);
    RUN(nothing_beyond_is_read);
    return 0;
}
