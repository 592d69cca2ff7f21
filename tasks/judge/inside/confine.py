"""The kernel's ways to confine a process, through libc: mounts, capabilities, Landlock, seccomp (Linux only).

Every function raises OSError where the kernel refuses: what does not hold must not pass for a sandbox.
"""

import ctypes
import os
import resource
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tasks.judge.inside import seccomp

_libc = ctypes.CDLL(None, use_errno=True)
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 24, 22, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_SIGKILL = 9


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    kind_bytes = kind.encode() if kind else None
    result = _libc.mount(source.encode(), target.encode(), kind_bytes, ctypes.c_ulong(flags), data.encode())
    _checked(result, f"mount {target}")


def mount_fresh(target: str, size: int, owner: int) -> None:
    """An empty file system in memory, of at most `size` bytes and 4,096 files."""
    data = f"size={size},nr_inodes=4096,mode=0700,uid={owner},gid={owner}"
    _mount("fresh", target, "tmpfs", _MS_NOSUID | _MS_NODEV, data)


def unmount(target: str) -> None:
    _checked(_libc.umount2(target.encode(), _MNT_DETACH), f"umount {target}")


def change_root(scratch: str, readable: Iterable[str], masked: Iterable[str], devices: Iterable[str]) -> None:
    """Leave the machine's files for a root that holds `readable`, read only, and nothing else; `/tmp` is
    for others to mount on."""
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("root", scratch, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=0755")
    for path in readable:
        _bind(path, scratch + path, _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    for path in masked:
        _mount("masked", scratch + path, "tmpfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV, "size=4k")
    for path in devices:
        _bind(path, scratch + path, _MS_NOSUID)
    os.mkdir(scratch + "/tmp")
    _mount("root", scratch, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    os.chdir(scratch)
    _checked(_libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def _bind(source: str, target: str, flags: int) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    _mount(source, target, None, _MS_BIND | _MS_REC)
    kept = os.statvfs(target).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)  # locked ones must be said again
    _mount(source, target, None, _MS_REMOUNT | _MS_BIND | flags | kept)


def end_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def become(user: int) -> None:
    """Leave root for a user (and group) that owns nothing, where root may; capabilities go with it."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def bound_capabilities() -> None:
    """No program that this process or a child of it starts gets a capability; it keeps its own."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # EINVAL after the last that there is; EPERM where there is none to drop
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def drop_capabilities() -> None:
    """All that this process has."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    _checked(_libc.capset(header, ctypes.create_string_buffer(24)), "capset")


def limit(limits: Mapping[int, int]) -> None:
    """Set resource limits (setrlimit(2)), soft and hard alike; that of CPU time a second apart, so that SIGXCPU
    says what happened before SIGKILL does not."""
    for which, value in limits.items():
        most = resource.getrlimit(which)[1]
        hard = value + (which == resource.RLIMIT_CPU)
        if most != resource.RLIM_INFINITY:
            value, hard = min(value, most), min(hard, most)
        resource.setrlimit(which, (value, hard))


def landlock_version() -> int:
    """The kernel's Landlock ABI; below 1 there is none."""
    return int(_libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1))


_EXECUTE, _WRITE, _READ, _READ_DIR, _TRUNCATE = 1, 2, 4, 8, 1 << 14
NEEDED_LANDLOCK = 3
"""The first that covers truncate(2)."""


def landlock_rules(readable: Iterable[str], masked: Sequence[str], writable: Sequence[str]) -> int:
    """A ruleset as a file descriptor: read `readable` less `masked`, do anything but execute in `writable`,
    and nothing elsewhere. Names in `masked` can be listed, as the import system lists the folder around it."""
    version = landlock_version()
    if version < NEEDED_LANDLOCK:
        raise OSError(f"Landlock ABI is {version}, needed is {NEEDED_LANDLOCK}")
    files = (1 << 16) - 1 if version >= 5 else (1 << 15) - 1  # 5 adds ioctl on devices
    attribute = struct.pack("=QQQ", files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)[: _size(version)]
    rules = _checked(_libc.syscall(_LANDLOCK_CREATE, attribute, ctypes.c_size_t(len(attribute)), 0), "landlock")
    for path in _entries(readable, masked):
        _allow(rules, path, _READ | _READ_DIR if os.path.isdir(path) else _READ)
    for path in {os.path.dirname(path) for path in masked}:
        _allow(rules, path, _READ_DIR)
    for path in writable:
        _allow(rules, path, files & ~_EXECUTE if os.path.isdir(path) else _READ | _WRITE | _TRUNCATE)
    return rules


def _entries(readable: Iterable[str], masked: Sequence[str]) -> Iterator[str]:
    """`readable` for Landlock, which allows and never takes away: a folder that holds something masked
    becomes what else is in it."""
    for path in readable:
        if any(mask.startswith(path + "/") for mask in masked):
            yield from _entries((e.path for e in os.scandir(path) if e.path not in masked), masked)
        else:
            yield path


def _size(version: int) -> int:
    """Of struct landlock_ruleset_attr: files; network from 4 on; signals and abstract sockets from 6 on."""
    return 24 if version >= 6 else 16 if version >= 4 else 8


def _allow(rules: int, path: str, access: int) -> None:
    at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access, at)
        _checked(_libc.syscall(_LANDLOCK_ADD, rules, 1, rule, 0), f"landlock {path}")
    finally:
        os.close(at)


def landlock(rules: int) -> None:
    """Hold this process to a ruleset from now on; needs `no_new_privileges` first."""
    _checked(_libc.syscall(_LANDLOCK_RESTRICT, rules, 0), "landlock_restrict_self")


def no_new_privileges() -> None:
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def filter_calls() -> None:
    """Hold this process to `seccomp.program` from now on; needs `no_new_privileges` first."""
    code = seccomp.program(os.uname().machine, os.getpid())
    program = _Program(len(code) // 8, code)
    _checked(_libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0), "seccomp")
