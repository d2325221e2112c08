// SPDX-License-Identifier: GPL-2.0
/* statistics.c - /sys/class/misc/pod: what happened, and the test trigger */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "driver.h"

struct pod_statistics pod_statistics;

static const char * const level_names[] = {
	[POD_LOST] = "lost",
	[POD_GOOD] = "good",
	[POD_WARN] = "warn",
	[POD_COMMIT] = "commit",
};

#define STATISTIC(name)							\
static ssize_t name##_show(struct device *dev,				\
			   struct device_attribute *attr, char *buffer)	\
{									\
	return sysfs_emit(buffer, "%lld\n",				\
			  atomic64_read(&pod_statistics.name));		\
}									\
static DEVICE_ATTR_RO(name)

STATISTIC(events);
STATISTIC(nmis);
STATISTIC(acknowledged);
STATISTIC(late);
STATISTIC(missed);
STATISTIC(acknowledge_ns);
STATISTIC(notifiers_gone);
STATISTIC(signals_failed);
STATISTIC(write_backs);
STATISTIC(write_back_cpus);
STATISTIC(write_back_ns);
STATISTIC(parks);
STATISTIC(park_ns);

static struct attribute *statistics_attributes[] = {
	&dev_attr_events.attr,
	&dev_attr_nmis.attr,
	&dev_attr_acknowledged.attr,
	&dev_attr_late.attr,
	&dev_attr_missed.attr,
	&dev_attr_acknowledge_ns.attr,
	&dev_attr_notifiers_gone.attr,
	&dev_attr_signals_failed.attr,
	&dev_attr_write_backs.attr,
	&dev_attr_write_back_cpus.attr,
	&dev_attr_write_back_ns.attr,
	&dev_attr_parks.attr,
	&dev_attr_park_ns.attr,
	NULL
};

static const struct attribute_group statistics_group = {
	.name = "statistics",
	.attrs = statistics_attributes,
};

/* How power is, as all lines together say. */
static ssize_t level_show(struct device *dev, struct device_attribute *attr,
			  char *buffer)
{
	return sysfs_emit(buffer, "%s\n", level_names[pod_level()]);
}
static DEVICE_ATTR_RO(level);

/* Process id of the notifier; 0: there is none. */
static ssize_t notifier_show(struct device *dev,
			     struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%d\n", pod_notifier_pid());
}
static DEVICE_ATTR_RO(notifier);

/* Says how power is, as a line would: good, warn or commit. */
static ssize_t trigger_store(struct device *dev, struct device_attribute *attr,
			     const char *buffer, size_t size)
{
	int level = sysfs_match_string(level_names, buffer);

	if (level < POD_GOOD)
		return -EINVAL;
	pod_condition(POD_ORIGIN_TEST, level, pod_time_now());
	return size;
}
static DEVICE_ATTR_WO(trigger);

static struct attribute *attributes[] = {
	&dev_attr_level.attr,
	&dev_attr_notifier.attr,
	&dev_attr_trigger.attr,
	NULL
};

static umode_t is_visible(struct kobject *kobj, struct attribute *attribute,
			  int index)
{
	if (attribute == &dev_attr_trigger.attr && !pod_test_trigger)
		return 0;
	return attribute->mode;
}

static const struct attribute_group group = {
	.attrs = attributes,
	.is_visible = is_visible,
};

const struct attribute_group *pod_groups[] = {
	&group,
	&statistics_group,
	NULL
};
