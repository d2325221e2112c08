// SPDX-License-Identifier: GPL-2.0
/* pod_test_lines.c - a GPIO chip whose lines are what a test says
 *
 * Debian's kernels have no gpio-sim. Levels are module parameters that can be
 * written; a change raises the line's interrupt.
 */
#include <linux/gpio/driver.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/irqdomain.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#define LINES 2

static int levels[LINES];
static s64 high_from_ns;	/* CLOCK_MONOTONIC; all of them; 0: never */
static struct gpio_chip chip;
static struct platform_device *device;

static bool sleeping;
module_param(sleeping, bool, 0444);

static int get(struct gpio_chip *gc, unsigned int offset)
{
	if (high_from_ns && ktime_get_mono_fast_ns() >= high_from_ns)
		return 1;
	return READ_ONCE(levels[offset]);
}

static int get_direction(struct gpio_chip *gc, unsigned int offset)
{
	return GPIO_LINE_DIRECTION_IN;
}

static int direction_input(struct gpio_chip *gc, unsigned int offset)
{
	return 0;
}

static void nothing(struct irq_data *data)
{
}

static int set_type(struct irq_data *data, unsigned int type)
{
	return 0;
}

static const struct irq_chip irqs = {
	.name = "pod-test-lines",
	.irq_mask = nothing,
	.irq_unmask = nothing,
	.irq_set_type = set_type,
	.flags = IRQCHIP_IMMUTABLE,
	GPIOCHIP_IRQ_RESOURCE_HELPERS,
};

static int set_level(const char *value, const struct kernel_param *param)
{
	int *level = param->arg;
	int err = param_set_int(value, param);
	unsigned long flags;

	if (err || !chip.irq.domain)
		return err;
	local_irq_save(flags);
	generic_handle_domain_irq(chip.irq.domain, level - levels);
	local_irq_restore(flags);
	return 0;
}

static const struct kernel_param_ops level_ops = {
	.set = set_level,
	.get = param_get_int,
};
module_param_cb(level0, &level_ops, &levels[0], 0600);
module_param_cb(level1, &level_ops, &levels[1], 0600);

/* All lines are high so many milliseconds from now, without an interrupt. */
static int set_high_after(const char *value, const struct kernel_param *param)
{
	unsigned int ms;
	int err = kstrtouint(value, 0, &ms);

	if (!err)
		high_from_ns = ms ? ktime_get_ns() + ms * NSEC_PER_MSEC : 0;
	return err;
}

static const struct kernel_param_ops high_after_ops = {
	.set = set_high_after,
};
module_param_cb(high_after_ms, &high_after_ops, NULL, 0200);

static int __init lines_init(void)
{
	int err;

	device = platform_device_register_simple("pod-test-lines",
						 PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	chip = (struct gpio_chip) {
		.label = "pod-test-lines",
		.parent = &device->dev,
		.owner = THIS_MODULE,
		.base = -1,
		.ngpio = LINES,
		.can_sleep = sleeping,
		.get = get,
		.get_direction = get_direction,
		.direction_input = direction_input,
	};
	gpio_irq_chip_set_chip(&chip.irq, &irqs);
	chip.irq.handler = handle_simple_irq;
	chip.irq.default_type = IRQ_TYPE_NONE;
	err = gpiochip_add_data(&chip, NULL);
	if (err)
		platform_device_unregister(device);
	return err;
}

static void __exit lines_exit(void)
{
	gpiochip_remove(&chip);
	platform_device_unregister(device);
}

module_init(lines_init);
module_exit(lines_exit);

MODULE_DESCRIPTION("GPIO lines for the tests of pod.ko");
MODULE_LICENSE("GPL");
