// SPDX-License-Identifier: GPL-2.0
/* notifier.c - who fixates, and whether it has done so in time */
#define pr_fmt(fmt) "pod: " fmt

#include <linux/minmax.h>
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "driver.h"

static void on_time_out(struct work_struct *work);

static DEFINE_SPINLOCK(lock);
static struct file *registered;		/* by whom; only compared */
static struct pid *notifier;
static u32 notifier_signal;
static u64 committed;			/* latest event of POD_COMMIT */
static u64 acknowledged;		/* latest one of them that was */
static s64 waiting_since_ns;		/* for that; 0: nothing to wait for */
static DECLARE_DELAYED_WORK(time_out, on_time_out);

static s64 deadline_ns(void)
{
	return waiting_since_ns + pod_hold_up_ms * NSEC_PER_MSEC;
}

/* Takes the notifier away; with the lock held. The caller puts the pid. */
static struct pid *unregister(void)
{
	struct pid *pid = notifier;

	registered = NULL;
	notifier = NULL;
	return pid;
}

/* Whether the notifier has ended without its file being closed, which
 * somebody else has inherited; with the lock held.
 */
static bool has_ended(void)
{
	bool ended;

	rcu_read_lock();
	ended = !pid_task(notifier, PIDTYPE_TGID);
	rcu_read_unlock();
	return ended;
}

static void send_signal(struct pid *pid, u32 number)
{
	int err = kill_pid(pid, number, 1);

	if (!err)
		return;
	atomic64_inc(&pod_statistics.signals_failed);
	pr_err_ratelimited("no signal could be sent to the notifier, process %d (%d)\n",
			   pid_nr(pid), err);
}

void pod_notifier_commit(const struct pod_event *event)
{
	struct pid *pid = NULL;
	unsigned long flags;
	u32 number;

	spin_lock_irqsave(&lock, flags);
	committed = max(committed, event->sequence);
	if (!waiting_since_ns) {
		waiting_since_ns = event->monotonic_ns;
		mod_delayed_work(system_highpri_wq, &time_out,
				 msecs_to_jiffies(pod_hold_up_ms) + 1);
	}
	number = notifier_signal;
	if (notifier && number)
		pid = get_pid(notifier);
	spin_unlock_irqrestore(&lock, flags);
	if (pid)
		send_signal(pid, number);
	put_pid(pid);
}

static void on_time_out(struct work_struct *work)
{
	bool missed, present;
	u64 sequence;

	spin_lock_irq(&lock);
	/* The work may be that of an event before. */
	missed = waiting_since_ns && ktime_get_ns() >= deadline_ns();
	if (missed)
		waiting_since_ns = 0;
	sequence = committed;
	present = notifier;
	spin_unlock_irq(&lock);
	if (!missed)
		return;
	atomic64_inc(&pod_statistics.missed);
	pr_err("event %llu was not acknowledged within %u ms%s\n", sequence,
	       pod_hold_up_ms, present ? "" : "; there is no notifier");
}

int pod_notifier_register(struct file *file,
			  const struct pod_registration *registration)
{
	struct pid *before;

	if (registration->abi != POD_ABI ||
	    (registration->signal && registration->signal != POD_SIGNAL))
		return -EINVAL;
	spin_lock_irq(&lock);
	if (registered && registered != file && !has_ended()) {
		spin_unlock_irq(&lock);
		return -EBUSY;
	}
	before = unregister();
	registered = file;
	notifier = get_pid(task_tgid(current));
	notifier_signal = registration->signal;
	spin_unlock_irq(&lock);
	put_pid(before);
	pr_info("process %d is the notifier\n", task_tgid_nr(current));
	return 0;
}

void pod_notifier_closed(struct file *file)
{
	struct pid *before = NULL;
	bool waiting;

	spin_lock_irq(&lock);
	if (registered == file)
		before = unregister();
	waiting = waiting_since_ns;
	spin_unlock_irq(&lock);
	if (!before)
		return;
	atomic64_inc(&pod_statistics.notifiers_gone);
	if (waiting)
		pr_err("the notifier has gone before it acknowledged an event\n");
	else
		pr_notice("the notifier has gone\n");
	put_pid(before);
}

/* Whether the event may be acknowledged; with the lock held. */
static int check(struct file *file, u64 sequence)
{
	if (registered != file)
		return -EPERM;
	if (!sequence || sequence > committed)
		return -EINVAL;
	return sequence <= acknowledged ? -EALREADY : 0;
}

/* Notes that an event was dealt with. */
static void settle(u64 sequence)
{
	s64 now_ns = ktime_get_ns();

	spin_lock_irq(&lock);
	if (waiting_since_ns && now_ns < deadline_ns()) {
		atomic64_inc(&pod_statistics.acknowledged);
		atomic64_set(&pod_statistics.acknowledge_ns,
			     now_ns - waiting_since_ns);
	} else {
		/* The work may not have come to see that. */
		if (waiting_since_ns)
			atomic64_inc(&pod_statistics.missed);
		atomic64_inc(&pod_statistics.late);
	}
	acknowledged = max(acknowledged, sequence);
	if (sequence >= committed)
		waiting_since_ns = 0;
	spin_unlock_irq(&lock);
}

int pod_notifier_acknowledge(struct file *file, u64 sequence)
{
	struct pod_write_back result;
	int err;

	spin_lock_irq(&lock);
	err = check(file, sequence);
	spin_unlock_irq(&lock);
	if (!err)
		err = pod_caches_write_back(&result);
	if (err)
		return err;
	settle(sequence);
	return pod_park_ms ? pod_caches_write_back_and_park() : 0;
}

int pod_notifier_pid(void)
{
	int number;

	spin_lock_irq(&lock);
	number = pid_vnr(notifier);
	spin_unlock_irq(&lock);
	return number;
}

void pod_notifier_exit(void)
{
	cancel_delayed_work_sync(&time_out);
}
