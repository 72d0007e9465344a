//! Attacks on other processes, and by processes that stay.

use std::time::Duration;

use crate::suite::Noticed::Here;
use crate::suite::{Attack, attack};

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    attack("ending another process", "the end of what the owner runs", r"
        os.kill(@VICTIM@, 9)
        time.sleep(0.2)
    ")
        .noticed(Here(|scene, _| scene.victim_is_gone())),
    attack("a signal to the parent", "the end of `syft` itself", r"
        os.kill(@PARENT@, 0)
        if b'cage-' in open('/proc/@PARENT@/cmdline', 'rb').read():
            got()
    "),
    attack("work after the end", "changing results after they were looked at",
        "flee()")
        .noticed(Here(|scene, _| scene.acts_late())),
    attack("work after the time is over", "a process that nobody knows of", r"
        flee()
        time.sleep(60)
    ")
        .noticed(Here(|scene, _| scene.acts_late()))
        .limited(|limits, _| limits.time = Duration::from_secs(2)),
    attack("a process that stays", "the owner's machine, for ever", r"
        flee()
        got_away = True
    ")
        .noticed(Here(|scene, _| !scene.still_running().is_empty())),
    // Only guards of its own: those in its process group, or the first process of its room.
    attack("ending its guard", "to outlive the end of `syft`", r"
        def is_guard(pid):
            line = open(f'/proc/{pid}/cmdline', 'rb').read()
            is_own = pid == 1 or os.getpgid(pid) == os.getpgid(0)
            return is_own and pid != os.getpid() and b'read -r answer' in line and b'ulimit' in line
        def is_there(pid):
            try:
                return is_guard(pid)
            except OSError:
                return False
        for pid in [int(pid) for pid in os.listdir('/proc') if pid.isdigit()]:
            try:
                if is_guard(pid):
                    os.kill(pid, 9)
                    time.sleep(0.2)
                    is_there(pid) or got(pid)
            except FileNotFoundError:
                got(pid)
            except OSError:
                pass
    ")
        .apart(),
];
