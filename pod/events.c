// SPDX-License-Identifier: GPL-2.0
/* events.c - how power is, and the events about it */
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "driver.h"

/* More than any notifier could be behind without being dead. */
#define KEPT 64

static DEFINE_SPINLOCK(lock);
static struct pod_event kept[KEPT];	/* sequence n is in kept[n % KEPT] */
static u64 last;			/* sequence number; 0: none yet */
static enum pod_level levels[POD_ORIGIN_TEST + 1];	/* by origin */
static struct pod_event state = { .level = POD_LOST };

DECLARE_WAIT_QUEUE_HEAD(pod_readers);

/* With the lock held. */
static struct pod_event add(enum pod_origin origin, enum pod_level level,
			    struct pod_time when)
{
	struct pod_event event = {
		.sequence = ++last,
		.monotonic_ns = when.monotonic_ns,
		.realtime_ns = when.realtime_ns,
		.level = level,
		.origin = origin,
	};

	kept[last % KEPT] = event;
	return event;
}

/* Without the lock, since others' locks are taken in here. */
static void tell(const struct pod_event *event)
{
	atomic64_inc(&pod_statistics.events);
	if (event->level == POD_COMMIT)
		pod_notifier_commit(event);
	wake_up_interruptible(&pod_readers);
}

void pod_condition(enum pod_origin origin, enum pod_level level,
		   struct pod_time when)
{
	enum pod_level worst = POD_LOST;
	struct pod_event event;
	unsigned long flags;
	bool changed;
	int i;

	spin_lock_irqsave(&lock, flags);
	levels[origin] = level;
	for (i = 0; i < ARRAY_SIZE(levels); i++)
		worst = max(worst, levels[i]);
	changed = worst != state.level;
	if (changed) {
		event = add(origin, worst, when);
		state = event;
		state.flags = POD_EVENT_STATE;
	}
	spin_unlock_irqrestore(&lock, flags);
	if (changed)
		tell(&event);
}

void pod_instant(enum pod_origin origin, struct pod_time when)
{
	struct pod_event event;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	event = add(origin, POD_COMMIT, when);
	spin_unlock_irqrestore(&lock, flags);
	tell(&event);
}

enum pod_level pod_level(void)
{
	return READ_ONCE(state.level);
}

void pod_reader_init(struct pod_reader *reader)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	reader->next = last + 1;
	reader->tell_state = state.level != POD_LOST;
	spin_unlock_irqrestore(&lock, flags);
}

bool pod_reader_ready(struct pod_reader *reader)
{
	unsigned long flags;
	bool ready;

	spin_lock_irqsave(&lock, flags);
	ready = reader->tell_state || reader->next <= last;
	spin_unlock_irqrestore(&lock, flags);
	return ready;
}

/* With the lock held. */
static bool take(struct pod_reader *reader, struct pod_event *event)
{
	u64 missed = 0;

	if (reader->tell_state) {
		reader->tell_state = false;
		*event = state;
		return true;
	}
	if (reader->next > last)
		return false;
	if (last - reader->next >= KEPT)
		missed = last - KEPT + 1 - reader->next;
	reader->next += missed;
	*event = kept[reader->next++ % KEPT];
	event->missed = min_t(u64, missed, U32_MAX);
	return true;
}

bool pod_reader_next(struct pod_reader *reader, struct pod_event *event)
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&lock, flags);
	taken = take(reader, event);
	spin_unlock_irqrestore(&lock, flags);
	return taken;
}
