//! The machines, the drive and the clocks, and how steps are carried out on them.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use syft::caches::Folders;
use syft::client::{Client, Clock};
use syft::connections::MemoryDrive;
use syft::model::{Email, Role, Timestamp};
use syft::syncers::{Problem, Report};

use super::disk::Disk;
use super::gate::{Died, Fate, Gate, Gated};
use super::model::Model;
use super::operations::{
    Action, Edit, FIRST, MACHINES, OWNER, PLAIN_SYNC, SCIENTISTS, SECOND, Step, address, content,
};
use super::processes::{Process, process};
use super::products::{self, Products};
use super::secrets::{Secrets, mark, marks};

/// 2020: long before now, so that no file looks older than a look at it, however clocks jump.
const BEGIN_MICROS: i64 = 1_600_000_000_000_000;
/// Where the clock of a drive in memory begins.
const DRIVE_BEGIN_MICROS: i64 = 1_780_000_000_000_000;
/// More than an interpreter is given to look at the code of a job.
const INTERPRETER: Duration = Duration::from_secs(60);

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

/// A clock that goes on by a part of a second with each look.
#[derive(Debug)]
pub(crate) struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(250_001, Ordering::Relaxed))
    }
}

/// What came of a process.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It did what it could.
    Done(Report),
    /// It could do nothing.
    Failed(String),
    Died,
}

impl Outcome {
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Self::Done(report) if report.is_idle())
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        match self {
            Self::Done(report) => report.problems.iter().map(told).collect(),
            Self::Failed(error) => vec![error.clone()],
            Self::Died => Vec::new(),
        }
    }
}

fn told(problem: &Problem) -> String {
    format!("{}: {}", problem.code, problem.message)
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done(report) if report.is_idle() => f.write_str("idle"),
            Self::Done(report) => {
                let Report { pulled, accepted, pushed, refused, .. } = report;
                write!(f, "pulled {pulled}, accepted {accepted}, pushed {pushed}")?;
                for refused in refused {
                    write!(f, ", refused {} of {}", refused.path, refused.peer)?;
                }
                report.problems.iter().try_for_each(|one| write!(f, "; {}", told(one)))
            }
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Died => f.write_str("died"),
        }
    }
}

/// What runs were made of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) steps: usize,
    pub(crate) processes: usize,
    pub(crate) calls: usize,
    pub(crate) failed_calls: usize,
    pub(crate) deaths: usize,
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) commands_done: usize,
    pub(crate) objects_searched: usize,
    pub(crate) datasets_updated: usize,
    pub(crate) logs_shortened: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.processes += other.processes;
        self.calls += other.calls;
        self.failed_calls += other.failed_calls;
        self.deaths += other.deaths;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.commands_done += other.commands_done;
        self.objects_searched += other.objects_searched;
        self.datasets_updated += other.datasets_updated;
        self.logs_shortened += other.logs_shortened;
    }

    fn ended(&mut self, action: &Action, outcome: &Outcome, calls: usize, failed_calls: usize) {
        self.processes += 1;
        self.calls += calls;
        self.failed_calls += failed_calls;
        match outcome {
            Outcome::Died => self.deaths += 1,
            Outcome::Failed(_) => {}
            Outcome::Done(report) => {
                self.accepted += report.accepted;
                self.refused += report.refused.len();
                let is_command = !matches!(action, Action::Sync(_));
                self.commands_done += usize::from(is_command);
                let is_update = matches!(action, Action::UpdateDataset { .. });
                self.datasets_updated += usize::from(is_update);
            }
        }
    }
}

struct Machine {
    email: Email,
    role: Role,
    home: PathBuf,
    clock: Arc<Hand>,
    gate: Arc<Gate>,
    client: Option<Arc<Client>>,
    process: Option<Process>,
    /// What the process does, and whether nothing is in its way.
    action: Option<(Action, bool)>,
}

pub(crate) struct World {
    pub(crate) drive: MemoryDrive,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) model: Model,
    pub(crate) products: Products,
    pub(crate) disks: Vec<Disk>,
    /// What happened, a line each.
    pub(crate) log: Vec<String>,
    pub(crate) tally: Tally,
    machines: Vec<Machine>,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

/// A temporary folder, in memory where the system has such a place.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let (drive, folder) = (MemoryDrive::new(), folder());
        drive.advance_micros(BEGIN_MICROS - DRIVE_BEGIN_MICROS);
        let machines: Vec<Machine> = (0..MACHINES)
            .map(|number| Machine {
                email: email(address(number)),
                role: if number < SCIENTISTS[0] { Role::Owner } else { Role::Scientist },
                home: folder.path().join(number.to_string()),
                clock: Arc::new(Hand(AtomicI64::new(BEGIN_MICROS))),
                gate: Arc::default(),
                client: None,
                process: None,
                action: None,
            })
            .collect();
        let owner = email(OWNER);
        let tree = |machine: &Machine| {
            let (home, configuration) = (&machine.home, machine.home.join(".syft"));
            let folders = Folders::new(home, &configuration, &machine.email, machine.role);
            Disk::new(folders.datasite(&owner))
        };
        let disks: Vec<Disk> = machines.iter().map(tree).collect();
        let scientists: Vec<Email> = SCIENTISTS.iter().map(|m| email(address(*m))).collect();
        let of_owner = disks[..SCIENTISTS[0]].to_vec();
        let secrets = Arc::new(Secrets::new(&drive, &owner, &scientists, of_owner));
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).enable_all().build();
        Self {
            drive,
            secrets,
            model: Model::default(),
            products: Products::default(),
            disks,
            log: Vec::new(),
            tally: Tally::default(),
            machines,
            runtime: runtime.unwrap(),
            folder,
        }
    }

    /// True if the second machine of the owner was ever used.
    pub(crate) fn is_used(&self, machine: usize) -> bool {
        self.machines[machine].home.exists()
    }

    /// The client of a machine; opened again after its process died.
    pub(crate) fn client(&mut self, machine: usize) -> Arc<Client> {
        let Machine { email, role, home, clock, gate, client, .. } = &mut self.machines[machine];
        let open = || {
            let connection = Gated::new(&self.drive, email, gate, &self.secrets, machine);
            let client = Client::over(Arc::new(connection), *role, home, Arc::clone(clock) as _);
            let client = client.unwrap();
            let gate = Arc::clone(gate);
            client.account().store.set_witness(move |moment| gate.commit(moment));
            Arc::new(client)
        };
        Arc::clone(client.get_or_insert_with(open))
    }

    /// Carries out one step.
    pub(crate) fn step(&mut self, step: &Step) {
        self.log.push(step.to_string());
        self.tally.steps += 1;
        match step {
            Step::Edit { machine, edit } => {
                self.look(*machine);
                if let Edit::Write { content, .. } = edit
                    && *machine >= SCIENTISTS[0]
                {
                    self.secrets.allow(content, machine - SCIENTISTS[0]);
                }
                if !self.model.edit(*machine, edit, &self.disks[*machine]) {
                    return self.note("cannot be done");
                }
                // What the second machine has not sent when the log is shortened would be too old to
                // send: its files are of the day of the run, long after all that happens here.
                if let Edit::Write { path, .. } = edit
                    && *machine != SECOND
                {
                    let micros = self.machines[*machine].clock.0.load(Ordering::Relaxed);
                    self.disks[*machine].set_time(path, micros);
                }
            }
            Step::Begin { machine, action, fate, calls } => {
                if self.machines[*machine].process.is_some() {
                    return self.note("busy");
                }
                self.begin(*machine, action, fate.clone());
                self.go(*machine, *calls);
            }
            Step::Go { machine, calls } => {
                self.go(*machine, *calls);
            }
            Step::Wind { machine, seconds } => {
                let clock = &self.machines[*machine].clock.0;
                clock.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
            }
            Step::Lag { writes, disorder } => {
                self.drive.set_disorder(*disorder);
                self.drive.set_lag(*writes);
            }
            Step::ChangeJob { machine, job, content } => self.change_job(*machine, job, content),
            Step::ExpireTokens => self.drive.expire_tokens(),
            Step::Pass { days } => {
                self.drive.advance_micros(days * 86_400_000_000);
                self.wind_all(days * 86_400);
            }
            Step::Busy { machine, times, mark } => self.be_busy(*machine, *times, *mark),
        }
    }

    /// Lets time pass on all machines.
    pub(crate) fn wind_all(&self, seconds: i64) {
        for machine in &self.machines {
            machine.clock.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
        }
    }

    /// A user writes the same few files again and again, and syncs after each.
    fn be_busy(&mut self, machine: usize, times: usize, mark: usize) {
        for number in 0..times {
            if self.machines[machine].process.is_some() {
                return self.note("busy");
            }
            let path = format!("open/a{}.txt", number % 3);
            let edit = Edit::Write { path, content: content(mark + number, machine) };
            self.model.edit(machine, &edit, &self.disks[machine]);
            self.begin(machine, &Action::Sync(PLAIN_SYNC), Fate::default());
            self.go(machine, None);
        }
    }

    fn note(&mut self, text: &str) {
        if let Some(last) = self.log.last_mut() {
            *last += &format!(" -> {text}");
        }
    }

    /// Looks at the disk of a machine, if it is one of the owner.
    fn look(&mut self, machine: usize) {
        if [FIRST, SECOND].contains(&machine) {
            let files = self.disks[machine].files();
            self.model.observe(&files);
            self.secrets.sample(machine, files);
        }
    }

    pub(crate) fn begin(&mut self, machine: usize, action: &Action, fate: Fate) {
        let client = self.client(machine);
        self.look(machine);
        self.products.begins(action, &self.secrets);
        match action {
            Action::Submit { number, .. } => {
                let own = mark(*number).into_bytes();
                self.secrets.allow(&own, machine - SCIENTISTS[0]);
            }
            Action::Approve(peer) => self.secrets.let_in(peer - SCIENTISTS[0]),
            Action::ApproveJob { job, from } => {
                let folder = products::job_folder(*from, job);
                self.products.approves(&folder, &self.disks[machine]);
            }
            _ => {}
        }
        let is_clean = fate == Fate::default();
        self.machines[machine].gate.begin(fate);
        self.machines[machine].action = Some((action.clone(), is_clean));
        let files = self.folder.path().join("files");
        self.machines[machine].process = Some(process(client, action, files));
    }

    /// Changes the script of a job where its submitter has it.
    fn change_job(&mut self, machine: usize, job: &str, content: &[u8]) {
        self.secrets.allow(content, machine - SCIENTISTS[0]);
        let folder = products::job_folder(machine, job);
        let disk = &self.disks[machine];
        let script = disk
            .files()
            .into_iter()
            .find(|(path, content)| path.starts_with(&folder) && !marks(content).is_empty());
        match script {
            Some((path, _)) => assert!(disk.write(&path, content)),
            None => self.note("there is none"),
        }
    }

    /// Lets the process of a machine make some calls, or all that are left.
    pub(crate) fn go(&mut self, machine: usize, calls: Option<usize>) -> Option<Outcome> {
        let mut process = self.machines[machine].process.take()?;
        let gate = Arc::clone(&self.machines[machine].gate);
        let mut granted = 0;
        loop {
            match self.poll(&mut process, &gate) {
                Some(outcome) => {
                    if matches!(outcome, Outcome::Died) {
                        // Also releases the lock of the SyftBox, as the system would.
                        drop(process);
                        self.machines[machine].client = None;
                    }
                    if let Some((action, is_clean)) = self.machines[machine].action.take() {
                        self.products.ended(&action, &outcome, is_clean);
                        // A second machine of the owner hears of it later.
                        if let (Action::Reject(peer), Outcome::Done(_)) = (&action, &outcome)
                            && !self.is_used(SECOND)
                        {
                            self.secrets.turn_down(peer - SCIENTISTS[0]);
                        }
                        self.tally.ended(&action, &outcome, gate.counted().0, gate.failed());
                    }
                    let (calls, commits) = gate.counted();
                    self.note(&format!("{outcome} [{calls} calls, {commits} commits]"));
                    self.look(machine);
                    return Some(outcome);
                }
                None if calls.is_some_and(|calls| granted >= calls) => {
                    self.machines[machine].process = Some(process);
                    self.look(machine);
                    self.note(&format!("waits after {granted} calls"));
                    return None;
                }
                None => {
                    // The newest of those that run side by side, then the oldest: out of order.
                    let last = gate.waiting() - 1;
                    gate.grant(if granted % 2 == 0 { last } else { 0 });
                    granted += 1;
                }
            }
        }
    }

    /// Lets a process run until all that it waits for is the gate. Returns its outcome, if it ends.
    ///
    /// What it does on another thread, as where datasets or large files are read, is done between two
    /// looks at it and never during one: the order of things must not hang on how fast that is.
    fn poll(&self, process: &mut Process, gate: &Gate) -> Option<Outcome> {
        let _entered = self.runtime.enter();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        loop {
            flag.lower();
            let mut context = Context::from_waker(&waker);
            // There is one other thread, and it waits.
            let (release, held) = std::sync::mpsc::channel::<()>();
            self.runtime.spawn_blocking(move || held.recv().is_err());
            let polled = catch_unwind(AssertUnwindSafe(|| process.as_mut().poll(&mut context)));
            drop(release);
            match polled {
                Ok(Poll::Ready(outcome)) => return Some(outcome),
                Ok(Poll::Pending) => {}
                Err(reason) if reason.is::<Died>() => return Some(Outcome::Died),
                Err(reason) => resume_unwind(reason),
            }
            let drained = self.runtime.block_on(self.runtime.spawn_blocking(|| ()));
            drained.unwrap();
            if flag.is_up() {
                continue;
            }
            if gate.waiting() > 0 {
                return None;
            }
            // An interpreter is asked about the code of a job, and nothing goes on beside.
            let woken = tokio::time::timeout(INTERPRETER, Woken(&flag));
            self.runtime.block_on(woken).expect("a process waits for something");
        }
    }

    /// Waits for something that makes no calls.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Lets a process run alone, with nothing in its way.
    pub(crate) fn run(&mut self, machine: usize, action: &Action) -> Outcome {
        self.log.push(format!("{}: {action:?}", super::operations::name(machine)));
        self.begin(machine, action, Fate::default());
        self.go(machine, None).unwrap()
    }

    /// Lets all processes come to their end.
    pub(crate) fn finish_all(&mut self) {
        for machine in 0..MACHINES {
            if self.machines[machine].process.is_some() {
                self.log.push(format!("{}: comes to its end", super::operations::name(machine)));
                self.go(machine, None);
            }
        }
    }
}

/// Says that a process can go on, also to who waits for that.
#[derive(Debug, Default)]
struct Flag {
    is_up: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Flag {
    fn lower(&self) {
        self.is_up.store(false, Ordering::SeqCst);
    }

    fn is_up(&self) -> bool {
        self.is_up.load(Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.is_up.store(true, Ordering::SeqCst);
        let waiting = self.waiting.lock().unwrap().take();
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Ends once the flag is up.
struct Woken<'a>(&'a Flag);

impl Future for Woken<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        *self.0.waiting.lock().unwrap() = Some(context.waker().clone());
        if self.0.is_up() { Poll::Ready(()) } else { Poll::Pending }
    }
}
