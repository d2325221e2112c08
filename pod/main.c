// SPDX-License-Identifier: GPL-2.0
/* main.c - parameters, coming and going of the driver */
#define pr_fmt(fmt) "pod: " fmt

#include <linux/module.h>
#include <linux/printk.h>

#include "driver.h"

#define HOLD_UP_MS_MAX 60000
/* Far below what lockup detectors and coarse clocks would mind. */
#define PARK_MS_MAX 1000

unsigned int pod_hold_up_ms = 10;
module_param_named(hold_up_ms, pod_hold_up_ms, uint, 0444);
MODULE_PARM_DESC(hold_up_ms,
		 "milliseconds from the event within which it has to be acknowledged (default 10)");

unsigned int pod_park_ms;
module_param_named(park_ms, pod_park_ms, uint, 0444);
MODULE_PARM_DESC(park_ms,
		 "milliseconds, at most, to park all CPUs after the acknowledgement (default 0: not at all)");

bool pod_test_trigger;
module_param_named(test_trigger, pod_test_trigger, bool, 0444);
MODULE_PARM_DESC(test_trigger,
		 "let root say through sysfs how power is (default: no)");

u32 pod_inputs(void)
{
	return (pod_lines_watched() ? POD_INPUT_LINES : 0) |
	       (pod_nmi_watched() ? POD_INPUT_NMI : 0) |
	       (pod_test_trigger ? POD_INPUT_TEST : 0);
}

static int check_range(const char *name, unsigned int value, unsigned int low,
		       unsigned int high)
{
	if (value >= low && value <= high)
		return 0;
	pr_err("%s=%u is out of range; give %u to %u\n", name, value, low,
	       high);
	return -EINVAL;
}

static int __init pod_init(void)
{
	int err;

	BUILD_BUG_ON(sizeof(struct pod_event) != 40);
	BUILD_BUG_ON(sizeof(struct pod_info) != 24);
	BUILD_BUG_ON(sizeof(struct pod_registration) != 8);
	BUILD_BUG_ON(sizeof(struct pod_write_back) != 16);

	err = check_range("hold_up_ms", pod_hold_up_ms, 1, HOLD_UP_MS_MAX);
	if (!err)
		err = check_range("park_ms", pod_park_ms, 0, PARK_MS_MAX);
	if (err)
		return err;
	if (pod_test_trigger)
		pod_condition(POD_ORIGIN_TEST, POD_GOOD, pod_time_now());
	err = pod_device_init();
	if (err)
		return err;
	err = pod_nmi_init();
	if (err)
		goto no_nmi;
	err = pod_lines_init();
	if (err)
		goto no_lines;
	return 0;

no_lines:
	pod_nmi_exit();
no_nmi:
	pod_device_exit();
	pod_notifier_exit();
	return err;
}

static void __exit pod_exit(void)
{
	pod_lines_exit();
	pod_nmi_exit();
	pod_device_exit();
	pod_notifier_exit();
}

module_init(pod_init);
module_exit(pod_exit);

MODULE_DESCRIPTION("Power outage detector of Temporality");
MODULE_AUTHOR("Temporality developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("1");
