/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c -- which page leaves memory */
#include "policy.h"

#include <stdlib.h>

#include "ppt.h"

/* Parts of all frames, as S3-FIFO has them. */
#define SMALL_PART 10
#define COOLING_PART 10

/* A ghost is remembered for as many departures as there are frames, in this
 * many steps; 0 is no ghost. */
#define GHOST_STEPS 32
#define GHOST_NUMBERS 255

int vpm_policy_init(struct vpm_policy_state *policy, uint32_t kind,
                    uint32_t frames, uint32_t pages)
{
    *policy = (struct vpm_policy_state){.kind = kind, .frames = frames};
    policy->next = malloc(frames * sizeof(*policy->next));
    if (kind == VPM_POLICY_S3FIFO)
        policy->ghosts = calloc(pages, 1);
    if (policy->next && (policy->ghosts || kind != VPM_POLICY_S3FIFO))
        return 0;
    vpm_policy_free(policy);
    return -1;
}

void vpm_policy_free(struct vpm_policy_state *policy)
{
    free(policy->next);
    free(policy->ghosts);
    policy->next = NULL;
    policy->ghosts = NULL;
}

static void push(struct vpm_policy_state *policy, struct vpm_queue *queue,
                 uint32_t frame)
{
    if (queue->count++ == 0)
        queue->head = frame;
    else
        policy->next[queue->tail] = frame;
    queue->tail = frame;
}

static uint32_t pop(struct vpm_policy_state *policy, struct vpm_queue *queue)
{
    uint32_t frame = queue->head;

    if (queue->count == 0)
        return VPM_NONE;
    queue->count--;
    queue->head = policy->next[frame];
    return frame;
}

static uint64_t ghost_step(const struct vpm_policy_state *policy)
{
    return policy->left / (policy->frames / GHOST_STEPS + 1);
}

static bool is_ghost(const struct vpm_policy_state *policy, uint32_t page)
{
    uint64_t number = policy->ghosts[page];
    uint64_t now = ghost_step(policy) % GHOST_NUMBERS + 1;

    return number != 0 &&
        (now + GHOST_NUMBERS - number) % GHOST_NUMBERS <= GHOST_STEPS;
}

void vpm_policy_enter(struct vpm_policy_state *policy, uint32_t frame,
                      uint32_t page)
{
    bool again = policy->ghosts && is_ghost(policy, page);

    push(policy, again ? &policy->main : &policy->small, frame);
}

uint32_t vpm_policy_victim(struct vpm_policy_state *policy)
{
    uint32_t small = policy->frames / SMALL_PART;

    if (policy->small.count > small || policy->main.count == 0)
        return pop(policy, &policy->small);
    return pop(policy, &policy->main);
}

void vpm_policy_cool(struct vpm_policy_state *policy, uint32_t frame)
{
    push(policy, &policy->cooling, frame);
}

uint32_t vpm_policy_cooled(struct vpm_policy_state *policy)
{
    return pop(policy, &policy->cooling);
}

uint32_t vpm_policy_cooling_target(const struct vpm_policy_state *policy)
{
    return policy->ghosts ? policy->frames / COOLING_PART : 0;
}

void vpm_policy_stay(struct vpm_policy_state *policy, uint32_t frame)
{
    push(policy, policy->ghosts ? &policy->main : &policy->small, frame);
}

void vpm_policy_leave(struct vpm_policy_state *policy, uint32_t page)
{
    policy->left++;
    if (policy->ghosts)
        policy->ghosts[page] =
            (uint8_t)(ghost_step(policy) % GHOST_NUMBERS + 1);
}
