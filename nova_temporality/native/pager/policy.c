/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c -- which pages leave memory */
#include "policy.h"

#include <stdlib.h>

#include "ppt.h"

/* Parts of all clusters, as S3-FIFO has them. */
#define SMALL_PART 10
#define COOLING_PART 10

/* A cluster is so small that at least this many fit into the frames. */
#define CLUSTERS_MIN 64

/* A ghost is remembered for as many departures as there are frames, in this
 * many steps; 0 is no ghost. */
#define GHOST_STEPS 32
#define GHOST_NUMBERS 255

static uint32_t choose_span(const struct vpm_shape *shape)
{
    uint32_t span = 1;

    if (shape->policy == VPM_POLICY_FIFO)
        return 1;
    while (2 * span * shape->page_size <= VPM_CLUSTER_BYTES &&
           shape->frames / (2 * span) >= CLUSTERS_MIN)
        span *= 2;
    return span;
}

int vpm_policy_init(struct vpm_policy_state *policy,
                    const struct vpm_shape *shape)
{
    uint64_t clusters;

    *policy = (struct vpm_policy_state){
        .span = choose_span(shape), .frames = (uint32_t)shape->frames,
    };
    clusters = shape->pages / policy->span + 1;
    policy->next = malloc(clusters * sizeof(*policy->next));
    policy->queued = calloc(clusters, sizeof(*policy->queued));
    if (shape->policy == VPM_POLICY_S3FIFO)
        policy->ghosts = calloc(shape->pages, 1);
    if (policy->next && policy->queued &&
        (policy->ghosts || shape->policy != VPM_POLICY_S3FIFO))
        return 0;
    vpm_policy_free(policy);
    return -1;
}

void vpm_policy_free(struct vpm_policy_state *policy)
{
    free(policy->next);
    free(policy->queued);
    free(policy->ghosts);
    policy->next = NULL;
    policy->queued = NULL;
    policy->ghosts = NULL;
}

static void push(struct vpm_policy_state *policy, struct vpm_queue *queue,
                 uint32_t cluster)
{
    policy->queued[cluster] = true;
    if (queue->count++ == 0)
        queue->head = cluster;
    else
        policy->next[queue->tail] = cluster;
    queue->tail = cluster;
}

static uint32_t pop(struct vpm_policy_state *policy, struct vpm_queue *queue)
{
    uint32_t cluster = queue->head;

    if (queue->count == 0)
        return VPM_NONE;
    queue->count--;
    queue->head = policy->next[cluster];
    policy->queued[cluster] = false;
    return cluster;
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

void vpm_policy_enter(struct vpm_policy_state *policy, uint32_t page)
{
    bool again = policy->ghosts && is_ghost(policy, page);
    uint32_t cluster = page / policy->span;

    if (!policy->queued[cluster])
        push(policy, again ? &policy->main : &policy->small, cluster);
}

static uint32_t all(const struct vpm_policy_state *policy)
{
    return policy->small.count + policy->main.count + policy->cooling.count;
}

uint32_t vpm_policy_victim(struct vpm_policy_state *policy)
{
    struct vpm_queue *from = &policy->main;
    uint32_t cluster;

    if (policy->small.count > all(policy) / SMALL_PART || from->count == 0)
        from = &policy->small;
    cluster = pop(policy, from);
    if (cluster != VPM_NONE)
        push(policy, &policy->cooling, cluster);
    return cluster;
}

uint32_t vpm_policy_cooling_target(const struct vpm_policy_state *policy)
{
    return policy->ghosts ? all(policy) / COOLING_PART : 0;
}

uint32_t vpm_policy_cooled(struct vpm_policy_state *policy)
{
    return pop(policy, &policy->cooling);
}

void vpm_policy_stay(struct vpm_policy_state *policy, uint32_t cluster)
{
    if (!policy->queued[cluster])
        push(policy, policy->ghosts ? &policy->main : &policy->small,
             cluster);
}

void vpm_policy_leave(struct vpm_policy_state *policy, uint32_t page)
{
    policy->left++;
    if (policy->ghosts)
        policy->ghosts[page] =
            (uint8_t)(ghost_step(policy) % GHOST_NUMBERS + 1);
}
