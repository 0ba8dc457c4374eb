package namespace

const elfMachine = 62 // EM_X86_64

// machine is the interpreter of programs, in machine code. It reads a program
// from its control socket to its fixed place, and makes its calls one by one. rbx is
// the current call.
func machine() []byte {
	return []byte{
		0x31, 0xc0, //                         xor eax, eax        ; read(
		0xbf, controlFD, 0x00, 0x00, 0x00, //  mov edi, 63         ;   control,
		0xbe, 0x00, 0x00, 0x00, 0x10, //       mov esi, 0x10000000 ;   base,
		0xba, 0x00, 0x00, 0x10, 0x00, //       mov edx, 0x100000   ;   room)
		0x0f, 0x05, //                         syscall
		0xbb, 0x00, 0x00, 0x00, 0x10, //       mov ebx, 0x10000000
		// loop:
		0x48, 0x8b, 0x03, //                   mov rax, [rbx]      ; number
		0x48, 0x8b, 0x7b, 0x08, //             mov rdi, [rbx+8]    ; arguments
		0x48, 0x8b, 0x73, 0x10, //             mov rsi, [rbx+16]
		0x48, 0x8b, 0x53, 0x18, //             mov rdx, [rbx+24]
		0x4c, 0x8b, 0x53, 0x20, //             mov r10, [rbx+32]
		0x4c, 0x8b, 0x43, 0x28, //             mov r8, [rbx+40]
		0x4c, 0x8b, 0x4b, 0x30, //             mov r9, [rbx+48]
		0x4c, 0x8b, 0x63, 0x38, //             mov r12, [rbx+56]   ; control: the call may read a new program
		0x0f, 0x05, //                         syscall
		0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, // cmp rax, -4095
		0x73, 0x16, //                         jae fail            ; an errno
		0x48, 0x85, 0xc0, //                   test rax, rax
		0x74, 0x0b, //                         jz next
		0x49, 0x83, 0xe4, 0xc0, //             and r12, -64        ; where a result that is not
		0x74, 0x05, //                         jz next             ; 0 leads, if anywhere
		0x4c, 0x89, 0xe3, //                   mov rbx, r12
		0xeb, 0xc7, //                         jmp loop
		// next:
		0x48, 0x83, 0xc3, 0x40, //             add rbx, 64
		0xeb, 0xc1, //                         jmp loop
		// fail:
		0x41, 0xf6, 0xc4, 0x01, //             test r12b, 1
		0x75, 0xf4, //                         jnz next            ; it may fail
		0x50,                         //       push rax            ; -errno
		0x53,                         //       push rbx            ; which call
		0xb8, 0x01, 0x00, 0x00, 0x00, //       mov eax, 1          ; write(
		0xbf, controlFD, 0x00, 0x00, 0x00, //  mov edi, 63         ;   control,
		0x48, 0x89, 0xe6, //                   mov rsi, rsp        ;   both,
		0xba, 0x10, 0x00, 0x00, 0x00, //       mov edx, 16         ;   16)
		0x0f, 0x05, //                         syscall
		0xb8, 0xe7, 0x00, 0x00, 0x00, //       mov eax, 231        ; exit_group(
		0xbf, 0x7f, 0x00, 0x00, 0x00, //       mov edi, 127        ;   127)
		0x0f, 0x05, //                         syscall
	}
}

// forker is a machine that is called: long fork_into(void *program). It reads
// nothing, and a call can end it: then it returns 1 or 0, in each process that comes
// there. A failure is reported on descriptor 3.
func forker() []byte {
	return []byte{
		0xf3, 0x0f, 0x1e, 0xfa, //             endbr64
		0x53,       //                         push rbx
		0x41, 0x54, //                         push r12
		0x48, 0x89, 0xfb, //                   mov rbx, rdi
		// loop:
		0x48, 0x8b, 0x03, //                   mov rax, [rbx]      ; number
		0x48, 0x8b, 0x7b, 0x08, //             mov rdi, [rbx+8]    ; arguments
		0x48, 0x8b, 0x73, 0x10, //             mov rsi, [rbx+16]
		0x48, 0x8b, 0x53, 0x18, //             mov rdx, [rbx+24]
		0x4c, 0x8b, 0x53, 0x20, //             mov r10, [rbx+32]
		0x4c, 0x8b, 0x43, 0x28, //             mov r8, [rbx+40]
		0x4c, 0x8b, 0x4b, 0x30, //             mov r9, [rbx+48]
		0x4c, 0x8b, 0x63, 0x38, //             mov r12, [rbx+56]   ; control
		0x0f, 0x05, //                         syscall
		0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, // cmp rax, -4095
		0x73, 0x1c, //                         jae fail            ; an errno
		// result:
		0x41, 0xf6, 0xc4, 0x04, //             test r12b, 4
		0x75, 0x44, //                         jnz return          ; it is the last
		0x48, 0x85, 0xc0, //                   test rax, rax
		0x74, 0x0b, //                         jz next
		0x49, 0x83, 0xe4, 0xc0, //             and r12, -64        ; where a result that is not
		0x74, 0x05, //                         jz next             ; 0 leads, if anywhere
		0x4c, 0x89, 0xe3, //                   mov rbx, r12
		0xeb, 0xc1, //                         jmp loop
		// next:
		0x48, 0x83, 0xc3, 0x40, //             add rbx, 64
		0xeb, 0xbb, //                         jmp loop
		// fail:
		0x41, 0xf6, 0xc4, 0x02, //             test r12b, 2
		0x75, 0xde, //                         jnz result          ; it counts as one
		0x41, 0xf6, 0xc4, 0x01, //             test r12b, 1
		0x75, 0xee, //                         jnz next            ; it may fail
		0x50,                         //       push rax            ; -errno
		0x53,                         //       push rbx            ; which call
		0xb8, 0x01, 0x00, 0x00, 0x00, //       mov eax, 1          ; write(
		0xbf, 0x03, 0x00, 0x00, 0x00, //       mov edi, 3          ;   the report's,
		0x48, 0x89, 0xe6, //                   mov rsi, rsp        ;   both,
		0xba, 0x10, 0x00, 0x00, 0x00, //       mov edx, 16         ;   16)
		0x0f, 0x05, //                         syscall
		0xb8, 0xe7, 0x00, 0x00, 0x00, //       mov eax, 231        ; exit_group(
		0xbf, 0x7f, 0x00, 0x00, 0x00, //       mov edi, 127        ;   127)
		0x0f, 0x05, //                         syscall
		// return:
		0x31, 0xc9, //                         xor ecx, ecx
		0x48, 0x85, 0xc0, //                   test rax, rax
		0x0f, 0x95, 0xc1, //                   setne cl
		0x89, 0xc8, //                         mov eax, ecx
		0x41, 0x5c, //                         pop r12
		0x5b, //                               pop rbx
		0xc3, //                               ret
	}
}

// forked are the arguments of clone for a copy of this process whose thread number
// is written to tid.
func forked(flags uint64, pid, tid arg) []arg { return []arg{num(flags), num(0), pid, tid, num(0)} }

// tidArg is which of forked's is tid.
const tidArg = 3
