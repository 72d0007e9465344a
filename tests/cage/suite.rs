//! Runs the rows of a table: each without the sandbox and in it.

use std::time::Duration;

use futures::StreamExt;
use syft::jobs::{Confinement, JobStatus, Limits, RunOptions, RunReport};
use tokio::sync::RwLock;

use crate::scene::{Left, Scene, naively_collected};
use crate::world::{options, sandbox};

/// One attack.
#[derive(Debug)]
pub(crate) struct Attack {
    /// What the job does.
    pub(crate) name: &'static str,
    /// What it would gain.
    pub(crate) gain: &'static str,
    /// Python. What stands in `@CAPITALS@` is replaced by what lies where on this machine.
    pub(crate) code: &'static str,
    /// How it is noticed that it succeeded.
    pub(crate) noticed: Noticed,
    /// What comes of it without the sandbox.
    pub(crate) alone: Alone,
    /// What is limited for it; the flag says whether it is confined.
    pub(crate) limits: fn(&mut Limits, bool),
}

/// How an attack is noticed.
#[derive(Debug)]
pub(crate) enum Noticed {
    /// It prints a line that begins with `GOT`, which [`PRELUDE`] does on its behalf.
    Says,
    /// By looking at this machine.
    Here(fn(&mut Scene, &RunReport) -> bool),
    /// By what is left after somebody took over the outputs. Without protection that is somebody who
    /// follows links and takes what is there, as the Python client does.
    Left(fn(&Left) -> bool),
}

/// Whether an attack succeeds without the sandbox.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alone {
    /// On every machine.
    Succeeds,
    /// Only where the machine has something, or this user a right.
    Sometimes(&'static str),
}

/// What most rows are.
pub(crate) const ROW: Attack = Attack {
    name: "",
    gain: "",
    code: "",
    noticed: Noticed::Says,
    alone: Alone::Succeeds,
    limits: |_, _| {},
};

/// What all attacks begin with. `call` is a system call by its numbers on x86-64 and on ARM.
pub(crate) const PRELUDE: &str = r#"
import ctypes, fcntl, mmap, os, signal, socket, struct, subprocess, sys, time
LIBC = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine == 'aarch64'
BOX = os.environ.get('SYFTBOX_FOLDER', '/nowhere') + '/do@example.com'
def call(intel, arm, *arguments):
    number = ctypes.c_long(arm if ARM else intel)
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(number, *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def got(*what):
    print('GOT', *what, flush=True)
def in_child(action):
    """True if a child process could do it."""
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(7)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
def flee():
    """Starts a process that left its group and session, and acts when it is told to."""
    done, begun = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            nothing = os.open('/dev/null', os.O_RDWR)
            for number in range(3):
                os.dup2(nothing, number)
            late = "import os, time\nwhile not os.path.exists('@HOME@/go'):\n    time.sleep(0.02)\nopen('@HOME@/late', 'w')"
            os.execv(sys.executable, [sys.executable, '-c', late, '@MARKER@'])
        os._exit(0)
    os.close(begun)
    os.read(done, 1)
    os.wait()
def first(*paths):
    for path in paths:
        try:
            return open(path, errors='replace').read()
        except OSError:
            pass
    raise OSError('none of them')
print('BEGUN', flush=True)
"#;

/// Returns the whole program of an attack.
pub(crate) fn program(code: &str) -> String {
    let body: String = code.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "{PRELUDE}def attack():\n{body}\ntry:\n    attack()\nexcept BaseException as e:\n    \
         print('REFUSED', type(e).__name__, e, flush=True)\nprint('ENDED', flush=True)\n"
    )
}

/// Who opens a descriptor that processes inherit needs it to be the only one who starts any.
static STARTING: RwLock<()> = RwLock::const_new(());

/// How many rows are tried at once; most of the time is waiting.
const AT_ONCE: usize = 4;

/// Tries all rows, and says how many were shown to succeed without the sandbox.
#[expect(clippy::print_stdout, reason = "what was not shown has to be said")]
pub(crate) async fn try_all(table: &str, attacks: &'static [Attack]) {
    let Some(sandbox) = sandbox().await else { return };
    let outcomes: Vec<_> = futures::stream::iter(attacks)
        .map(|attack| {
            let sandbox = sandbox.clone();
            async move { (attack, try_one(attack, sandbox).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut failures = Vec::new();
    let (mut shown, mut not_here) = (0, Vec::new());
    for (attack, outcome) in outcomes {
        match outcome {
            Ok(true) => shown += 1,
            Ok(false) => not_here.push(attack.name),
            Err(failure) => failures.push(failure),
        }
    }
    println!("{table}: {} attacks, {shown} succeed without the sandbox", attacks.len());
    for name in not_here {
        println!("  not possible on this machine without the sandbox either: {name}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Returns whether it succeeds without the sandbox; it is an error if it should and does not, or if
/// it does in the sandbox.
async fn try_one(attack: &Attack, sandbox: Confinement) -> Result<bool, String> {
    let alone = match &attack.noticed {
        Noticed::Left(is_noticed) => {
            let mut scene = Scene::new();
            let code = scene.fill(&program(attack.code));
            is_noticed(&naively_collected(&scene, &code))
        }
        _ => run(attack, Confinement::None).await?,
    };
    if !alone && matches!(attack.alone, Alone::Succeeds) {
        return Err(format!("`{}` fails without the sandbox: it shows nothing", attack.name));
    }
    let mut protections = vec![sandbox];
    if matches!(attack.noticed, Noticed::Left(_)) {
        protections.push(Confinement::None); // outputs are taken over with the same care
    }
    for protection in protections {
        let confined = protection.confines();
        if run(attack, protection).await? {
            return Err(format!(
                "`{}` succeeds (confined: {confined}): {}",
                attack.name, attack.gain
            ));
        }
    }
    Ok(alone)
}

/// Runs the attack as a job, and returns whether it succeeded.
async fn run(attack: &Attack, confinement: Confinement) -> Result<bool, String> {
    let confined = confinement.confines();
    let opens_descriptor = attack.code.contains("@DESCRIPTOR@");
    let (_alone, _among);
    if opens_descriptor {
        _alone = STARTING.write().await;
    } else {
        _among = STARTING.read().await;
    }
    let mut scene = Scene::new();
    let code = scene.fill(&program(attack.code));
    let mut limits = Limits { time: Duration::from_secs(60), ..Limits::default() };
    (attack.limits)(&mut limits, confined);
    let options = RunOptions { limits, ..options(confinement) };
    let (report, log) = scene.world.python(&code, Some(&["census"]), &options).await;
    if !log.contains("BEGUN") {
        return Err(format!(
            "`{}` did not run (confined: {confined}): {log} {report:?}",
            attack.name
        ));
    }
    let succeeded = match attack.noticed {
        Noticed::Says => log.lines().any(|line| line.starts_with("GOT")),
        Noticed::Here(is_noticed) => is_noticed(&mut scene, &report),
        Noticed::Left(is_noticed) => {
            is_noticed(&Left::of(&scene.world.left("job").join("outputs")))
        }
    };
    // What was stopped failed, and its owner is told in words that steer no terminal.
    let stopped = report.notes.iter().any(|note| note.contains("stopped"));
    if stopped && report.status != JobStatus::Failed {
        return Err(format!("`{}` was stopped and is {:?}", attack.name, report.status));
    }
    if let Some(note) = report.notes.iter().find(|note| note.chars().any(char::is_control)) {
        return Err(format!("`{}`: a note steers the terminal: {note:?}", attack.name));
    }
    if confined && std::env::var_os("SYFT_TEST_SHOW").is_some() {
        show(attack, &log, &report);
    }
    Ok(succeeded)
}

#[expect(clippy::print_stdout, reason = "asked for")]
fn show(attack: &Attack, log: &str, report: &RunReport) {
    let log = log.replace("BEGUN\n", "").replace("ENDED\n", "");
    let log: String = log.chars().take(200).collect();
    println!("{:<50} {log:?} {:?} {:?}", attack.name, report.return_code, report.notes);
}
