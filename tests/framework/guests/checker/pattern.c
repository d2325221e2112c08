/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.c -- what pages and frames are full of */
#include "guest.h"

uint32_t mix(uint32_t a, uint32_t b)
{
    uint32_t word = a * 0x9e3779b1u ^ b;

    word = (word ^ word >> 15) * 0x85ebca6bu;
    return word ^ word >> 13;
}

uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Instructions that repeat are the fastest where KVM has to emulate. */
void pattern_write(void *to, uint32_t words, uint32_t word)
{
    __asm__ volatile("cld; rep stosl" : "+D"(to), "+c"(words) : "a"(word) :
                     "memory", "cc");
}

void pattern_check(const void *from, uint32_t words, uint32_t word,
                   enum wrong what)
{
    bool same;

    __asm__ volatile("cld; repe scasl" : "+D"(from), "+c"(words),
                     "=@ccz"(same) : "a"(word) : "memory");
    if (!same) {
        const uint32_t *found = (const uint32_t *)from - 1;

        wrong(what, found, word, *found);
    }
}
