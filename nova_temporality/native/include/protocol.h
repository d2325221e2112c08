/* SPDX-License-Identifier: Apache-2.0 */
/* protocol.h -- what the engine's process and its clients say to each other
 *
 * temporality-engine owns the units of all pVMs; the notifier is its client.
 * They speak over VPM_SOCKET_NAME in run_dir, a unix socket of SOCK_SEQPACKET,
 * which only processes of the engine's own user id may use.  Each message is
 * one struct, as it lies in memory.  A request has one answer, in the order of
 * the requests.  News are answers that nobody asked for; their id is 0, and
 * they may come twice.  A client that breaks these rules is disconnected.  One
 * that does not read is not served until it does.
 *
 * Units belong to the engine and not to the connection: they stay armed when
 * the client ends.  The next one finds them by VPM_REQUEST_LIST, and goes on
 * with them by VPM_REQUEST_OPEN. */
#ifndef VPM_PROTOCOL_H
#define VPM_PROTOCOL_H

#include "vpm.h"

/* Changes with every change of this file, of what it uses of vpm.h, and of
 * program/handover.h and engine/giving.h. */
#define VPM_PROTOCOL_VERSION 4

#define VPM_SOCKET_NAME "engine.sock"

/* Signals that the engine takes, and how many of the latest it remembers. */
#define VPM_POD_SIGNAL 44
#define VPM_SIGNALS_MAX 16

/* Devices that the engine watches, how many words of theirs it remembers, and
 * bytes of their paths and of what they say. */
#define VPM_DEVICE_POD 0          /* /dev/pod, see pod/pod.h */
#define VPM_DEVICE_GPIO 1         /* a line of a GPIO chip, which is active
                                   * while power is good */
#define VPM_DEVICES 2
#define VPM_WORDS_MAX 16
#define VPM_DEVICE_PATH_MAX 255
#define VPM_DETAIL_MAX 255

/* What may be asked for, and what of the request is used.  Beside a region its
 * created_ns is, but for VPM_REQUEST_LIST: a region of the same id that was
 * created anew is another one. */
enum vpm_request_kind {
    VPM_REQUEST_HELLO = 1,    /* nothing; the answer's message says what the
                               * engine has to do without */
    VPM_REQUEST_LISTEN = 2,   /* nothing; send me news from now on, and the
                               * latest signals that no client has heard of */
    VPM_REQUEST_LIST = 3,     /* region: the answer's unit is that with the
                               * next higher region; VPM_ENOENT: none has */
    VPM_REQUEST_OPEN = 4,     /* region, the note's descriptor.  If there is
                               * such a unit, it stays as it is.  The answer
                               * has the descriptor of the run lock, if the
                               * unit was armed before */
    VPM_REQUEST_CLOSE = 5,    /* region */
    VPM_REQUEST_ARM = 6,      /* region, started_ns, arming without its
                               * descriptors; those of QMP, stream, run lock */
    VPM_REQUEST_DISARM = 7,   /* region; the answer's count is 0 if it is fired
                               * already, else 1 */
    VPM_REQUEST_LOOK = 8,     /* region; the answer has the unit */
    VPM_REQUEST_FIRE = 9,     /* region, event; the answer's count is 1 if it
                               * was armed, else 0 */
    VPM_REQUEST_FIRE_ALL = 10,   /* event; the answer's count is that of
                                  * units */
    VPM_REQUEST_TAKE = 11,    /* region: the answer has the outcome, which is
                               * forgotten; VPM_ETIMEDOUT: not yet;
                               * VPM_ENOENT: it was not fired */
    VPM_REQUEST_RECORD = 12,  /* outcome, to be added to the pool's ring */
    VPM_REQUEST_ON_SIGNAL = 13,  /* number, event: fire all units at that
                                  * signal, with the event's raised_by, and
                                  * deadline_ns after it; an empty raised_by:
                                  * do not */
    VPM_REQUEST_SIGNAL = 14,  /* number, pid, instants of event (0: now): it
                               * came to somebody else */
    VPM_REQUEST_WRITE_BACK = 15,  /* the descriptor of the POD driver, see
                                   * vpm_engine_write_back_by */
    VPM_REQUEST_HAND_OVER = 16,  /* nothing; see program/handover.h.
                                  * VPM_ETIMEDOUT: not while a fixation is
                                  * under way */
    VPM_REQUEST_TOUCH = 17,  /* region: see vpm_unit_touch; the answer's count
                               * is 0 if it is to be asked again */
    VPM_REQUEST_WATCH = 18,  /* number, watch: watch that device from now on,
                              * or no more if the path is empty */
    VPM_REQUEST_HEARD = 19,  /* number: the answer's word has the instant
                              * (wall_ns) when that device was heard last, or
                              * 0 */
    VPM_REQUEST_ACKNOWLEDGE = 20,  /* all is fixated or given up: the POD
                                    * driver is told, if it has said that power
                                    * fails */
};

enum vpm_news_kind {
    VPM_NEWS_SETTLED = 100,   /* unit: there is an outcome to be taken */
    VPM_NEWS_SIGNAL = 101,    /* number, signal */
    VPM_NEWS_LOOK = 102,      /* unit: it is lost, or its state file cannot be
                               * written: VPM_REQUEST_TOUCH says why */
    VPM_NEWS_WORD = 103,      /* word.  A client that begins to listen is told
                               * how power is, as of now, if it has missed
                               * nothing of that device */
};

/* What devices say. */
enum vpm_level {
    VPM_LEVEL_LOST = 0,
    VPM_LEVEL_GOOD = 1,
    VPM_LEVEL_WARN = 2,       /* it may fail soon */
    VPM_LEVEL_COMMIT = 3,     /* it fails */
};

/* Most descriptors of a message. */
#define VPM_DESCRIPTORS_MAX 3

/* A device, and what is to be done when it says that power fails. */
struct vpm_watch {
    uint64_t debounce_ns;     /* how long it must say so; not if that is about
                               * an instant only */
    uint64_t timeout_ns;      /* after which units that are not fixated are
                               * given up */
    uint32_t signal;          /* that the POD driver sends, too; 0: none */
    uint32_t gpio_line;       /* its offset on the chip */
    uint32_t gpio_active_low;   /* whether it is active when it is low */
    uint32_t gpio_debounce_us;  /* how long a level must last before the kernel
                                 * tells it */
    char raised_by[VPM_RAISED_BY_MAX + 1];  /* empty: nothing is fired */
    char path[VPM_DEVICE_PATH_MAX + 1];
};

struct vpm_request {
    uint32_t version;         /* VPM_PROTOCOL_VERSION */
    uint32_t kind;            /* enum vpm_request_kind */
    uint64_t id;              /* the client's; not 0 */
    uint64_t region;
    uint64_t created_ns;      /* of the region, see vpm_region_info */
    uint64_t started;         /* when QEMU was, in the words of the client */
    uint32_t number;          /* of a signal or a device */
    uint32_t pid;             /* of who sent that */
    struct vpm_event event;
    struct vpm_arming arming;
    struct vpm_outcome outcome;
    struct vpm_watch watch;
};

/* A unit, and how it is; what it was armed with last. */
struct vpm_unit_info {
    uint64_t region;
    uint64_t created_ns;
    uint64_t started;
    uint32_t state;           /* enum vpm_unit_state */
    uint32_t pid;             /* of QEMU */
    uint32_t route;
    uint32_t priority;
};

struct vpm_signal {
    uint64_t wall_ns;
    uint64_t monotonic_ns;
    uint32_t number;
    uint32_t pid;             /* of the sender; 0: the kernel */
};

struct vpm_word {
    uint64_t wall_ns;
    uint64_t monotonic_ns;
    uint64_t sequence;        /* the driver's */
    uint32_t device;
    uint32_t level;           /* enum vpm_level */
    uint32_t momentary;       /* it is about an instant, not a condition */
    uint32_t unused;
    char detail[VPM_DETAIL_MAX + 1];  /* in words; of VPM_LEVEL_LOST: why */
};

struct vpm_answer {
    uint32_t version;
    uint32_t kind;            /* of the request, or enum vpm_news_kind */
    uint64_t id;              /* of the request, or 0 */
    int32_t code;             /* enum vpm_code */
    uint32_t count;
    struct vpm_unit_info unit;
    struct vpm_signal signal;
    struct vpm_word word;
    struct vpm_outcome outcome;
    char message[VPM_MESSAGE_MAX + 1];  /* of a failure, or see above */
};

#endif
