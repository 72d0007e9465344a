//! Attacks that carry something away.

use crate::suite::{Alone, Attack, Noticed, ROW};

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "IPv4", gain: "a way out for the data",
        code: "socket.create_connection(('127.0.0.1', @TCP@), 5)\ngot()", ..ROW },
    Attack { name: "IPv6", gain: "a way out for the data",
        code: "socket.create_connection(('::1', @TCP6@), 5)\ngot()",
        alone: Alone::Sometimes("not every machine has IPv6"), ..ROW },
    Attack { name: "a datagram", gain: "a way out that waits for no answer",
        code: "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'data', ('127.0.0.1', @UDP@))",
        noticed: Noticed::Here(|scene, _| scene.heard()), ..ROW },
    Attack { name: "a name that is looked up", gain: "data in the name, which a name server gets to see",
        code: "query = struct.pack('>6H', 7, 256, 1, 0, 0, 0) + b'\\x06secret\\x07example\\x00' + struct.pack('>2H', 1, 1)\n\
               s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('127.0.0.1', @UDP@))\ns.send(query)",
        noticed: Noticed::Here(|scene, _| scene.heard()), ..ROW },
    Attack { name: "a Unix socket by its path", gain: "agents and services of the owner: keys, containers, the desktop",
        code: "socket.socket(socket.AF_UNIX).connect('@HOME@/agent')\ngot()", ..ROW },
    Attack { name: "a Unix socket without a path", gain: "services that no folder hides",
        code: "socket.socket(socket.AF_UNIX).connect('\\0syft-@MARKER@')\ngot()", ..ROW },
    Attack { name: "netlink", gain: "what the kernel says about its network, and many of its holes",
        code: "socket.socket(16, socket.SOCK_RAW, 0)\ngot()", ..ROW },
    Attack { name: "uevents", gain: "which devices come and go",
        code: "s = socket.socket(16, socket.SOCK_DGRAM, 15)\ns.bind((0, 1))\ngot()", ..ROW },
    Attack { name: "packets", gain: "what others send and receive",
        code: "socket.socket(17, socket.SOCK_RAW, socket.htons(3))\ngot()",
        alone: Alone::Sometimes("only root may see packets"), ..ROW },
    Attack { name: "raw packets", gain: "packets in another's name",
        code: "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\ngot()",
        alone: Alone::Sometimes("only root may make packets"), ..ROW },
    Attack { name: "vsock", gain: "the host of a virtual machine, which no network namespace hides",
        code: "socket.socket(40, socket.SOCK_STREAM)\ngot()",
        alone: Alone::Sometimes("not every kernel has vsock"), ..ROW },
    Attack { name: "the kernel's cryptography", gain: "a part of the kernel with many holes",
        code: "socket.socket(38, socket.SOCK_SEQPACKET)\ngot()",
        alone: Alone::Sometimes("not every kernel has it as a socket"), ..ROW },
    Attack { name: "the interfaces of the machine", gain: "what networks the owner is in",
        code: "lines = open('/proc/net/dev').read().splitlines()[2:]\nnames = [line.split(':')[0].strip() for line in lines]\n\
               if set(names) - {'lo'}:\n    got(names)",
        alone: Alone::Sometimes("a machine may have no network"), ..ROW },
];
