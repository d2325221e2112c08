// SPDX-License-Identifier: GPL-2.0
/* nmi.c - non-maskable interrupts that nobody else claims
 *
 * Some platforms wire the supply's failure to one. The handler only notes the
 * time; all else is done by an interrupt that follows at once.
 */
#define pr_fmt(fmt) "pod: " fmt

#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <asm/nmi.h>

#include "driver.h"

static bool nmi;
module_param(nmi, bool, 0444);
MODULE_PARM_DESC(nmi,
		 "take NMIs of unknown origin for power failures (default: no)");

static struct pod_time when;

static void after_nmi(struct irq_work *work)
{
	pod_instant(POD_ORIGIN_NMI, when);
}

static DEFINE_IRQ_WORK(work, after_nmi);

/* One NMI may come to several CPUs: those are one event. */
static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	when = pod_time_now();
	atomic64_inc(&pod_statistics.nmis);
	irq_work_queue(&work);
	return NMI_HANDLED;
}

bool pod_nmi_watched(void)
{
	return nmi;
}

int pod_nmi_init(void)
{
	int err;

	if (!nmi)
		return 0;
	err = register_nmi_handler(NMI_UNKNOWN, on_nmi, 0, "pod");
	if (err)
		pr_err("NMIs cannot be had (%d)\n", err);
	return err;
}

void pod_nmi_exit(void)
{
	if (!nmi)
		return;
	unregister_nmi_handler(NMI_UNKNOWN, "pod");
	irq_work_sync(&work);
}
