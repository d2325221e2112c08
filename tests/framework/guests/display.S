/* SPDX-License-Identifier: Apache-2.0 */
/* display.S -- a guest that looks after memory which is not its RAM
 *
 * A boot sector.  It fills the display's text memory with a pattern and adds
 * up the option ROM of the display, as the firmware left it at c000:0.  Then
 * it counts, and looks in every round whether both are as they were. */

#define COUNTER 0x9000
#define WRONG 0x900c
#define DRAW 0x9010             /* written by the test: spoil the screen */
#define CELLS 64                /* words on the screen */
#define ROM_WORDS 0x1000

        .code16
        .globl _start
_start: cli
        cld
        xor %ax, %ax
        mov %ax, %ds
        mov %ax, %ss
        mov $0x7c00, %sp
        movw $0, WRONG
        movw $0, DRAW
        xor %ebx, %ebx
        call screen
fill:   call cell
        stosw
        loop fill
        call add_up
        mov %dx, %bp

again:  inc %ebx
        mov %ebx, COUNTER
        call screen
        mov DRAW, %ax
        test %ax, %ax
        jz check
        mov %ax, %es:(%di)
check:  call cell
        scasw
        jne bad
        loop check
        call add_up
        cmp %dx, %bp
        je again
bad:    movw $0xdead, WRONG
        jmp again

screen: mov $0xb800, %ax
        mov %ax, %es
        xor %di, %di
        mov $CELLS, %cx
        ret

cell:   mov %di, %ax
        xor $0x075a, %ax
        ret

add_up: mov $0xc000, %ax
        mov %ax, %es
        xor %di, %di
        xor %dx, %dx
        mov $ROM_WORDS, %cx
add:    add %es:(%di), %dx
        add $2, %di
        loop add
        ret

        .org 510
        .word 0xaa55
