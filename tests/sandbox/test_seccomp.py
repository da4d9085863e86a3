"""The filter's decisions, read off the program itself by a small interpreter of BPF: so both architectures are held."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from factory.sandbox.inside import seccomp, syscalls

ALLOW, EPERM, ENOSYS, KILL = "allow", "EPERM", "ENOSYS", "kill"
PID = 4321
MACHINES = ("x86_64", "aarch64")


def decide(machine: str, number: int, *args: int, arch: int | None = None) -> str:
    """What a session gets: the stricter answer of the two filters, over one `struct seccomp_data`."""
    padded = [value & (1 << 64) - 1 for value in (*args, *[0] * 6)][:6]
    data = struct.pack("=IIQ6Q", number, arch or syscalls.AUDIT_ARCH[machine], 0, *padded)
    answers = [run(program, data) for program in (seccomp.common(machine), seccomp.own(machine, PID))]
    return max(answers, key=(ALLOW, EPERM, ENOSYS, KILL).index)


def run(program: bytes, data: bytes) -> str:
    code = [struct.unpack("=HBBI", program[i : i + 8]) for i in range(0, len(program), 8)]
    accumulator = pc = 0
    while True:
        op, if_true, if_false, k = code[pc]
        pc += 1
        if op == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, k)
        elif op == 0x06:
            return {0x7FFF0000: ALLOW, 0x50000 | errno.EPERM: EPERM, 0x50000 | errno.ENOSYS: ENOSYS}.get(k, KILL)
        else:
            truth = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[op]
            pc += if_true if truth else if_false


# Numbers of calls that are on neither list, from the kernel's headers.
REFUSED = {
    "x86_64": {
        "socket": 41, "connect": 42, "sendmsg": 46, "bind": 49, "fork": 57, "vfork": 58, "execve": 59, "ptrace": 101,
        "chmod": 90, "fchmod": 91, "chown": 92, "symlink": 88, "link": 86, "mknod": 133, "utime": 132, "truncate": 76,
        "setxattr": 188, "unshare": 272, "mount": 165, "bpf": 321, "execveat": 322, "userfaultfd": 323, "tkill": 200,
        "rt_sigqueueinfo": 129, "pidfd_send_signal": 424, "pidfd_open": 434, "process_vm_readv": 310, "keyctl": 250,
        "setpriority": 141, "sched_setaffinity": 203, "perf_event_open": 298, "setuid": 105, "setsid": 112,
        "personality": 135, "arch_prctl": 158, "io_uring_enter": 426, "mq_open": 240, "shmget": 29, "fchmodat2": 452,
    },
    "aarch64": {
        "socket": 198, "connect": 203, "sendmsg": 211, "bind": 200, "execve": 221, "ptrace": 117, "fchmod": 52,
        "fchmodat": 53, "fchownat": 54, "symlinkat": 36, "linkat": 37, "mknodat": 33, "utimensat": 88, "truncate": 45,
        "setxattr": 5, "unshare": 97, "mount": 40, "bpf": 280, "execveat": 281, "userfaultfd": 282, "tkill": 130,
        "rt_sigqueueinfo": 138, "pidfd_send_signal": 424, "pidfd_open": 434, "process_vm_readv": 270, "keyctl": 219,
        "setpriority": 140, "sched_setaffinity": 122, "perf_event_open": 241, "setuid": 146, "setsid": 157,
        "personality": 92, "io_uring_enter": 426, "mq_open": 180, "shmget": 194, "fchmodat2": 452,
    },
}  # fmt: skip

# name -> (arguments, decision)
ARGUMENTS = [
    ("kill", (PID, 9), ALLOW),
    ("kill", (1, 9), EPERM),
    ("kill", (0, 9), EPERM),
    ("kill", (-1, 9), EPERM),
    ("kill", (-PID, 9), EPERM),
    ("tgkill", (PID, PID, 9), ALLOW),
    ("tgkill", (1, 1, 9), EPERM),
    ("prlimit64", (0, 7, 0, 0), ALLOW),
    ("prlimit64", (1, 7, 0, 0), EPERM),
    ("clone", (0x3D0F00,), ALLOW),
    ("clone", (17,), EPERM),
    ("clone", (0x4000 | 0x100 | 17,), EPERM),
    ("clone3", (0, 0), ENOSYS),
    ("memfd_create", (0, 0), ENOSYS),
    ("openat2", (0, 0), ENOSYS),
    ("io_uring_setup", (8, 0), ENOSYS),
    ("socketpair", (1, 1, 0), ALLOW),
    ("socketpair", (1, 1 | 0o4000 | 0o2000000, 0), ALLOW),
    ("socketpair", (1, 2, 0), EPERM),
    ("socketpair", (1, 5, 0), EPERM),
    ("socketpair", (2, 1, 0), EPERM),
    ("sendto", (3, 0x1000, 5, 0, 0, 0), ALLOW),
    ("sendto", (3, 0x1000, 5, 0, 0x1000, 16), EPERM),
    ("sendto", (3, 0x1000, 5, 0, 1 << 32, 16), EPERM),
    ("fcntl", (0, 3), ALLOW),
    ("fcntl", (0, 8, 1), EPERM),
    ("fcntl", (0, 10, 9), EPERM),
    ("fcntl", (0, 1031, 1 << 20), EPERM),
    ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x5412), EPERM),
    ("ioctl", (0, 0x8901), EPERM),
    ("ioctl", (0, 0x5452), EPERM),
    ("prctl", (15, 0), ALLOW),
    ("prctl", (1, 0), EPERM),
    ("prctl", (4, 1), EPERM),
    ("prctl", (22, 0), EPERM),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "args", "decision"), ARGUMENTS)
def test_arguments_decide(machine: str, name: str, args: tuple[int, ...], decision: str) -> None:
    assert decide(machine, syscalls.checked(machine)[name], *args) == decision


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_not_listed_is_refused(machine: str) -> None:
    assert {name: decide(machine, number) for name, number in REFUSED[machine].items()} == dict.fromkeys(
        REFUSED[machine], EPERM
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_gets_the_decision_of_its_list(machine: str) -> None:
    free = set(syscalls.free(machine))
    checked = set(syscalls.checked(machine).values())
    assert not free & checked
    for number in set(range(500)) - checked:
        assert decide(machine, number) == (ALLOW if number in free else EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_is_killed(machine: str) -> None:
    other = syscalls.AUDIT_ARCH["aarch64" if machine == "x86_64" else "x86_64"]
    assert decide(machine, syscalls.free(machine)[0], arch=other) == KILL
    assert decide("x86_64", 0, arch=0x40000003) == KILL  # 32-bit x86


def test_x32_is_absent() -> None:
    assert decide("x86_64", 0x40000000) == ENOSYS
    assert decide("x86_64", 0x40000000 + 59) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_fits_the_kernel(machine: str) -> None:
    assert len(seccomp.common(machine)) // 8 <= 4096
    assert len(seccomp.own(machine, PID)) // 8 <= 50  # each session pays for these


@pytest.mark.parametrize("machine", MACHINES)
def test_the_zygote_may_fork_and_confine(machine: str) -> None:
    """And its sessions may not."""
    for name in ("clone", "sendmsg", "pidfd_open", "seccomp", "landlock_restrict_self"):
        number = syscalls.checked(machine)[name]
        data = struct.pack("=IIQ6Q", number, syscalls.AUDIT_ARCH[machine], 0, 0x01200011, 0, 0, 0, 0, 0)
        assert run(seccomp.common(machine), data) == ALLOW
        assert decide(machine, number, 0x01200011) == EPERM


@pytest.mark.skipif(
    not os.path.exists("/usr/include/asm-generic/unistd.h"), reason="the kernel's headers are not installed"
)
def test_numbers_are_those_of_the_kernel_s_headers() -> None:
    """The generic table is aarch64's; entries that are 64-bit variants carry another macro and are left out here."""
    with open("/usr/include/asm-generic/unistd.h", encoding="ascii") as file:
        words = [line.split() for line in file if line.startswith("#define __NR_")]
    numbers = {int(w[2]): w[1].removeprefix("__NR_") for w in words if len(w) > 2 and w[2].isdigit()}
    known = {number: numbers[number] for number in syscalls.free("aarch64") if number in numbers}
    assert len(known) > 80
    table = {number: name for name, number in syscalls._parse(syscalls._FREE, "aarch64").items()}
    assert {number: table[number] for number in known} == known
