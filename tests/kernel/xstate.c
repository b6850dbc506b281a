/*
 * Lets User Mode Linux run on processors whose registers are larger than it knows.
 *
 * It keeps 2,696 bytes of a process's extended registers, enough up to AVX-512 and protection keys. With
 * AMX they are 11,008, and the host's kernel refuses to set fewer: "ptrace set fp regs failed,
 * errno = 14", and the box does not boot. What is beyond the first 2,696 bytes is AMX's tiles, which
 * nothing in the box uses; unused, they are as good as zero. So what is set is filled up with zeros,
 * and the host's kernel takes as much of it as it has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE ((void *)0x202) /* NT_X86_XSTATE */

/* Not on the stack: a kernel stack has 16 KiB. One processor, and nothing interrupts this. */
static char whole[16384] __attribute__((aligned(64)));

long ptrace(enum __ptrace_request request, ...)
{
	va_list rest;
	va_start(rest, request);
	pid_t pid = va_arg(rest, pid_t);
	void *addr = va_arg(rest, void *);
	void *data = va_arg(rest, void *);
	va_end(rest);

	if (request == PTRACE_SETREGSET && addr == XSTATE) {
		const struct iovec *given = data;
		if (given->iov_len < sizeof(whole)) {
			memcpy(whole, given->iov_base, given->iov_len);
			memset(whole + given->iov_len, 0, sizeof(whole) - given->iov_len);
			struct iovec filled = { whole, sizeof(whole) };
			return syscall(SYS_ptrace, request, pid, addr, &filled);
		}
	}
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		/* The word is what this function returns. */
		long word;
		long failed = syscall(SYS_ptrace, request, pid, addr, &word);
		if (failed < 0)
			return failed;
		errno = 0;
		return word;
	}
	return syscall(SYS_ptrace, request, pid, addr, data);
}
