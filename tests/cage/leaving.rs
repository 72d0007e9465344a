//! Attacks by what is left in `outputs/`.

use crate::suite::Noticed::Left;
use crate::suite::{Attack, attack};

/// The table. Without protection the outputs are taken over as the Python client does it.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    attack("a link to a file", "any file of the owner, as an output",
        "os.symlink('@HOME@/secret', 'outputs/link')")
        .noticed(Left(|left| left.holds_secret())),
    attack("a link to a folder", "all files of the owner, as outputs",
        "os.symlink('@HOME@/config', 'outputs/folder')")
        .noticed(Left(|left| left.holds_secret())),
    attack("a relative link", "the same from inside of a folder", r"
        os.mkdir('outputs/a')
        os.symlink(os.path.relpath('@HOME@/secret', os.path.realpath('outputs/a')), 'outputs/a/link')
    ")
        .noticed(Left(|left| left.holds_secret())),
    attack("outputs that are a link", "the same, with all of a folder", r"
        os.rmdir('outputs')
        os.symlink('@HOME@/config', 'outputs')
    ")
        .noticed(Left(|left| left.holds_secret())),
    attack("a second name of a file", "a file of the owner, with nothing that looks like a link",
        "os.link('@HOME@/secret', 'outputs/hard')")
        .noticed(Left(|left| left.holds_secret())),
    attack("a pipe", "a reader that waits for ever",
        "os.mkfifo('outputs/pipe')")
        .noticed(Left(|left| left.has_odd)),
    attack("a socket", "a reader that fails, or talks to somebody",
        "socket.socket(socket.AF_UNIX).bind('outputs/socket')")
        .noticed(Left(|left| left.has_odd)),
    attack("a device", "a reader that never ends; a disk, read around its rights",
        "os.mknod('outputs/zero', 0o20666, os.makedev(1, 5))")
        .noticed(Left(|left| left.has_odd))
        .sometimes("only root may make devices"),
    attack("a link to nothing", "a file that appears later",
        "os.symlink('@HOME@/later', 'outputs/later')")
        .noticed(Left(|left| left.has_odd)),
    attack("a permission file", "rules of the owner's, made by the job",
        "open('outputs/syft.pub.yaml', 'w').write('rules: []')")
        .noticed(Left(|left| left.has_name(|name| name == "syft.pub.yaml"))),
    attack("a permission file below", "the same where nobody looks", r"
        os.makedirs('outputs/a/b')
        open('outputs/a/b/Syft.Pub.Yaml', 'w').write('rules: []')
    ")
        .noticed(Left(|left| left.has_name(|name| name.eq_ignore_ascii_case("syft.pub.yaml")))),
    attack("a name that steers the terminal", "the owner's terminal, when it lists the outputs",
        r"open('outputs/a\x1b]0;owned\x07b', 'w')")
        .noticed(Left(|left| left.has_name(|name| name.chars().any(char::is_control)))),
    attack("a name of two lines", "lines of its own in lists and logs",
        r"open('outputs/a\nshared: yes', 'w')")
        .noticed(Left(|left| left.has_name(|name| name.contains('\n')))),
    attack("a name that is no text", "a program that fails at it",
        r"open(b'outputs/\xff\xfe', 'w')")
        .noticed(Left(|left| left.has_name(|name| name.contains('\u{fffd}')))),
    attack("more files than may be sent", "a drive full of them", r"
        for number in range(1200):
            open(f'outputs/{number}', 'w').write('x')
    ")
        .noticed(Left(|left| left.files.len() > 1000)),
];
