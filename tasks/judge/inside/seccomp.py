"""Which system calls a snippet may make, as a seccomp filter (pure).

A snippet computes, reads its interpreter's library and writes files of its own: it may start no process, open no
socket, signal nobody else, change no owner, mode or limit, and make no call that is newer than this list. What is
refused fails with EPERM (or ENOSYS, where the C library then takes an older way). Reads seccomp(2), seccomp_unotify's
struct seccomp_data, and the kernel's tables of calls (include/uapi/asm-generic/unistd.h, syscall_64.tbl). It imports
nothing but the standard library, as it runs inside the sandbox too.
"""

import errno
import functools
import struct

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* of linux/audit.h; on others there is no filter, and so no sandbox."""
_NEWEST_KNOWN = 449
# name: number on x86_64, number on aarch64 (None: not there)
_REFUSED: dict[str, tuple[int, int | None]] = {
    # other programs and processes
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "kcmp": (312, 272),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274),
    "sched_setparam": (142, 118), "sched_setaffinity": (203, 122), "ioprio_set": (251, 30),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "setrlimit": (160, 164), "personality": (135, 92),
    # network, and messages that outlive a process
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "sendmsg": (46, 211), "sendmmsg": (307, 269), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218),
    # files: what Landlock does not cover, and memory that no limit counts
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88), "mknod": (133, None),
    "mknodat": (259, 33), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262), "memfd_create": (319, 279), "memfd_secret": (447, 447), "sync": (162, 81),
    "syncfs": (306, 267),
    # the system
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143),
    "setresuid": (117, 147), "setresgid": (119, 149), "setgroups": (116, 159), "setfsuid": (122, 151),
    "setfsgid": (123, 152), "capset": (126, 91), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "sethostname": (170, 161), "setdomainname": (171, 162), "syslog": (103, 116),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "iopl": (172, None),
    "ioperm": (173, None), "modify_ldt": (154, None),
}  # fmt: skip
_CLONE, _CLONE3, _KILL, _TGKILL = (56, 220), (435, 435), (62, 129), (234, 131)
_SOCKETPAIR, _SENDTO, _FCNTL, _PRLIMIT, _IOCTL = (53, 199), (44, 206), (72, 25), (302, 261), (16, 29)
_CLONE_THREAD = 0x10000
_OWN_PID = 0x7FFFFFF1  # stands for the process; no process has it (PID_MAX_LIMIT is 2^22), nor is it a call or a flag
_OWNER_OF_SIGNALS = {"fcntl": (8, 10, 15), "ioctl": (0x8901, 0x8902, 0x5412)}
"""F_SETOWN, F_SETSIG, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP, TIOCSTI: ways to have the kernel signal or type for one."""

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE = 0, 4


def program(machine: str, pid: int) -> bytes:
    """The filter for the process `pid`, as an array of struct sock_filter; OSError for an unknown machine."""
    return _template(machine).replace(struct.pack("=I", _OWN_PID), struct.pack("=I", pid))


@functools.cache
def _template(machine: str) -> bytes:
    """The filter but for the process: a forked child has no time to build 300 instructions."""
    if machine not in _ARCHITECTURES:
        raise OSError(f"no filter of system calls is known for {machine}, only for {', '.join(_ARCHITECTURES)}")
    column = list(_ARCHITECTURES).index(machine)
    refuse, absent = _op(_RETURN, _ERRNO | errno.EPERM), _op(_RETURN, _ERRNO | errno.ENOSYS)
    parts = [
        _op(_LOAD, _ARCHITECTURE), _op(_JUMP_EQUAL, _ARCHITECTURES[machine], 1, 0), _op(_RETURN, _KILL_PROCESS),
        _op(_LOAD, _NUMBER), _op(_JUMP_AT_LEAST, _NEWEST_KNOWN + 1, 0, 1), absent,
        _op(_JUMP_EQUAL, _CLONE3[column], 0, 1), absent,
    ]  # fmt: skip
    for numbers in _REFUSED.values():
        number = numbers[column]
        if number is not None:
            parts += [_op(_JUMP_EQUAL, number, 0, 1), refuse]
    parts += _only(_CLONE[column], 0, _CLONE_THREAD, _CLONE_THREAD)
    for own in (_KILL, _TGKILL):
        parts += _only(own[column], 0, 0xFFFFFFFF, _OWN_PID)
    parts += _only(_PRLIMIT[column], 0, 0xFFFFFFFF, 0) + _only(_SENDTO[column], 4, 0xFFFFFFFF, 0, both=True)
    parts += _only(_SOCKETPAIR[column], 1, 0xF, 1)  # SOCK_STREAM: a pair of datagram sockets can send elsewhere
    parts += _never(_FCNTL[column], _OWNER_OF_SIGNALS["fcntl"]) + _never(_IOCTL[column], _OWNER_OF_SIGNALS["ioctl"])
    return b"".join([*parts, _op(_RETURN, _ALLOW)])


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _argument(index: int, high: bool = False) -> int:
    return 16 + 8 * index + 4 * high  # struct seccomp_data; both machines are little-endian


def _only(number: int, index: int, mask: int, value: int, both: bool = False) -> list[bytes]:
    """The call `number` only where its argument, masked, is `value`; with `both`, of its upper half too."""
    refuse, allow = _op(_RETURN, _ERRNO | errno.EPERM), _op(_RETURN, _ALLOW)
    check = [_op(_LOAD, _argument(index)), _op(_AND, mask), _op(_JUMP_EQUAL, value, 1, 0), refuse]
    if both:
        check += [_op(_LOAD, _argument(index, high=True)), _op(_JUMP_EQUAL, value, 1, 0), refuse]
    return [_op(_JUMP_EQUAL, number, 0, len(check) + 1), *check, allow]


def _never(number: int, commands: tuple[int, ...]) -> list[bytes]:
    """The call `number` unless its second argument is one of `commands`."""
    check = [_op(_LOAD, _argument(1))]
    for command in commands:
        check += [_op(_JUMP_EQUAL, command, 0, 1), _op(_RETURN, _ERRNO | errno.EPERM)]
    return [_op(_JUMP_EQUAL, number, 0, len(check) + 1), *check, _op(_RETURN, _ALLOW)]
