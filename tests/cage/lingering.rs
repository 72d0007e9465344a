//! Attacks on other processes, and by processes that stay.

use std::time::Duration;

use crate::suite::{Attack, Noticed, ROW};

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "ending another process", gain: "the end of what the owner runs",
        code: "os.kill(@VICTIM@, 9)\ntime.sleep(0.2)",
        noticed: Noticed::Here(|scene, _| scene.victim_is_gone()), ..ROW },
    Attack { name: "a signal to the parent", gain: "the end of `syft` itself",
        code: "os.kill(@PARENT@, 0)\nif b'cage-' in open('/proc/@PARENT@/cmdline', 'rb').read():\n    got()", ..ROW },
    Attack { name: "work after the end", gain: "changing results after they were looked at",
        code: "flee()",
        noticed: Noticed::Here(|scene, _| scene.acts_late()), ..ROW },
    Attack { name: "work after the time is over", gain: "a process that nobody knows of",
        code: "flee()\ntime.sleep(60)",
        limits: |limits, _| limits.time = Duration::from_secs(2),
        noticed: Noticed::Here(|scene, _| scene.acts_late()), ..ROW },
    Attack { name: "a process that stays", gain: "the owner's machine, for ever",
        code: "flee()\ngot_away = True",
        noticed: Noticed::Here(|scene, _| !scene.still_running().is_empty()), ..ROW },
    // Only guards of its own: those in its process group, or the first process of its room.
    Attack { name: "ending its guard", gain: "to outlive the end of `syft`",
        code: "def is_guard(pid):\n    line = open(f'/proc/{pid}/cmdline', 'rb').read()\n\
               \x20   is_own = pid == 1 or os.getpgid(pid) == os.getpgid(0)\n\
               \x20   return is_own and pid != os.getpid() and b'read -r answer' in line and b'ulimit' in line\n\
               def is_there(pid):\n    try:\n        return is_guard(pid)\n    except OSError:\n        return False\n\
               for pid in [int(pid) for pid in os.listdir('/proc') if pid.isdigit()]:\n    try:\n\
               \x20       if is_guard(pid):\n            os.kill(pid, 9)\n            time.sleep(0.2)\n            is_there(pid) or got(pid)\n\
               \x20   except FileNotFoundError:\n        got(pid)\n    except OSError:\n        pass", ..ROW },
];
