/* SPDX-License-Identifier: Apache-2.0 */
/* main.h -- temporality-engine, the process that fixates all pVMs of a pool
 *
 * It is started by the command temporality-engine, which reads the
 * configuration (nova_temporality/cmd/engine.py).  protocol.h says how the
 * notifier makes use of it. */
#ifndef VPM_MAIN_H
#define VPM_MAIN_H

int main(int argc, char **argv);

#endif
