package namespace

import "encoding/binary"

const elfMachine = 183 // EM_AARCH64

// machine is the interpreter of programs, in machine code. It reads a program
// from its control socket to its fixed place, and makes its calls one by one. x19 is
// the current call.
func machine() []byte {
	return words(
		0xb24017e8,              // mov x8, #63          ; read(
		0xd2800000|controlFD<<5, // mov x0, #63 ;   control,
		0xd2a20001,              // mov x1, #0x10000000  ;   base,
		0xb26c03e2,              // mov x2, #0x100000    ;   room)
		0xd4000001,              // svc #0
		0xd2a20013,              // mov x19, #0x10000000
		// loop:
		0xf9400268, // ldr x8, [x19]        ; number
		0xa9408660, // ldp x0, x1, [x19, 8] ; arguments
		0xa9418e62, // ldp x2, x3, [x19, 24]
		0xa9429664, // ldp x4, x5, [x19, 40]
		0xf9401e74, // ldr x20, [x19, 56]   ; control: the call may read a new program
		0xd4000001, // svc #0
		0xb13ffc1f, // cmn x0, #4095
		0x54000102, // b.cs fail            ; an errno
		0xb40000a0, // cbz x0, next
		0x927ae689, // and x9, x20, #-64    ; where a result that is not
		0xb4000069, // cbz x9, next         ; 0 leads, if anywhere
		0xaa0903f3, // mov x19, x9
		0x17fffff4, // b loop
		// next:
		0x91010273, // add x19, x19, #64
		0x17fffff2, // b loop
		// fail:
		0x3707ffd4,              // tbnz w20, #0, next   ; it may fail
		0xa9bf03f3,              // stp x19, x0, [sp, -16]! ; which call, -errno
		0xb27a03e8,              // mov x8, #64          ; write(
		0xd2800000|controlFD<<5, // mov x0, #63 ;   control,
		0x910003e1,              // mov x1, sp           ;   both,
		0xb27c03e2,              // mov x2, #16          ;   16)
		0xd4000001,              // svc #0
		0xd2800bc8,              // mov x8, #94          ; exit_group(
		0xb2401be0,              // mov x0, #127         ;   127)
		0xd4000001,              // svc #0
	)
}

// forker is a machine that is called: long fork_into(void *program). It reads
// nothing, and a call can end it: then it returns 1 or 0, in each process that comes
// there. A failure is reported on descriptor 3.
func forker() []byte {
	return words(
		0xa9bf53f3, // stp x19, x20, [sp, -16]!
		0xaa0003f3, // mov x19, x0
		// loop:
		0xf9400268, // ldr x8, [x19]        ; number
		0xa9408660, // ldp x0, x1, [x19, 8] ; arguments
		0xa9418e62, // ldp x2, x3, [x19, 24]
		0xa9429664, // ldp x4, x5, [x19, 40]
		0xf9401e74, // ldr x20, [x19, 56]   ; control
		0xd4000001, // svc #0
		0xb13ffc1f, // cmn x0, #4095
		0x54000122, // b.cs fail            ; an errno
		// result:
		0x37100274, // tbnz w20, #2, return ; it is the last
		0xb40000a0, // cbz x0, next
		0x927ae689, // and x9, x20, #-64    ; where a result that is not
		0xb4000069, // cbz x9, next         ; 0 leads, if anywhere
		0xaa0903f3, // mov x19, x9
		0x17fffff3, // b loop
		// next:
		0x91010273, // add x19, x19, #64
		0x17fffff1, // b loop
		// fail:
		0x370fff14, // tbnz w20, #1, result ; it counts as one
		0x3707ffb4, // tbnz w20, #0, next   ; it may fail
		0xa9bf03f3, // stp x19, x0, [sp, -16]! ; which call, -errno
		0xb27a03e8, // mov x8, #64          ; write(
		0xb24007e0, // mov x0, #3           ;   the report's,
		0x910003e1, // mov x1, sp           ;   both,
		0xb27c03e2, // mov x2, #16          ;   16)
		0xd4000001, // svc #0
		0xd2800bc8, // mov x8, #94          ; exit_group(
		0xb2401be0, // mov x0, #127         ;   127)
		0xd4000001, // svc #0
		// return:
		0xf100001f, // cmp x0, #0
		0x9a9f07e0, // cset x0, ne
		0xa8c153f3, // ldp x19, x20, [sp], 16
		0xd65f03c0, // ret
	)
}

func words(ws ...uint32) (code []byte) {
	for _, w := range ws {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return code
}

// forked are the arguments of clone for a copy of this process whose thread number
// is written to tid.
func forked(flags uint64, pid, tid arg) []arg { return []arg{num(flags), num(0), pid, num(0), tid} }

// tidArg is which of forked's is tid.
const tidArg = 4
