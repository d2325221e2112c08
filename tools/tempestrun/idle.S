/* SPDX-License-Identifier: Apache-2.0 */
/* idle.S -- a guest for tests that look at their servers from outside only
 *
 * A boot sector.  It says on the serial console that it lives, as often as
 * tempest wants to read lines there, and sleeps for ever.  An operating system
 * that boots on an emulated CPU would cost each of two hundred servers some
 * seconds of the host's time. */

#define PORT 0x3f8
#define LINE_STATUS (PORT + 5)
#define CAN_SEND 0x20
#define LINES 25

        .code16
        .globl _start
_start: cli
        cld
        xor %ax, %ax
        mov %ax, %ds
        mov $LINES, %cx
line:   mov $text, %si
char:   mov $LINE_STATUS, %dx
wait:   in %dx, %al
        test $CAN_SEND, %al
        jz wait
        lodsb
        test %al, %al
        jz end
        mov $PORT, %dx
        out %al, %dx
        jmp char
end:    loop line
sleep:  hlt
        jmp sleep

text:   .asciz "an idle guest lives\r\n"

        /* Glance wants a partition in a table that it takes for one: active,
         * of Linux, all behind this sector. */
        .org 446
        .byte 0x80, 0, 2, 0, 0x83, 0, 2, 0
        .long 1, 2047

        .org 510
        .word 0xaa55
