//! Makes the kernel's program of the table in `syscalls`, as bubblewrap takes it (`--seccomp`).
//!
//! Pure. `seccompiler` makes the part that looks at arguments. Before it stand things that it cannot
//! say: calls by the rules of another processor (32-bit programs on x86-64) are refused
//! rather than fatal; so are those of the x32 interface, which have the numbers of x86-64 with a bit
//! set and would pass the table; and a few calls, and all that are newer than the table, seem not to
//! exist. Source: seccomp(2).

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::syscalls::{
    DATAGRAM, FAMILIES, KINDS, NEWEST, PERSONALITIES, PROTOCOLS, REFUSED, Refusal, Row, UNIX, When,
};

/// A processor that we have numbers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processor {
    X86_64,
    Aarch64,
}

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

// Instructions and offsets of classic BPF over `struct seccomp_data`.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ERROR: u32 = 0x0005_0000; // SECCOMP_RET_ERRNO
const X32: u32 = 0x4000_0000; // __X32_SYSCALL_BIT

impl Processor {
    /// The one of this program; `None` if we have no numbers for it.
    pub(crate) const fn own() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    const fn audit_number(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    const fn target(self) -> TargetArch {
        match self {
            Self::X86_64 => TargetArch::x86_64,
            Self::Aarch64 => TargetArch::aarch64,
        }
    }

    const fn number(self, row: &Row) -> Option<u32> {
        match self {
            Self::X86_64 => row.x86_64,
            Self::Aarch64 => row.aarch64,
        }
    }
}

/// Returns the program in the kernel's own form; `network` says whether the process has the network of
/// the machine.
///
/// # Errors
/// If the table cannot be expressed, which its test rules out.
pub(crate) fn program(processor: Processor, network: bool) -> Result<Vec<u8>, BackendError> {
    let mut instructions = first(processor);
    instructions.extend(by_arguments(processor, network)?);
    let bytes = instructions.iter().flat_map(|one| {
        let [c, d] = one.code.to_ne_bytes();
        let [k, l, m, n] = one.k.to_ne_bytes();
        [c, d, one.jt, one.jf, k, l, m, n]
    });
    Ok(bytes.collect())
}

/// What comes before all else: the interface that is used, and calls that seem not to exist.
fn first(processor: Processor) -> Vec<sock_filter> {
    let refuse = |error: u32| statement(RETURN, ERROR | error);
    let mut program = vec![
        statement(LOAD, ARCHITECTURE),
        jump(JUMP_IF_EQUAL, processor.audit_number(), 1, 0),
        refuse(EPERM),
        statement(LOAD, NUMBER),
    ];
    if processor == Processor::X86_64 {
        program.extend([jump(JUMP_IF_AT_LEAST, X32, 0, 1), refuse(EPERM)]);
    }
    program.extend([jump(JUMP_IF_AT_LEAST, NEWEST + 1, 0, 1), refuse(ENOSYS)]);
    let unknown = REFUSED.iter().filter(|row| row.refusal == Refusal::Unknown);
    for number in unknown.filter_map(|row| processor.number(row)) {
        program.extend([jump(JUMP_IF_EQUAL, number, 0, 1), refuse(ENOSYS)]);
    }
    program
}

fn by_arguments(processor: Processor, network: bool) -> Result<BpfProgram, BackendError> {
    let mut rules = BTreeMap::new();
    for row in REFUSED.iter().filter(|row| row.refusal == Refusal::Denied) {
        if let Some(number) = processor.number(row) {
            rules.insert(i64::from(number), rules_of(row.when, network)?);
        }
    }
    let refused = SeccompAction::Errno(EPERM);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, processor.target())?;
    filter.try_into()
}

/// Any of the rules refuses; none at all: every call is refused.
fn rules_of(when: When, network: bool) -> Result<Vec<SeccompRule>, BackendError> {
    const KIND: u64 = 0xf; // of a socket; flags are above
    let test = |argument: u8, operator: SeccompCmpOp, value: u32| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value.into())
    };
    let all = |tests: &[(u8, SeccompCmpOp, u32)]| -> Result<SeccompRule, BackendError> {
        let tests = tests.iter().map(|(at, operator, value)| test(*at, operator.clone(), *value));
        SeccompRule::new(tests.collect::<Result<_, _>>()?)
    };
    let one =
        |argument: u8, operator: SeccompCmpOp, value: u32| all(&[(argument, operator, value)]);
    let none_of = |argument: u8, values: &[u32]| {
        let tests: Vec<_> =
            values.iter().map(|value| (argument, SeccompCmpOp::Ne, *value)).collect();
        all(&tests)
    };
    match when {
        When::Always => Ok(Vec::new()),
        When::ArgumentHas(bits) => {
            bits.iter().map(|bit| one(0, SeccompCmpOp::MaskedEq((*bit).into()), *bit)).collect()
        }
        When::Ioctl(requests) => {
            requests.iter().map(|request| one(1, SeccompCmpOp::Eq, *request)).collect()
        }
        When::OtherPersonality => Ok(vec![none_of(0, &PERSONALITIES)?]),
        When::SocketKind => {
            let mut rules = vec![none_of(0, &FAMILIES)?, none_of(2, &PROTOCOLS)?];
            for kind in KINDS {
                rules.push(one(1, SeccompCmpOp::MaskedEq(KIND), kind)?);
            }
            if network {
                rules.push(one(0, SeccompCmpOp::Eq, UNIX)?);
            }
            Ok(rules)
        }
        When::SocketPair => {
            let mut rules = vec![none_of(0, &[UNIX])?];
            if network {
                rules.push(one(1, SeccompCmpOp::MaskedEq(KIND), DATAGRAM)?);
            }
            Ok(rules)
        }
        When::SocketOption(options) => {
            let set = |(level, option): &(u32, u32)| {
                all(&[(1, SeccompCmpOp::Eq, *level), (2, SeccompCmpOp::Eq, *option)])
            };
            options.iter().map(set).collect()
        }
    }
}

const fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with the program: an interpreter of the few instructions that it has.
    fn verdict(program: &[u8], architecture: u32, number: u32, arguments: [u64; 3]) -> u32 {
        let word = |offset: u32| match offset {
            NUMBER => number,
            ARCHITECTURE => architecture,
            16..40 => {
                let argument = arguments[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
            }
            other => panic!("an offset that no rule needs: {other}"),
        };
        let (mut at, mut value) = (0_usize, 0_u32);
        loop {
            let one: [u8; 8] = program[at * 8..at * 8 + 8].try_into().unwrap();
            let code = u16::from_ne_bytes([one[0], one[1]]);
            let k = u32::from_ne_bytes([one[4], one[5], one[6], one[7]]);
            let jump = |holds: bool| usize::from(if holds { one[2] } else { one[3] });
            at += 1;
            match code {
                LOAD => value = word(k),
                JUMP_IF_EQUAL => at += jump(value == k),
                JUMP_IF_AT_LEAST => at += jump(value >= k),
                0x25 => at += jump(value > k),
                0x05 => at += k as usize,
                0x54 => value &= k,
                RETURN => return k,
                other => panic!("an instruction that is not expected: {other:#x}"),
            }
        }
    }

    const ALLOW: u32 = 0x7fff_0000;

    const DENIED: u32 = ERROR | EPERM;
    const UNKNOWN: u32 = ERROR | ENOSYS;

    /// What, the call, its arguments, what becomes of it.
    type Case = (&'static str, &'static str, [u64; 3], u32);

    #[rustfmt::skip]
    const CASES: &[Case] = &[
        // what                        call           arguments                       verdict
        ("a thread",                   "clone",       [0x3d_0f00, 0, 0],              ALLOW),
        ("a process",                  "clone",       [17, 0, 0],                     ALLOW),
        ("a user namespace",           "clone",       [0x1000_0011, 0, 0],            DENIED),
        ("a network namespace",        "clone",       [0x4000_0000, 0, 0],            DENIED),
        ("TCP on IPv4",                "socket",      [2, 1, 0],                      ALLOW),
        ("TCP by its name",            "socket",      [2, 0x8_0001, 6],               ALLOW),
        ("UDP on IPv6",                "socket",      [10, 2, 17],                    ALLOW),
        ("SCTP",                       "socket",      [2, 1, 132],                    DENIED),
        ("MPTCP",                      "socket",      [2, 1, 262],                    DENIED),
        ("DCCP",                       "socket",      [2, 6, 0],                      DENIED),
        ("a raw socket",               "socket",      [2, 3, 0],                      DENIED),
        ("a raw socket with flags",    "socket",      [10, 0x8_0003, 0],              DENIED),
        ("netlink",                    "socket",      [16, 2, 0],                     DENIED),
        ("packet",                     "socket",      [17, 3, 0],                     DENIED),
        ("vsock",                      "socket",      [40, 1, 0],                     DENIED),
        ("a family with high bits",    "socket",      [(1 << 32) | 40, 1, 0],         DENIED),
        ("a pair",                     "socketpair",  [1, 0x8_0001, 0],               ALLOW),
        ("a pair of packets in order", "socketpair",  [1, 5, 0],                      ALLOW),
        ("a pair of vsock",            "socketpair",  [40, 1, 0],                     DENIED),
        ("a pair of netlink",          "socketpair",  [16, 3, 0],                     DENIED),
        ("an option of a socket",      "setsockopt",  [3, 1, 2],                      ALLOW),
        ("no delay",                   "setsockopt",  [3, 6, 1],                      ALLOW),
        ("a program for a socket",     "setsockopt",  [3, 1, 26],                     DENIED),
        ("TLS within TCP",             "setsockopt",  [3, 6, 31],                     DENIED),
        ("an ioctl",                   "ioctl",       [0, 0x5401, 0],                 ALLOW),
        ("a copy that shares blocks",  "ioctl",       [0, 0x4004_9409, 0],            ALLOW),
        ("typing into a terminal",     "ioctl",       [0, 0x5412, 0],                 DENIED),
        ("the same with high bits",    "ioctl",       [0, (1 << 32) | 0x5412, 0],     DENIED),
        ("a driver for modems",        "ioctl",       [0, 0x5423, 0],                 DENIED),
        ("a volume of btrfs",          "ioctl",       [0, 0x5000_9418, 0],            DENIED),
        ("asking for a personality",   "personality", [0xffff_ffff, 0, 0],            ALLOW),
        ("no random addresses",        "personality", [0x4_0000, 0, 0],               DENIED),
    ];

    #[rustfmt::skip]
    const WHERE_THE_NETWORK_IS_SHARED: &[Case] = &[
        ("a Unix socket",              "socket",      [1, 0x8_0001, 0],               DENIED),
        ("a Unix datagram",            "socket",      [1, 2, 1],                      DENIED),
        ("a pair of datagrams",        "socketpair",  [1, 0x8_0002, 0],               DENIED),
    ];

    #[test]
    fn calls_are_refused_as_the_table_says_on_both_processors() {
        for processor in [Processor::X86_64, Processor::Aarch64] {
            let [alone, shared] = [false, true].map(|network| program(processor, network).unwrap());
            assert!(shared.len() / 8 < 4096);
            let number = |name: &str| {
                let row = REFUSED.iter().find(|row| row.name == name).unwrap();
                processor.number(row).unwrap()
            };
            let of = |program: &[u8], number: u32, arguments: [u64; 3]| {
                verdict(program, processor.audit_number(), number, arguments)
            };
            for row in REFUSED {
                let Some(number) = processor.number(row) else { continue };
                match (row.when, row.refusal) {
                    (When::Always, Refusal::Denied) => {
                        assert_eq!(of(&alone, number, [0; 3]), DENIED)
                    }
                    (When::Always, Refusal::Unknown) => {
                        assert_eq!(of(&alone, number, [0; 3]), UNKNOWN);
                    }
                    _ => {}
                }
            }
            for (what, call, arguments, expected) in CASES {
                for program in [&alone, &shared] {
                    let found = of(program, number(call), *arguments);
                    assert_eq!(found, *expected, "{what} on {processor:?}");
                }
            }
            for (what, call, arguments, expected) in WHERE_THE_NETWORK_IS_SHARED {
                assert_eq!(of(&alone, number(call), *arguments), ALLOW, "{what} on {processor:?}");
                assert_eq!(
                    of(&shared, number(call), *arguments),
                    *expected,
                    "{what}, {processor:?}"
                );
            }
            assert_eq!(of(&alone, NEWEST, [0; 3]), ALLOW, "the last that is known");
            for number in [NEWEST + 1, 512, 547, X32 - 1] {
                assert_eq!(of(&alone, number, [0; 3]), UNKNOWN, "{number} on {processor:?}");
            }
        }
    }

    #[test]
    fn calls_by_other_rules_than_this_processors_are_refused() {
        let eperm = ERROR | EPERM;
        let intel = program(Processor::X86_64, false).unwrap();
        let own = Processor::X86_64.audit_number();
        assert_eq!(verdict(&intel, own, 0, [0; 3]), ALLOW, "read");
        assert_eq!(verdict(&intel, 0x4000_0003, 3, [0; 3]), eperm, "a 32-bit program");
        assert_eq!(verdict(&intel, own, X32, [0; 3]), eperm, "read of x32");
        assert_eq!(verdict(&intel, own, X32 | 165, [0; 3]), eperm, "mount of x32");
        let arm = program(Processor::Aarch64, false).unwrap();
        assert_eq!(verdict(&arm, 0x4000_0028, 3, [0; 3]), eperm, "a 32-bit program");
        assert_eq!(verdict(&arm, Processor::Aarch64.audit_number(), 63, [0; 3]), ALLOW, "read");
    }
}
