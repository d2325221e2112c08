// SPDX-License-Identifier: GPL-2.0
/* lines.c - GPIO lines that are active while power is good
 *
 * The first line tells of failures (PWR_OK of a supply), a second one, if
 * there is one, warns (AC_OK, a battery unit). Firmware describes them by a
 * device that is compatible with "temporality,pod" (in ACPI: PRP0001) and has
 * the property "pod-gpios"; or else module parameters name them.
 */
#define pr_fmt(fmt) "pod: " fmt

#include <linux/gpio/consumer.h>
#include <linux/gpio/machine.h>
#include <linux/interrupt.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/printk.h>

#include "driver.h"

#define LINES 2

static char *gpio_chip;
module_param(gpio_chip, charp, 0444);
MODULE_PARM_DESC(gpio_chip,
		 "label of the GPIO chip, where firmware does not describe the lines");

static unsigned int gpio_line[LINES];
static int gpio_lines;
module_param_array(gpio_line, uint, &gpio_lines, 0444);
MODULE_PARM_DESC(gpio_line,
		 "offset of the line that is active while power is good[, and of one that warns]");

static bool gpio_active_low;
module_param(gpio_active_low, bool, 0444);
MODULE_PARM_DESC(gpio_active_low, "lines are active when low (default: no)");

static const enum pod_level inactive_means[LINES] = { POD_COMMIT, POD_WARN };

static struct gpio_desc *lines[LINES];
static bool watched;
/* Lines that cannot be read in interrupts are read in threads. */
static bool sleeping;
static DEFINE_MUTEX(mutex);
static DEFINE_SPINLOCK(spinlock);

/* What all lines say; not of sleeping ones. */
static enum pod_level read_lines(void)
{
	int i;

	for (i = 0; i < LINES; i++)
		if (lines[i] && gpiod_get_value(lines[i]) <= 0)
			return inactive_means[i];
	return POD_GOOD;
}

static enum pod_level read_sleeping_lines(void)
{
	int i;

	for (i = 0; i < LINES; i++)
		if (lines[i] && gpiod_get_value_cansleep(lines[i]) <= 0)
			return inactive_means[i];
	return POD_GOOD;
}

/* Reads and tells under one lock: what was read first is told first. */
static void look(struct pod_time when)
{
	unsigned long flags;

	if (sleeping) {
		mutex_lock(&mutex);
		pod_condition(POD_ORIGIN_LINE, read_sleeping_lines(), when);
		mutex_unlock(&mutex);
	} else {
		spin_lock_irqsave(&spinlock, flags);
		pod_condition(POD_ORIGIN_LINE, read_lines(), when);
		spin_unlock_irqrestore(&spinlock, flags);
	}
}

static irqreturn_t on_edge(int irq, void *data)
{
	look(pod_time_now());
	return IRQ_HANDLED;
}

bool pod_lines_watched(void)
{
	return READ_ONCE(watched);
}

bool pod_lines_good(void)
{
	return pod_lines_watched() && !sleeping &&
	       gpiod_get_value(lines[0]) > 0;
}

static void forget(void *data)
{
	WRITE_ONCE(watched, false);
	memset(lines, 0, sizeof(lines));
	pod_condition(POD_ORIGIN_LINE, POD_LOST, pod_time_now());
}

static int get_lines(struct device *dev)
{
	int i;

	sleeping = false;
	for (i = 0; i < LINES; i++) {
		lines[i] = i ? devm_gpiod_get_index_optional(dev, "pod", i,
							     GPIOD_IN) :
			       devm_gpiod_get_index(dev, "pod", i, GPIOD_IN);
		if (IS_ERR(lines[i]))
			return dev_err_probe(dev, PTR_ERR(lines[i]),
					     "cannot get line %d\n", i);
		if (lines[i] && gpiod_cansleep(lines[i]))
			sleeping = true;
	}
	return 0;
}

static int get_interrupts(struct device *dev)
{
	unsigned long flags = IRQF_TRIGGER_RISING | IRQF_TRIGGER_FALLING;
	int err, i, irq;

	for (i = 0; i < LINES; i++) {
		if (!lines[i])
			continue;
		irq = gpiod_to_irq(lines[i]);
		if (irq < 0)
			return dev_err_probe(dev, irq,
					     "line %d has no interrupt\n", i);
		err = devm_request_threaded_irq(dev, irq,
						sleeping ? NULL : on_edge,
						sleeping ? on_edge : NULL,
						flags | (sleeping ? IRQF_ONESHOT : 0),
						"pod", NULL);
		if (err)
			return dev_err_probe(dev, err,
					     "cannot have the interrupt of line %d\n",
					     i);
	}
	return 0;
}

static int pod_probe(struct platform_device *device)
{
	struct device *dev = &device->dev;
	int err;

	if (pod_lines_watched())
		return dev_err_probe(dev, -EBUSY,
				     "lines of another device are watched\n");
	err = get_lines(dev);
	if (err)
		return err;
	/* Before the interrupts, so that it comes after them at the end. */
	err = devm_add_action(dev, forget, NULL);
	if (err)
		return err;
	err = get_interrupts(dev);
	if (err)
		return err;
	WRITE_ONCE(watched, true);
	look(pod_time_now());
	return 0;
}

static const struct of_device_id of_matches[] = {
	{ .compatible = "temporality,pod" },
	{ }
};
MODULE_DEVICE_TABLE(of, of_matches);

static struct platform_driver driver = {
	.driver = {
		.name = "pod",
		.of_match_table = of_matches,
	},
	.probe = pod_probe,
};

static struct gpiod_lookup_table lookup = {
	.dev_id = "pod",
	.table = {
		{ }, { }, { }
	},
};

static struct platform_device *described;

/* Make the device that firmware does not know of. */
static int describe(void)
{
	unsigned long flags = gpio_active_low ? GPIO_ACTIVE_LOW :
						GPIO_ACTIVE_HIGH;
	int i;

	if (!gpio_chip && !gpio_lines)
		return 0;
	if (!gpio_chip || !gpio_lines) {
		pr_err("gpio_chip and gpio_line: give both or none\n");
		return -EINVAL;
	}
	if (!IS_ENABLED(CONFIG_GPIOLIB)) {
		pr_err("gpio_chip=%s: this kernel has no GPIO lines\n",
		       gpio_chip);
		return -EOPNOTSUPP;
	}
	for (i = 0; i < gpio_lines; i++)
		lookup.table[i] = GPIO_LOOKUP_IDX(gpio_chip, gpio_line[i],
						  "pod", i, flags);
	gpiod_add_lookup_table(&lookup);
	described = platform_device_register_simple("pod", PLATFORM_DEVID_NONE,
						    NULL, 0);
	if (IS_ERR(described)) {
		gpiod_remove_lookup_table(&lookup);
		return PTR_ERR(described);
	}
	return 0;
}

int pod_lines_init(void)
{
	int err = platform_driver_register(&driver);

	if (err)
		return err;
	err = describe();
	if (err)
		platform_driver_unregister(&driver);
	return err;
}

void pod_lines_exit(void)
{
	if (described) {
		platform_device_unregister(described);
		gpiod_remove_lookup_table(&lookup);
	}
	platform_driver_unregister(&driver);
}
