"""The system calls that the filter names, with their numbers per architecture.

Numbers are part of the kernel's stable interface, so the table is frozen here (from the kernel's own headers:
asm/unistd_64.h and asm-generic/unistd.h) instead of asking a library that may be missing. A dash means that the
architecture does not have the call.
"""

from __future__ import annotations

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN = {"x86_64": 1, "aarch64": 2}

# name x86_64 aarch64: calls that a session may make with any argument.
_FREE = """
read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, preadv 295 69, pwritev 296 70,
preadv2 327 286, pwritev2 328 287, lseek 8 62, close 3 57, dup 32 23, dup2 33 -, dup3 292 24,
pipe 22 -, pipe2 293 59, poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -,
epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -,
eventfd2 290 19, signalfd4 289 74, timerfd_create 283 85, timerfd_settime 286 86, timerfd_gettime 287 87, open 2 -,
openat 257 56, creat 85 -, stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291, access 21 -,
faccessat 269 48, faccessat2 439 439, readlink 89 -, readlinkat 267 78, getdents 78 -, getdents64 217 61,
getcwd 79 17, chdir 80 49, fchdir 81 50, mkdir 83 -, mkdirat 258 34, rmdir 84 -, unlink 87 -, unlinkat 263 35,
rename 82 -, renameat 264 38, renameat2 316 276, ftruncate 77 46, fallocate 285 47, fsync 74 82, fdatasync 75 83,
flock 73 32, statfs 137 43, fstatfs 138 44, copy_file_range 326 285, sendfile 40 71, fadvise64 221 223,
umask 95 166, mmap 9 222, munmap 11 215, mremap 25 216, mprotect 10 226, madvise 28 233, brk 12 214, msync 26 227,
membarrier 324 283, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigsuspend 130 133,
rt_sigtimedwait 128 137, rt_sigpending 127 136, sigaltstack 131 132, pause 34 -, alarm 37 -, setitimer 38 103,
getitimer 36 102, restart_syscall 219 128, futex 202 98, futex_waitv 449 449, set_robust_list 273 99,
get_robust_list 274 100, rseq 334 293, set_tid_address 218 96, sched_yield 24 124, sched_getaffinity 204 123,
exit 60 93, exit_group 231 94, wait4 61 260, waitid 247 95, clock_gettime 228 113, clock_getres 229 114,
clock_nanosleep 230 115, nanosleep 35 101, gettimeofday 96 169, time 201 -, times 100 153, getrusage 98 165,
getrandom 318 278, uname 63 160, sysinfo 99 179, getcpu 309 168, getpid 39 172, gettid 186 178, getppid 110 173,
getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177, getresuid 118 148, getresgid 120 150,
getgroups 115 158, getpgrp 111 -, getpgid 121 155, getsid 124 156, capget 125 90, getrlimit 97 163,
setrlimit 160 164, recvfrom 45 207, recvmsg 47 212, shutdown 48 210, getsockopt 55 209, setsockopt 54 208,
getsockname 51 204, getpeername 52 205
"""

# Calls that a filter allows for some arguments or for the zygote only, or answers with ENOSYS so that libc takes
# another way.
_CHECKED = """
kill 62 129, tgkill 234 131, clone 56 220, clone3 435 435, socketpair 53 199, sendto 44 206, ioctl 16 29,
fcntl 72 25, prctl 157 167, prlimit64 302 261, memfd_create 319 279, openat2 437 437, io_uring_setup 425 425,
close_range 436 436, sendmsg 46 211, pidfd_open 434 434, seccomp 317 277, landlock_create_ruleset 444 444,
landlock_add_rule 445 445, landlock_restrict_self 446 446
"""


def free(machine: str) -> list[int]:
    """Numbers of the calls that are allowed whatever their arguments, for `machine` as in `os.uname().machine`."""
    return sorted(_parse(_FREE, machine).values())


def checked(machine: str) -> dict[str, int]:
    """Numbers by name of the calls that need a look at their arguments."""
    return _parse(_CHECKED, machine)


def _parse(table: str, machine: str) -> dict[str, int]:
    rows = [entry.split() for entry in table.replace("\n", " ").split(",")]
    column = _COLUMN[machine]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
