/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.S -- a guest that fills its memory, and checks what it filled
 *
 * A boot sector.  In protected mode it goes over the memory from START to END
 * again and again: each page must still be full of what the round before wrote
 * there, and gets the value of this round.  The round is kept in a register,
 * which does not survive unless vCPU state does. */

#ifndef END
#error "END, where the memory ends, is given on the command line"
#endif

#define START 0x100000
#define PAGES_DONE 0x9000       /* counts */
#define ROUND 0x9004
#define BAD 0x9008              /* address of what was wrong */
#define FACTOR 0x9e3779b1

        .code16
        .globl _start
_start: cli
        xor %ax, %ax
        mov %ax, %ds
        incl 0x900c             /* boots */
        lgdt gdt_descriptor
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmp $8, $protected

        .code32
protected:
        mov $16, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        cld
        mov $1, %ebx            /* round */
round:  mov %ebx, ROUND
        mov $START, %esi
page:   lea -1(%ebx), %eax      /* what the round before wrote */
        test %eax, %eax
        jz fill
        imul $FACTOR, %eax
        add %esi, %eax
        mov %esi, %edi
        mov $1024, %ecx
        repe scasl
        jne bad
fill:   imul $FACTOR, %ebx, %eax
        add %esi, %eax
        mov %esi, %edi
        mov $1024, %ecx
        rep stosl
        incl PAGES_DONE
        add $4096, %esi
        cmp $END, %esi
        jb page
        inc %ebx
        jmp round

bad:    mov %edi, BAD
        hlt
        jmp bad

        .align 8
gdt:    .quad 0
        .quad 0x00cf9a000000ffff
        .quad 0x00cf92000000ffff
gdt_descriptor:
        .word 23
        .long gdt

        .org 510
        .word 0xaa55
