// SPDX-License-Identifier: GPL-2.0
/* device.c - the character device /dev/pod */
#include <linux/capability.h>
#include <linux/cpufeature.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

static int pod_open(struct inode *inode, struct file *file)
{
	struct pod_reader *reader = kzalloc(sizeof(*reader), GFP_KERNEL);

	if (!reader)
		return -ENOMEM;
	pod_reader_init(reader);
	file->private_data = reader;
	return stream_open(inode, file);
}

static int pod_release(struct inode *inode, struct file *file)
{
	pod_notifier_closed(file);
	kfree(file->private_data);
	return 0;
}

/* Waits until there is an event, and takes it. */
static int wait_for_event(struct file *file, struct pod_event *event)
{
	struct pod_reader *reader = file->private_data;

	while (!pod_reader_next(reader, event)) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(pod_readers,
					     pod_reader_ready(reader)))
			return -ERESTARTSYS;
	}
	return 0;
}

static ssize_t pod_read(struct file *file, char __user *buffer, size_t size,
			loff_t *offset)
{
	struct pod_event event;
	size_t done = 0;
	int err;

	if (size < sizeof(event))
		return -EINVAL;
	err = wait_for_event(file, &event);
	if (err)
		return err;
	do {
		if (copy_to_user(buffer + done, &event, sizeof(event)))
			return done ? done : -EFAULT;
		done += sizeof(event);
	} while (size - done >= sizeof(event) &&
		 pod_reader_next(file->private_data, &event));
	return done;
}

static __poll_t pod_poll(struct file *file, poll_table *wait)
{
	poll_wait(file, &pod_readers, wait);
	return pod_reader_ready(file->private_data) ? EPOLLIN | EPOLLRDNORM : 0;
}

static long info(void __user *arg)
{
	struct pod_info info = {
		.abi = POD_ABI,
		.inputs = pod_inputs(),
		.hold_up_ms = pod_hold_up_ms,
		.park_ms = pod_park_ms,
	};

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		info.features |= POD_WRITES_BACK;
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long enroll(struct file *file, void __user *arg)
{
	struct pod_registration registration;

	if (copy_from_user(&registration, arg, sizeof(registration)))
		return -EFAULT;
	return pod_notifier_register(file, &registration);
}

static long write_back(void __user *arg)
{
	struct pod_write_back result = {};
	int err = pod_caches_write_back(&result);

	if (err)
		return err;
	return copy_to_user(arg, &result, sizeof(result)) ? -EFAULT : 0;
}

static long acknowledge(struct file *file, void __user *arg)
{
	u64 sequence;

	if (copy_from_user(&sequence, arg, sizeof(sequence)))
		return -EFAULT;
	return pod_notifier_acknowledge(file, sequence);
}

static long pod_ioctl(struct file *file, unsigned int command,
		      unsigned long value)
{
	void __user *arg = (void __user *)value;

	if (command == POD_INFO)
		return info(arg);
	if (command != POD_REGISTER && command != POD_WRITE_BACK &&
	    command != POD_ACKNOWLEDGE)
		return -ENOTTY;
	/* What they do is akin to halting the machine. */
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	switch (command) {
	case POD_REGISTER:
		return enroll(file, arg);
	case POD_WRITE_BACK:
		return write_back(arg);
	default:
		return acknowledge(file, arg);
	}
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = pod_open,
	.release = pod_release,
	.read = pod_read,
	.poll = pod_poll,
	.unlocked_ioctl = pod_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pod",
	.mode = 0600,
	.fops = &operations,
	.groups = pod_groups,
};

int pod_device_init(void)
{
	return misc_register(&device);
}

void pod_device_exit(void)
{
	misc_deregister(&device);
}
