#include "textflag.h"

// The init process: see code.go. It is copied to another address, so it uses nothing but the
// processor's registers and its stack, and ends with the mark that tells where to stop.
//
// The numbers of system calls are those of asm/unistd_64.h.
TEXT ·code(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ	SP, BX
	MOVQ	0(BX), AX // argc
	SUBQ	$64, SP
	CMPQ	AX, $1
	JNE	exec
	SUBQ	$64, BX
	MOVQ	$0x74696E69, AX // "init"
	MOVQ	AX, 0(BX)
	MOVL	$157, AX // prctl(PR_SET_NAME, "init")
	MOVL	$15, DI
	MOVQ	BX, SI
	SYSCALL
again:
	MOVL	$61, AX // wait4(-1, &status, WNOHANG, NULL)
	MOVQ	$-1, DI
	MOVQ	BX, SI
	MOVL	$1, DX
	XORL	R10, R10
	SYSCALL
	CMPQ	AX, $2
	JEQ	ended
	CMPQ	AX, $0
	JGT	again
	MOVQ	$-1, AX
	MOVQ	AX, 8(BX)
	MOVL	$128, AX // rt_sigtimedwait(all, NULL, NULL, 8)
	LEAQ	8(BX), DI
	XORL	SI, SI
	XORL	DX, DX
	MOVL	$8, R10
	SYSCALL
	CMPQ	AX, $0
	JLE	again
	CMPQ	AX, $17 // SIGCHLD
	JEQ	again
	MOVQ	AX, SI
	MOVL	$62, AX // kill(2, signal)
	MOVL	$2, DI
	SYSCALL
	JMP	again
ended:
	MOVL	0(BX), DI
	MOVL	DI, AX
	ANDL	$0x7F, AX
	JNE	killed
	SHRL	$8, DI
	ANDL	$0xFF, DI
	JMP	exit
killed:
	LEAL	128(AX), DI
exit:
	MOVL	$231, AX // exit_group(code)
	SYSCALL
	JMP	exit

exec:
	LEAQ	16(BX)(AX*8), R12 // the environment
	MOVQ	16(BX), R13
	MOVBLZX	0(R13), R14
	MOVBLZX	1(R13), R8
	SUBQ	$1, R14
	SUBQ	$1, R8
	SHLQ	$7, R8
	ADDQ	R8, R14 // the status pipe
	MOVL	$72, AX // fcntl(status, F_SETFD, FD_CLOEXEC)
	MOVQ	R14, DI
	MOVL	$2, SI
	MOVL	$1, DX
	SYSCALL
	LEAQ	24(BX), R13 // the first path
	MOVQ	R13, R9
find:
	MOVQ	0(R9), AX
	ADDQ	$8, R9 // in the end, the arguments
	MOVBLZX	0(AX), AX
	CMPL	AX, $0
	JNE	find
try:
	MOVL	$59, AX // execve(path, arguments, environment)
	MOVQ	0(R13), DI
	MOVQ	R9, SI
	MOVQ	R12, DX
	SYSCALL
	ADDQ	$8, R13
	CMPQ	AX, $-2 // ENOENT
	JEQ	next
	CMPQ	AX, $-13 // EACCES
	JEQ	next
	CMPQ	AX, $-20 // ENOTDIR
	JEQ	next
	CMPQ	AX, $-40 // ELOOP
	JEQ	next
	JMP	report
next:
	MOVQ	0(R13), CX
	MOVBLZX	0(CX), CX
	CMPL	CX, $0
	JNE	try
report:
	NEGQ	AX
	SUBQ	$64, BX
	MOVL	$-3, 0(BX)
	MOVL	AX, 4(BX)
	MOVL	$1, AX // write(status, report, 8)
	MOVQ	R14, DI
	MOVQ	BX, SI
	MOVL	$8, DX
	SYSCALL
	MOVL	$127, DI
	JMP	exit
	BYTE	$0x0F; BYTE	$0x0B; BYTE	$'d'; BYTE	$'i'; BYTE	$'y'; BYTE	$'e'; BYTE	$'n'; BYTE	$'d'

// func address() uintptr
TEXT ·address(SB),NOSPLIT,$0-8
	LEAQ	·code(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
