/* SPDX-License-Identifier: Apache-2.0 */
/* gpio_line.h -- a line of a GPIO chip that is active while power is good
 *
 * Version 2 of the kernel's interface, see linux/gpio.h. */
#ifndef VPM_GPIO_LINE_H
#define VPM_GPIO_LINE_H

#include "device_methods.h"

extern const struct vpm_device_methods vpm_gpio_device;

#endif
