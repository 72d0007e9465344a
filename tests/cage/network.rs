//! Attacks that carry something away.

use crate::suite::Noticed::Here;
use crate::suite::{Attack, attack};

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    attack("IPv4", "a way out for the data", r"
        socket.create_connection(('127.0.0.1', @TCP@), 5)
        got()
    "),
    attack("IPv6", "a way out for the data", r"
        socket.create_connection(('::1', @TCP6@), 5)
        got()
    ")
        .sometimes("not every machine has IPv6"),
    attack("a datagram", "a way out that waits for no answer",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'data', ('127.0.0.1', @UDP@))")
        .noticed(Here(|scene, _| scene.heard())),
    attack("a name that is looked up", "data in the name, which a name server gets to see", r"
        query = struct.pack('>6H', 7, 256, 1, 0, 0, 0) + b'\x06secret\x07example\x00' + struct.pack('>2H', 1, 1)
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(('127.0.0.1', @UDP@))
        s.send(query)
    ")
        .noticed(Here(|scene, _| scene.heard())),
    attack("a Unix socket by its path", "agents and services of the owner: keys, containers, the desktop", r"
        socket.socket(socket.AF_UNIX).connect('@HOME@/agent')
        got()
    "),
    attack("a Unix socket without a path", "services that no folder hides", r"
        socket.socket(socket.AF_UNIX).connect('\0syft-@MARKER@')
        got()
    "),
    attack("netlink", "what the kernel says about its network, and many of its holes", r"
        socket.socket(16, socket.SOCK_RAW, 0)
        got()
    "),
    attack("uevents", "which devices come and go", r"
        s = socket.socket(16, socket.SOCK_DGRAM, 15)
        s.bind((0, 1))
        got()
    "),
    attack("packets", "what others send and receive", r"
        socket.socket(17, socket.SOCK_RAW, socket.htons(3))
        got()
    ")
        .sometimes("only root may see packets"),
    attack("raw packets", "packets in another's name", r"
        socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
        got()
    ")
        .sometimes("only root may make packets"),
    attack("vsock", "the host of a virtual machine, which no network namespace hides", r"
        socket.socket(40, socket.SOCK_STREAM)
        got()
    ")
        .sometimes("not every kernel has vsock"),
    attack("a pair of another family", "the same parts of the kernel: both are made before it says that they are no pair", r"
        try:
            socket.socketpair(16, socket.SOCK_RAW)
        except OSError as e:
            if e.errno != 1:
                got(e)
    "),
    attack("another protocol", "parts of the kernel with many holes (SCTP, MPTCP and others)", r"
        for protocol in [132, 262, 136]:
            for kind in [1, 2]:
                try:
                    socket.socket(socket.AF_INET, kind, protocol)
                    got(protocol)
                except OSError:
                    pass
    ")
        .sometimes("not every kernel has one of them"),
    attack("a program for a socket", "programs within the kernel", r"
        step = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).setsockopt(1, 26, struct.pack('HP', 1, ctypes.addressof(step)))
        got()
    "),
    attack("the kernel's cryptography", "a part of the kernel with many holes", r"
        socket.socket(38, socket.SOCK_SEQPACKET)
        got()
    ")
        .sometimes("not every kernel has it as a socket"),
    attack("the interfaces of the machine", "what networks the owner is in", r"
        lines = open('/proc/net/dev').read().splitlines()[2:]
        names = [line.split(':')[0].strip() for line in lines]
        if set(names) - {'lo'}:
            got(names)
    ")
        .sometimes("a machine may have no network"),
];
