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
    /// Python, indented as you like. What stands in `@CAPITALS@` is replaced by what lies where on this
    /// machine.
    pub(crate) code: &'static str,
    /// How it is noticed that it succeeded.
    pub(crate) noticed: Noticed,
    /// What comes of it without the sandbox.
    pub(crate) alone: Alone,
    /// What is limited for it; the flag says whether it is confined.
    pub(crate) limits: Option<fn(&mut Limits, bool)>,
    /// Whether it needs a job of its own.
    pub(crate) apart: bool,
}

/// How an attack is noticed.
#[derive(Debug)]
pub(crate) enum Noticed {
    /// It prints a line that begins with `GOT` and its name, which [`PRELUDE`] does on its behalf.
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

/// An attack that succeeds on every machine and says so; the methods make another of it.
pub(crate) const fn attack(name: &'static str, gain: &'static str, code: &'static str) -> Attack {
    let (noticed, alone) = (Noticed::Says, Alone::Succeeds);
    Attack { name, gain, code, noticed, alone, limits: None, apart: false }
}

impl Attack {
    /// It is noticed in another way.
    pub(crate) const fn noticed(self, noticed: Noticed) -> Self {
        Self { noticed, ..self }
    }

    /// Without the sandbox it succeeds only where the machine has something.
    pub(crate) const fn sometimes(self, reason: &'static str) -> Self {
        Self { alone: Alone::Sometimes(reason), ..self }
    }

    /// Something is limited for it.
    pub(crate) const fn limited(self, limits: fn(&mut Limits, bool)) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// It harms other attacks of the same job.
    pub(crate) const fn apart(self) -> Self {
        Self { apart: true, ..self }
    }

    /// True if it can be tried in one job together with others: each has a process of its own there.
    fn is_sociable(&self) -> bool {
        let says = matches!(self.noticed, Noticed::Says);
        says && self.limits.is_none() && !self.apart && !self.code.contains(DESCRIPTOR)
    }
}

/// Stands for a descriptor that is open in our process while the attack is started.
const DESCRIPTOR: &str = "@DESCRIPTOR@";

/// What all attacks begin with. `call` is a system call by its numbers on x86-64 and on ARM.
pub(crate) const PRELUDE: &str = r#"
import ctypes, fcntl, mmap, os, signal, socket, struct, sys, time
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
    print(f'GOT <{NAME}>', *what, flush=True)
def hold():
    """Keeps what it has until somebody notices; without the sandbox nobody looks."""
    time.sleep(50 if @CONFINED@ else 0.5)
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
def attempt(name, attack):
    global NAME
    NAME = name
    print(f'BEGUN <{name}>', flush=True)
    try:
        attack()
    except BaseException as e:
        print('REFUSED', type(e).__name__, e, flush=True)
def apart(name, attack):
    """The same in a process of its own, of which nothing stays but what it printed."""
    child = os.fork()
    if child == 0:
        attempt(name, attack)
        os._exit(0)
    os.waitpid(child, 0)
"#;

/// Returns one program of all these attacks.
pub(crate) fn program(attacks: &[&Attack]) -> String {
    let mut program = PRELUDE.to_owned();
    let attempt = if attacks.len() == 1 { "attempt" } else { "apart" };
    for attack in attacks {
        let is_text = |line: &&str| !line.trim().is_empty();
        let indented = |line: &str| line.len() - line.trim_start().len();
        let margin = attack.code.lines().filter(is_text).map(indented).min().unwrap_or(0);
        let lines = attack.code.lines().filter(is_text);
        let body: String = lines.map(|line| format!("    {}\n", &line[margin..])).collect();
        let name = attack.name;
        program += &format!("def attack():\n{body}{attempt}({name:?}, attack)\n");
    }
    program
}

/// Who opens a descriptor that processes inherit needs it to be the only one who starts any.
static STARTING: RwLock<()> = RwLock::const_new(());

/// How many jobs are run at once; some of the time is waiting.
const AT_ONCE: usize = 4;

/// Tries all rows, and says how many were shown to succeed without the sandbox.
#[expect(clippy::print_stdout, reason = "what was not shown has to be said")]
pub(crate) async fn try_all(table: &str, attacks: &'static [Attack]) {
    let Some(sandbox) = sandbox().await else { return };
    let (together, apart): (Vec<_>, Vec<_>) =
        attacks.iter().partition(|attack| attack.is_sociable());
    let jobs = apart.into_iter().map(|attack| vec![attack]);
    let jobs = jobs.chain((!together.is_empty()).then_some(together));
    let outcomes: Vec<_> = futures::stream::iter(jobs)
        .map(|attacks| try_some(attacks, &sandbox))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut failures = Vec::new();
    let (mut shown, mut not_here) = (0, Vec::new());
    for (attack, outcome) in outcomes.into_iter().flatten() {
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

/// Whether an attack succeeds without the sandbox; it is an error if it should and does not, or if it
/// does in the sandbox.
type Outcome = (&'static Attack, Result<bool, String>);

/// Tries these in one job, without the sandbox and in it.
async fn try_some(attacks: Vec<&'static Attack>, sandbox: &Confinement) -> Vec<Outcome> {
    let alone = match attacks[..] {
        [Attack { noticed: Noticed::Left(is_noticed), .. }] => {
            let mut scene = Scene::new();
            let code = scene.fill(&program(&attacks), false);
            vec![Ok(is_noticed(&naively_collected(&scene, &code)))]
        }
        _ => run(&attacks, Confinement::None).await,
    };
    let mut protected = vec![run(&attacks, sandbox.clone()).await];
    if attacks.iter().any(|attack| matches!(attack.noticed, Noticed::Left(_))) {
        // Outputs are taken over with the same care.
        protected.push(run(&attacks, Confinement::None).await);
    }
    let outcome = |(place, attack): (usize, &'static Attack)| {
        let alone = alone[place].clone()?;
        if !alone && matches!(attack.alone, Alone::Succeeds) {
            return Err(format!("`{}` fails without the sandbox: it shows nothing", attack.name));
        }
        for protected in &protected {
            if protected[place].clone()? {
                return Err(format!("`{}` succeeds: {}", attack.name, attack.gain));
            }
        }
        Ok(alone)
    };
    attacks.iter().copied().enumerate().map(|one| (one.1, outcome(one))).collect()
}

/// Runs the attacks as one job, and returns of each whether it succeeded.
async fn run(attacks: &[&Attack], confinement: Confinement) -> Vec<Result<bool, String>> {
    let confined = confinement.confines();
    let opens_descriptor = attacks.iter().any(|attack| attack.code.contains(DESCRIPTOR));
    let (_alone, _among);
    if opens_descriptor {
        _alone = STARTING.write().await;
    } else {
        _among = STARTING.read().await;
    }
    let mut scene = Scene::new();
    let code = scene.fill(&program(attacks), confined);
    let mut limits = Limits { time: Duration::from_secs(60), ..Limits::default() };
    for change in attacks.iter().filter_map(|attack| attack.limits) {
        change(&mut limits, confined);
    }
    let options = RunOptions { limits, ..options(confinement) };
    let (report, log) = scene.world.python(&code, Some(&["census"]), &options).await;
    let mut succeeded = |attack: &Attack| {
        let name = attack.name;
        if !log.contains(&format!("BEGUN <{name}>")) {
            return Err(format!("`{name}` did not run (confined: {confined}): {log} {report:?}"));
        }
        // What was stopped failed, and its owner is told in words that steer no terminal.
        let stopped = report.notes.iter().any(|note| note.contains("stopped"));
        if stopped && report.status != JobStatus::Failed {
            return Err(format!("`{name}` was stopped and is {:?}", report.status));
        }
        if let Some(note) = report.notes.iter().find(|note| note.chars().any(char::is_control)) {
            return Err(format!("`{name}`: a note steers the terminal: {note:?}"));
        }
        Ok(match attack.noticed {
            Noticed::Says => log.lines().any(|line| line.starts_with(&format!("GOT <{name}>"))),
            Noticed::Here(is_noticed) => is_noticed(&mut scene, &report),
            Noticed::Left(is_noticed) => {
                is_noticed(&Left::of(&scene.world.left("job").join("outputs")))
            }
        })
    };
    let found = attacks.iter().map(|attack| succeeded(attack)).collect();
    if confined && std::env::var_os("SYFT_TEST_SHOW").is_some() {
        show(&log, &report);
    }
    found
}

#[expect(clippy::print_stdout, reason = "asked for")]
fn show(log: &str, report: &RunReport) {
    for (start, _) in log.match_indices("BEGUN <") {
        let said = &log[start + "BEGUN ".len()..];
        let said: String = said.split("BEGUN <").next().unwrap_or(said).chars().take(200).collect();
        println!("{said:?} {:?} {:?}", report.return_code, report.notes);
    }
}
