"""Attacks beyond the canary's, all layers on: each cell tries one and prints `through` where it succeeds."""

from __future__ import annotations

import os
import platform

import pytest

from factory.sandbox.local import LocalSandbox
from tests.sandbox.support import run_cells

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRELUDE = """
import ctypes, errno, os, socket, struct, sys, resource, signal, array, mmap
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    r = libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
    if r < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r
"""

# x86_64 numbers, where the attack is a raw system call.
CALLS = {
    "io_uring_setup": (425, 8, 0),
    "memfd_create": (319, b"x", 0),
    "ptrace traceme": (101, 0, 0, 0, 0),
    "vfork": (58,),
    "clone without thread": (56, 17, 0, 0, 0, 0),
    "clone3": (435, 0, 0),
    "execveat": (322, -100, b"/bin/true", 0, 0, 0),
    "openat2": (437, -100, b"/etc/passwd", 0, 24),
    "open_by_handle_at": (304, 0, 0, 0),
    "name_to_handle_at": (303, -100, b"/etc/passwd", 0, 0, 0),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0),
    "unshare": (272, 0x10000000),
    "setns": (308, 0, 0),
    "chroot": (161, b"."),
    "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0),
    "userfaultfd": (323, 0),
    "keyctl": (250, 0, -3, 1),
    "add_key": (248, b"user", b"x", b"x", 1, -3),
    "process_vm_writev": (311, 1, 0, 0, 0, 0, 0),
    "kcmp": (312, 1, 1, 0, 0, 0),
    "pidfd_getfd": (438, 0, 0, 0),
    "rt_sigqueueinfo": (129, 1, 0, 0),
    "tkill": (200, 1, 0),
    "shmget": (29, 0, 4096, 0o1600),
    "msgget": (68, 0, 0o1600),
    "mq_open": (240, b"x", 0o102, 0o600, 0),
    "setuid": (105, 1),
    "setsid": (112,),
    "personality": (135, 0x0040000),
    "reboot": (169, 0, 0, 0, 0),
    "sethostname": (170, b"x", 1),
    "swapoff": (168, b"/x"),
    "sched_setaffinity of the parent": (203, os.getppid(), 8, b"\xff" * 8),
    "mlockall": (151, 1),
    "fanotify_init": (300, 0, 0),
    "inotify_init": (253,),
    "x32 getpid": (0x40000000 + 39,),
    "landlock is not undone": (446, -1, 0),
}

CELLS = {
    "other session's folder": "os.listdir(os.path.dirname(os.getcwd()))",
    "parent by dots": "open('../../../../../../etc/passwd').read()",
    "project": f"open({__file__!r}).read()",
    "package that is not named": f"open({pytest.__file__!r}).read()",
    "home": "os.listdir(os.path.expanduser('~root'))",
    "root folder": "os.listdir('/')",
    "etc": "open('/etc/hostname').read()",
    "proc": "open('/proc/cpuinfo').read()",
    "proc of init": "open('/proc/1/environ').read()",
    "own memory by proc": "open('/proc/self/mem', 'rb')",
    "sys": "os.listdir('/sys')",
    "shared memory": "open('/dev/shm/x', 'w')",
    "tmp": "open('/tmp/x', 'w')",
    "terminal": "open('/dev/tty', 'w')",
    "disk": "open('/dev/vda', 'rb')",
    "kernel memory": "open('/dev/mem', 'rb')",
    "write to a library": "open(os.__file__, 'a')",
    "remove a library": "os.unlink(os.__file__)",
    "truncate a library": "os.truncate(os.__file__, 0)",
    "symbolic link": "os.symlink('/etc/passwd', 'l')",
    "hard link": "os.link(os.__file__, 'l')",
    "fifo": "os.mkfifo('f')",
    "chmod of one's own": "os.chmod('.', 0o777)",
    "chmod by descriptor": "os.fchmod(os.open('.', os.O_RDONLY), 0o777)",
    "chown": "os.chown('.', 1, 1)",
    "rename out": "open('a', 'w').close(); os.rename('a', '/tmp/a')",
    "umount by exec": "import subprocess; subprocess.check_output('id', shell=True)",
    "os.system": "assert os.system('true') == 0",
    "os.popen": "os.popen('id').read() or 1/0",
    "multiprocessing": "import multiprocessing as m; m.Process(target=print).start()",
    "metadata service": "import urllib.request as u; u.urlopen('http://169.254.169.254/', timeout=1)",
    "name resolution": "socket.getaddrinfo('example.com', 80)",
    "raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "vsock": "socket.socket(40, socket.SOCK_STREAM)",
    "datagram pair": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "send descriptors": "a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [1])",
    "connect a pair": "a, b = socket.socketpair(); a.connect('/run/x')",
    "kill everyone": "os.kill(-1, 0)",
    "kill the group": "os.kill(0, 0)",
    "aim signals by fcntl": "import fcntl; a, b = socket.socketpair(); fcntl.fcntl(a, 8, os.getppid())",
    "aim signals by ioctl": "import fcntl; a, b = socket.socketpair(); fcntl.ioctl(a, 0x8901, struct.pack('i', 1))",
    "inject terminal input": "import fcntl; fcntl.ioctl(0, 0x5412, b'x')",
    "raise the memory limit": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "raise the CPU limit": "resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))",
    "raise the file limit": "resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))",
    "undo the death signal": "assert libc.prctl(1, 0) == 0",
    "become dumpable": "assert libc.prctl(4, 1) == 0",
    "nice others": "os.setpriority(os.PRIO_PGRP, 0, 19)",
    "write to a package": "import numpy; open(numpy.__file__, 'a')",
    "credentials": "assert any('KEY' in k or 'TOKEN' in k for k in os.environ)",
    "arguments of the zygote": "assert any('factory' in a for a in sys.orig_argv)",
}


def attempt(body: str) -> str:
    body = "\n".join("    " + line for line in body.splitlines())
    return f"{PRELUDE}\ntry:\n{body}\n    print('through')\nexcept BaseException as e: print(type(e).__name__, e)"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers of x86_64")
async def test_raw_system_calls(sandbox: LocalSandbox) -> None:
    cells = [attempt(f"call{arguments}") for arguments in CALLS.values()]
    results = await run_cells(sandbox, *cells)
    through = [
        name
        for name, result in zip(CALLS, results, strict=True)
        if not result.stdout.startswith("OSError") and not result.stdout.startswith("PermissionError")
    ]
    assert through == []


async def test_attacks(sandbox: LocalSandbox) -> None:
    cells = [attempt(cell) for cell in CELLS.values()]
    results = await run_cells(sandbox, *cells)
    through = {
        name: r.stdout + r.stderr
        for name, r in zip(CELLS, results, strict=True)
        if "through" in r.stdout or r.state_lost or not r.stdout
    }
    assert through == {}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86_64")
async def test_system_calls_of_another_architecture_kill(sandbox: LocalSandbox) -> None:
    code = "code = mmap.mmap(-1, 4096, prot=7)\ncode.write(bytes.fromhex('b814000000cd80c3'))  # getpid by int 0x80\n"
    code += "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()"
    (result,) = await run_cells(sandbox, PRELUDE + code)
    assert (result.status, result.state_lost) == ("killed", True)
    assert "SIGSYS" in result.stderr


async def test_a_session_cannot_read_the_folder_of_another(sandbox: LocalSandbox) -> None:
    first, second = await sandbox.open(), await sandbox.open()
    where = (await first.run("open('secret', 'w').write('s'); import os; print(os.path.abspath('secret'))")).stdout
    result = await second.run(f"open({where.strip()!r}).read()")
    assert "PermissionError" in result.stderr
    await first.close()
    await second.close()


async def test_deep_folders_are_removed(sandbox: LocalSandbox) -> None:
    session = await sandbox.open()
    assert session._process is not None
    root, name = os.path.split(session._process.folder)
    await session.run("import os\nfor i in range(3000):\n    os.mkdir('d'); os.chdir('d')")
    assert name in os.listdir(root) or session._process is None
    await session.close()
    assert name not in os.listdir(root)


async def test_no_descriptor_of_the_actor_or_of_others_is_open(sandbox: LocalSandbox) -> None:
    first, second = await sandbox.open(), await sandbox.open()
    assert second._process is not None
    pid = second._process.pid
    await second.run("1")
    targets = sorted(os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")[0] for fd in os.listdir(f"/proc/{pid}/fd"))
    # its standard input twice: as descriptor 0 and as the file that a cell reads from
    assert targets == ["/dev/null", "/dev/null", "pipe", "pipe", "pipe", "pipe", "socket"]
    await first.close()
    await second.close()
