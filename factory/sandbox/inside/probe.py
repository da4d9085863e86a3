"""The attacks that the canary session tries, run as a cell: prints, per effect, those that got through, as JSON.

The actor puts three assignments in front of this text: `planted` (a file outside the scratch folder, in a folder of its
own), `memory_mb` and `scratch_mb`. An attack that is refused raises; one that returns got through. None of them harms
the machine if it does.
"""

# ruff: noqa: F821, SIM115, PTH, ASYNC, RUF100
# mypy: ignore-errors

import ctypes
import json
import os
import pickle
import resource
import socket

libc = ctypes.CDLL(None, use_errno=True)
x86 = os.uname().machine == "x86_64"


def call(number, *args):
    if libc.syscall(number, *args) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def fork_a_child():  # by libc, as all of these: what stands in Python's place for it is not what protects
    if (pid := libc.fork()) == 0:
        libc._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "refused")
    os.waitpid(pid, 0)


def run_a_program():
    if libc.system(b"/bin/true"):
        raise PermissionError


def spawn_a_program():
    pid, arguments = ctypes.c_int(), (ctypes.c_char_p * 2)(b"true", None)
    if libc.posix_spawn(ctypes.byref(pid), b"/bin/true", None, None, arguments, None):
        raise PermissionError
    os.waitpid(pid.value, 0)


def read_memory_of_parent():
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    buffer = ctypes.create_string_buffer(8)
    here, there = Vector(ctypes.addressof(buffer), 8), Vector(id(None), 8)
    number = 310 if x86 else 270
    call(number, os.getppid(), ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


def effective_capabilities():
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    call(125 if x86 else 90, header, data)
    if not data[0] | data[3]:
        raise PermissionError


def raise_a_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard + 1))


def leftover_environment():
    known = {"PATH", "LANG", "TZ", "HOME", "TMPDIR", "MALLOC_ARENA_MAX", "MPLBACKEND", "LC_CTYPE", "PYTHONHASHSEED"}
    known |= {"PYTHONUTF8", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    if not set(os.environ) - known:
        raise PermissionError


def write_far():
    with open("big", "wb") as file:
        file.seek(scratch_mb << 20)
        file.write(b"x")
        file.flush()


def socket_of(family, kind):
    return lambda: socket.socket(family, kind)


folder = os.path.dirname(planted)
attacks = {
    "files": {
        "read a file outside": lambda: open(planted).read(),
        "write to a file outside": lambda: open(planted, "a").write("x"),
        "truncate a file outside": lambda: os.open(planted, os.O_RDONLY | os.O_TRUNC),
        "create a file outside": lambda: open(folder + "/new", "w"),
        "list a folder outside": lambda: os.listdir(folder),
        "rename a file outside": lambda: os.rename(planted, planted + "2"),
        "remove a file outside": lambda: os.unlink(planted),
        "read through a symbolic link": lambda: (os.symlink(planted, "link"), open("link").read()),
        "read /etc/passwd": lambda: open("/etc/passwd").read(),
        "write to the interpreter": lambda: open(pickle.__file__, "r+"),
    },
    "metadata": {
        "chmod": lambda: os.chmod(planted, 0o777),
        "chown": lambda: os.chown(planted, os.getuid(), -1),
        "utime": lambda: os.utime(planted),
        "setxattr": lambda: os.setxattr(planted, "user.x", b"x"),
    },
    "network": {
        "TCP socket": socket_of(socket.AF_INET, socket.SOCK_STREAM),
        "UDP socket": socket_of(socket.AF_INET, socket.SOCK_DGRAM),
        "IPv6 socket": socket_of(socket.AF_INET6, socket.SOCK_STREAM),
        "Unix socket": socket_of(socket.AF_UNIX, socket.SOCK_STREAM),
        "netlink socket": socket_of(socket.AF_NETLINK, socket.SOCK_RAW),
    },
    "exec": {
        "fork": fork_a_child,
        "run a program": run_a_program,
        "posix_spawn": spawn_a_program,
    },
    "signals": {
        "signal the parent": lambda: os.kill(os.getppid(), 0),
        "signal a group": lambda: os.killpg(os.getppid(), 0),
        "open a process descriptor": lambda: os.pidfd_open(os.getppid()),
    },
    "processes": {
        "read memory of the parent": read_memory_of_parent,
        "change a limit of the parent": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE),
        "read /proc of the parent": lambda: open(f"/proc/{os.getppid()}/environ").read(),
        "read its own /proc": lambda: open("/proc/self/environ").read(),
        "change a priority": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 5),
    },
    "environment": {"a variable of the actor": leftover_environment},
    "privileges": {"a capability": effective_capabilities, "raise a limit": raise_a_limit},
    "memory": {"more than the budget": lambda: bytearray((memory_mb + 64) << 20)},
    "disk": {"a file beyond the budget": write_far},
}


def gets_through(attack):
    try:
        attack()
    except (OSError, MemoryError, ValueError):
        return False
    return True


print(json.dumps({effect: [n for n, a in tried.items() if gets_through(a)] for effect, tried in attacks.items()}))
