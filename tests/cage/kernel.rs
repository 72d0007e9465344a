//! Attacks on the kernel, and on the rights that it gives.

use crate::suite::{Attack, attack};

const CONTAINERS: &str = "containers refuse it too";

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    attack("capabilities", "rights of root", r"
        for line in open('/proc/self/status'):
            if line.startswith('Cap') and int(line.split()[1], 16):
                got(line)
    "),
    attack("new privileges", "rights of root by a program that has them (sudo, mount)", r"
        if LIBC.prctl(39, 0, 0, 0, 0) == 0:
            got()
    ")
        .sometimes(CONTAINERS),
    attack("all system calls", "every hole of the kernel", r"
        for line in open('/proc/self/status'):
            if line.startswith('Seccomp:') and line.split()[1] == '0':
                got()
    ")
        .sometimes(CONTAINERS),
    attack("a user namespace", "all capabilities towards most of the kernel", r"
        if in_child(lambda: call(272, 97, 0x10000000)):
            got()
    ")
        .sometimes("some systems let only root make them"),
    attack("a user namespace by clone", "the same by another call", r"
        def make():
            if call(56, 220, 0x10000011, 0, 0, 0, 0) == 0:
                os._exit(0)
        if in_child(make):
            got()
    ")
        .sometimes("some systems let only root make them"),
    attack("clone3", "the same by a call whose arguments no filter sees", r"
        arguments = struct.pack('8Q', 0x10000000, 0, 0, 0, 17, 0, 0, 0)
        def make():
            if call(435, 435, arguments, 64) == 0:
                os._exit(0)
        if in_child(make):
            got()
    ")
        .sometimes("some systems let only root make them"),
    attack("mount", "another look at what is mounted, writable", r"
        def mount():
            call(272, 97, 0x10020000)
            call(165, 40, b'none', b'/tmp', b'tmpfs', 0, 0)
        if in_child(mount):
            got()
    ")
        .sometimes("some systems let only root make the namespace that it takes"),
    attack("chroot", "a root of its own, a step on ways out", r"
        def leave():
            if os.getuid():
                call(272, 97, 0x10000000)
            os.chroot('.')
        if in_child(leave):
            got()
    ")
        .sometimes("some systems let only root do it"),
    attack("ptrace", "control over other processes", r"
        if in_child(lambda: call(101, 117, 0, 0, 0, 0)):
            got()
    ")
        .sometimes(CONTAINERS),
    attack("memory of processes", "keys and data in other processes", r"
        data, out = ctypes.create_string_buffer(b'secret'), ctypes.create_string_buffer(7)
        part = lambda b: ctypes.create_string_buffer(struct.pack('PN', ctypes.addressof(b), 6))
        call(310, 270, os.getpid(), part(out), 1, part(data), 1, 0)
        got(out.value)
    ")
        .sometimes(CONTAINERS),
    attack("descriptors of processes", "open files of other processes", r"
        pid = os.pidfd_open(os.getpid())
        got(call(438, 438, pid, 1, 0))
    ")
        .sometimes(CONTAINERS),
    attack("keys of the kernel", "what other programs of this user keep there", r"
        call(248, 217, b'user', b'syft-@MARKER@', b'v', 1, -2)
        got()
    ")
        .sometimes(CONTAINERS),
    attack("the session's keyring", "keys of the owner's session",
        "got(call(250, 219, 0, -3, 1))")
        .sometimes(CONTAINERS),
    attack("io_uring", "all calls, around the filter",
        "got(call(425, 425, 4, ctypes.create_string_buffer(120)))")
        .sometimes("it can be switched off"),
    attack("userfaultfd", "holding the kernel up in the middle, which exploits use",
        "got(call(323, 282, 1))")
        .sometimes(CONTAINERS),
    attack("bpf", "programs within the kernel",
        "got(call(321, 280, 0, struct.pack('IIII', 2, 4, 4, 1) + bytes(56), 72))")
        .sometimes("mostly only root may"),
    attack("performance counters", "what other programs compute, by their side effects",
        "got(call(298, 241, struct.pack('IIQQQQQ', 1, 64, 0, 0, 0, 0, 0x61) + bytes(16), 0, -1, -1, 0))")
        .sometimes("some systems let only root do it"),
    attack("hidden memory", "memory that belongs to no process, so that nobody limits it",
        "got(call(319, 279, b'x', 0))"),
    attack("hidden memory of System V", "the same by an older call; it outlives the job", r"
        number = call(29, 194, 0, 4096, 0o600)
        call(31, 195, number, 0, 0)
        got()
    "),
    attack("32-bit calls", "calls by other numbers than the filter knows", r"
        if ARM:
            raise OSError('not on ARM')
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(bytes([0x53, 0xb8, 0x14, 0, 0, 0, 0xcd, 0x80, 0x5b, 0xc3]))
        if ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))() > 0:
            got()
    ")
        .sometimes("only on x86-64, and not every kernel has them"),
    attack("x32 calls", "calls by other numbers than the filter knows", r"
        if ARM:
            raise OSError('not on ARM')
        got(call(0x40000000 | 39, 0))
    ")
        .sometimes("few kernels have them"),
    attack("another personality", "memory at known addresses, which exploits use", r"
        call(135, 92, 0x40000)
        got()
    ")
        .sometimes(CONTAINERS),
    attack("typing into a terminal", "commands in the owner's shell", r"
        pid, master = os.forkpty()
        if pid == 0:
            try:
                fcntl.ioctl(0, 0x5412, b'x')
                os._exit(7)
            except OSError:
                os._exit(1)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7:
            got()
    ")
        .sometimes("newer kernels can refuse it to all"),
    attack("a driver for a terminal", "parts of the kernel with many holes: drivers of old modems", r"
        import pty
        fcntl.ioctl(pty.openpty()[1], 0x5423, struct.pack('i', 27))
        got()
    ")
        .sometimes("older kernels do not have the one that is tried"),
    attack("memory in a pipe", "memory that belongs to no process, and a part of the kernel with many holes", r"
        page = ctypes.create_string_buffer(4096)
        part = ctypes.create_string_buffer(struct.pack('PN', ctypes.addressof(page), 4096))
        got(call(278, 75, os.pipe()[1], part, 1, 0))
    ")
        .sometimes(CONTAINERS),
    attack("what the machine was started with", "names of its disks and servers", r"
        if open('/proc/cmdline').read().strip():
            got()
    ")
        .sometimes("some containers hide it"),
    attack("settings of the kernel", "a program that the kernel starts outside", r"
        open('/proc/sys/kernel/core_pattern', 'r+b')
        got()
    ")
        .sometimes("only root may change them"),
    attack("keys for the administrator", "switching the machine off, ending all its processes", r"
        open('/proc/sysrq-trigger', 'wb')
        got()
    ")
        .sometimes("only root may, and some kernels have none"),
    attack("pages of the memory", "where in the memory of the machine what lies", r"
        if open('/proc/kpageflags', 'rb').read(8):
            got()
    ")
        .sometimes("only root may"),
    attack("the kernel's log", "addresses and what other programs do",
        "got(call(103, 116, 10, 0, 0))")
        .sometimes("some systems show it to root only"),
];
