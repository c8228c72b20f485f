#include "textflag.h"

// The init process: see code.go. It is copied to another address, so it uses nothing but the
// processor's registers and its stack, and ends with the mark that tells where to stop.
//
// The numbers of system calls are those of asm-generic/unistd.h.
TEXT ·code(SB),NOSPLIT|NOFRAME,$0-0
	MOVD	RSP, R19
	MOVD	0(R19), R0 // argc
	SUB	$64, RSP
	CMP	$1, R0
	BNE	exec
	SUB	$64, R19
	MOVD	$0x74696E69, R0 // "init"
	MOVD	R0, 0(R19)
	MOVD	$167, R8 // prctl(PR_SET_NAME, "init")
	MOVD	$15, R0
	MOVD	R19, R1
	SVC
again:
	MOVD	$260, R8 // wait4(-1, &status, WNOHANG, NULL)
	MOVD	$-1, R0
	MOVD	R19, R1
	MOVD	$1, R2
	MOVD	$0, R3
	SVC
	CMP	$2, R0
	BEQ	ended
	CMP	$0, R0
	BGT	again
	MOVD	$-1, R0
	MOVD	R0, 8(R19)
	MOVD	$137, R8 // rt_sigtimedwait(all, NULL, NULL, 8)
	ADD	$8, R19, R0
	MOVD	$0, R1
	MOVD	$0, R2
	MOVD	$8, R3
	SVC
	CMP	$0, R0
	BLE	again
	CMP	$17, R0 // SIGCHLD
	BEQ	again
	MOVD	R0, R1
	MOVD	$129, R8 // kill(2, signal)
	MOVD	$2, R0
	SVC
	B	again
ended:
	MOVWU	0(R19), R0
	ANDS	$0x7F, R0, R1
	BNE	killed
	LSR	$8, R0, R0
	AND	$0xFF, R0, R0
	B	exit
killed:
	ADD	$128, R1, R0
exit:
	MOVD	$94, R8 // exit_group(code)
	SVC
	B	exit

exec:
	ADD	R0<<3, R19, R20
	ADD	$16, R20 // the environment
	MOVD	16(R19), R21
	MOVBU	0(R21), R22
	MOVBU	1(R21), R23
	SUB	$1, R22
	SUB	$1, R23
	LSL	$7, R23, R23
	ADD	R23, R22 // the status pipe
	MOVD	$25, R8 // fcntl(status, F_SETFD, FD_CLOEXEC)
	MOVD	R22, R0
	MOVD	$2, R1
	MOVD	$1, R2
	SVC
	ADD	$24, R19, R21 // the first path
	MOVD	R21, R24
find:
	MOVD	0(R24), R0
	ADD	$8, R24 // in the end, the arguments
	MOVBU	0(R0), R0
	CBNZ	R0, find
try:
	MOVD	$221, R8 // execve(path, arguments, environment)
	MOVD	0(R21), R0
	MOVD	R24, R1
	MOVD	R20, R2
	SVC
	ADD	$8, R21
	CMP	$-2, R0 // ENOENT
	BEQ	next
	CMP	$-13, R0 // EACCES
	BEQ	next
	CMP	$-20, R0 // ENOTDIR
	BEQ	next
	CMP	$-40, R0 // ELOOP
	BEQ	next
	B	report
next:
	MOVD	0(R21), R1
	MOVBU	0(R1), R1
	CBNZ	R1, try
report:
	NEG	R0, R0
	SUB	$64, R19
	MOVD	$-3, R1
	MOVW	R1, 0(R19)
	MOVW	R0, 4(R19)
	MOVD	$64, R8 // write(status, report, 8)
	MOVD	R22, R0
	MOVD	R19, R1
	MOVD	$8, R2
	SVC
	MOVD	$127, R0
	B	exit
	WORD	$0x69640B0F
	WORD	$0x646E6579

// func address() uintptr
TEXT ·address(SB),NOSPLIT,$0-8
	MOVD	$·code(SB), R0
	MOVD	R0, ret+0(FP)
	RET
