/* SPDX-License-Identifier: Apache-2.0 */
/* start.S -- how the guest's CPUs get to C
 *
 * QEMU's -kernel loads the guest as the Multiboot specification (0.6.96)
 * says: the first CPU comes in protected mode, with all memory in its
 * segments.  The others come in real mode, to a page below 1 MiB. */
#include "guest.h"

#define STACK_SIZE 4096
#define MAGIC 0x1badb002
#define WANT_MEMORY_SIZE 2

        .macro load_segments
        mov $16, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %fs
        mov %ax, %gs
        mov %ax, %ss
        .endm

        .text
        .align 4
        .long MAGIC, WANT_MEMORY_SIZE, -(MAGIC + WANT_MEMORY_SIZE)

        .globl _start
_start: cli
        lgdt gdt_descriptor
        ljmp $8, $1f
1:      load_segments
        mov $stacks + STACK_SIZE, %esp
        push %ebx               /* struct multiboot */
        call first_cpu

another:
        load_segments
        mov $1, %eax
        lock xadd %eax, REPORT + REPORT_CPUS
        cmp $CPUS_MOST, %eax
        jae too_many
        lea 1(%eax), %esp
        shl $12, %esp
        add $stacks, %esp
        push %eax
        call other_cpu
too_many:
        hlt
        jmp too_many

/* Copied to TRAMPOLINE. */
        .code16
        .globl trampoline, trampoline_end
trampoline:
        cli
        xor %ax, %ax
        mov %ax, %ds
        lgdtl TRAMPOLINE + trampoline_gdt - trampoline
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmpl $8, $another
        .align 4
trampoline_gdt:
        .word 23
        .long gdt
trampoline_end:

        .data
        .align 8
gdt:    .quad 0
        .quad 0x00cf9a000000ffff
        .quad 0x00cf92000000ffff
gdt_descriptor:
        .word 23
        .long gdt

        .bss
        .align 4096
stacks: .skip CPUS_MOST * STACK_SIZE

        .section .note.GNU-stack, "", @progbits
