/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * pod.h - what /dev/pod, the power outage detector (POD), says and takes
 *
 * The POD path of Temporality (SRDS 2015): the POD raises an interrupt when
 * input voltage drops (1); this driver forwards it to the notifier, by
 * real-time signal 44 and as an event (2); the notifier fixates all pVMs and
 * tells the driver that saving is done (3); the driver writes all CPU caches
 * back and stops memory operations (4).
 *
 * Events: read(2) blocks, or fails with EAGAIN when O_NONBLOCK is set, until
 * there is one, and returns as many whole ones as there are and fit; poll(2)
 * tells EPOLLIN. Every open file reads all events that come after its open(2).
 * Where the driver knows how power is (from lines, not from NMIs) the first
 * event that a file reads is that (POD_EVENT_STATE). EINVAL: there is no room
 * for one event. After EFAULT the event at the bad address is lost.
 *
 * Sizes and numbers never change while POD_ABI stays the same.
 */
#ifndef POD_H
#define POD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define POD_ABI 1
#define POD_SIGNAL 44		/* the papers' */

/* How power is. */
enum pod_level {
	POD_LOST = 0,		/* no line tells any more */
	POD_GOOD = 1,
	POD_WARN = 2,		/* it may fail soon */
	POD_COMMIT = 3,		/* it fails */
};

/* Who said so. */
enum pod_origin {
	POD_ORIGIN_LINE = 1,
	POD_ORIGIN_NMI = 2,
	POD_ORIGIN_TEST = 3,
};

/* The event tells how power is, and not that this has changed just now. */
#define POD_EVENT_STATE (1U << 0)

struct pod_event {
	__u64 sequence;		/* 1, 2, ... since the driver was loaded */
	__s64 monotonic_ns;	/* CLOCK_MONOTONIC and */
	__s64 realtime_ns;	/* CLOCK_REALTIME of the interrupt */
	__u32 level;		/* enum pod_level */
	__u32 origin;		/* enum pod_origin */
	__u32 flags;		/* POD_EVENT_STATE or none */
	__u32 missed;		/* events before this one that were overwritten
				 * before this file had read them
				 */
};

/* What the driver watches. */
#define POD_INPUT_LINES (1U << 0)
#define POD_INPUT_NMI (1U << 1)
#define POD_INPUT_TEST (1U << 2)

/* POD_WRITE_BACK reaches the caches; not in a virtual machine, whose
 * hypervisor may take WBINVD and do nothing.
 */
#define POD_WRITES_BACK (1U << 0)

struct pod_info {
	__u32 abi;		/* POD_ABI of the driver */
	__u32 inputs;		/* POD_INPUT_... */
	__u32 features;		/* POD_WRITES_BACK or none */
	__u32 hold_up_ms;	/* for an acknowledgement, from the event on */
	__u32 park_ms;		/* of CPUs after it; 0: not at all */
	__u32 reserved;		/* 0 */
};

struct pod_registration {
	__u32 abi;		/* POD_ABI of the caller */
	__u32 signal;		/* POD_SIGNAL, or 0 for none */
};

struct pod_write_back {
	__u64 duration_ns;
	__u32 cpus;		/* that took part: all that are online */
	__u32 reserved;		/* 0 */
};

/*
 * POD_INFO: for everybody who may open the device.
 *
 * The others need CAP_SYS_BOOT (EPERM):
 *
 * POD_REGISTER: makes the calling process the notifier, until it closes the
 * file or ends. It gets the signal with every event of level POD_COMMIT.
 * EBUSY: another one is. EINVAL: another ABI, or another signal.
 *
 * POD_WRITE_BACK: writes back and invalidates the caches of all CPUs. What
 * was stored anywhere before the call is in memory after it. Calls at the
 * same time share one. EIO: a CPU was not reached; nothing may be believed.
 *
 * POD_ACKNOWLEDGE: the notifier has done all that it can about the event of
 * this sequence number, of level POD_COMMIT, and all before. Does what
 * POD_WRITE_BACK does, then parks the CPUs if the driver was loaded so.
 * EPERM: not the notifier. EINVAL: there was no such event. EALREADY: it was
 * acknowledged before.
 */
#define POD_INFO _IOR(0xD9, 0, struct pod_info)
#define POD_REGISTER _IOW(0xD9, 1, struct pod_registration)
#define POD_WRITE_BACK _IOR(0xD9, 2, struct pod_write_back)
#define POD_ACKNOWLEDGE _IOW(0xD9, 3, __u64)

#endif
