/* SPDX-License-Identifier: Apache-2.0 */
/* client.h -- a connection of the engine's process to one client
 *
 * Nothing here waits for the client. */
#ifndef VPM_CLIENT_H
#define VPM_CLIENT_H

#include "service.h"

struct vpm_client {
    int fd;                    /* -1: there is none */
    bool listens;
    bool is_full;              /* it has to read before it is told or asks
                                * more */
    uint64_t signals_seen;
    uint64_t words_seen;
    uint32_t conditions_told;  /* of how many devices it was told how power
                                * is, as of when it began to listen */
    uint64_t hand_over_id;     /* of its request to hand over; or 0 */
};

/* Takes a connection over.  False when it is closed at once, because the other
 * end is another user's. */
bool vpm_client_open(struct vpm_client *client, int fd);
void vpm_client_close(struct vpm_client *client);

/* Reads one request and answers it, unless there is no room for an answer: then
 * the client is full.  One that breaks the rules, or is gone, is closed. */
void vpm_client_serve(struct vpm_client *client, struct vpm_service *service);

/* Answers a request to hand over, which vpm_client_serve leaves open. */
void vpm_client_answer_hand_over(struct vpm_client *client, int code,
                                 const char *message);

/* Says news of a kind about a unit, if the client listens.  False when it is full: then
 * it is to be told again, when its socket can be written. */
bool vpm_client_tell_unit(struct vpm_client *client, uint32_t kind,
                          const struct vpm_unit_info *unit);

/* Says which signals came, if the client listens and is not full; the rest can
 * be said when its socket can be written. */
void vpm_client_tell_signals(struct vpm_client *client,
                             struct vpm_signals *signals);

/* The same for what devices say; at first, how power is. */
void vpm_client_tell_words(struct vpm_client *client,
                           struct vpm_devices *devices);

#endif
