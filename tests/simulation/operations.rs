//! What may happen: single steps, and a random list of them.
//!
//! A step says all that it needs, so that a list with some left out is a list still: that is how a
//! failing run is made short.

use std::fmt;

use syft::caches::Commit;
use syft::permissions::Level;

use super::chance::Chance;
use super::gate::{Death, Fate, Part};
use super::later;
use super::secrets::mark;

/// The machines, by number: two of the owner, one of each scientist.
pub(crate) const FIRST: usize = 0;
pub(crate) const SECOND: usize = 1;
pub(crate) const SCIENTISTS: [usize; 3] = [2, 3, 4];
pub(crate) const MACHINES: usize = 5;

pub(crate) const OWNER: &str = "do@example.org";

pub(crate) fn name(machine: usize) -> &'static str {
    ["first", "second", "ds0", "ds1", "ds2"][machine]
}

pub(crate) fn address(machine: usize) -> &'static str {
    [OWNER, OWNER, "ds0@example.org", "ds1@example.org", "ds2@example.org"][machine]
}

/// What a user does to files.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Write { path: String, content: Vec<u8> },
    Delete { path: String },
    Rename { from: String, to: String },
}

/// How a sync is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sync {
    pub(crate) full: bool,
    pub(crate) prune_log: bool,
    /// It leaves alone what was written just before it, as one of a watch does.
    pub(crate) of_watch: bool,
    /// Next to nothing is held in memory, as if all files were large.
    pub(crate) holds_little: bool,
    pub(crate) checkpoint_threshold: usize,
    pub(crate) compact_threshold: usize,
}

/// What a user asks the program to do.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Sync(Sync),
    Ask,
    Approve(usize),
    Reject(usize),
    Grant { path: String, user: String, level: Level },
    Revoke { path: String, user: String, level: Level },
    Checkpoint,
    CreateDataset { dataset: &'static str, number: usize, readers: Readers, upload_private: bool },
    UpdateDataset { dataset: &'static str, number: usize, is_private_new: bool },
    Share { dataset: &'static str, readers: Readers },
    Unshare { dataset: &'static str, readers: Readers },
    DeleteDataset { dataset: &'static str },
    Submit { job: &'static str, number: usize },
    ApproveJob { job: &'static str, from: usize },
    RejectJob { job: &'static str, from: usize },
}

/// Whom a dataset is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    Any,
    Only(usize),
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A user edits, also while a process of its machine runs.
    Edit { machine: usize, edit: Edit },
    /// A process begins, unless one is running there, and makes so many calls; `None`: all.
    Begin { machine: usize, action: Action, fate: Fate, calls: Option<usize> },
    /// The process that runs there goes on.
    Go { machine: usize, calls: Option<usize> },
    /// The clock of a machine jumps.
    Wind { machine: usize, seconds: i64 },
    /// The service shows writes late from now on, and out of order if there is a seed for that.
    Lag { writes: usize, disorder: Option<u64> },
    /// A scientist changes the files of a job that it submitted.
    ChangeJob { machine: usize, job: &'static str, content: Vec<u8> },
    /// The service has forgotten where everybody is in its change feed.
    ExpireTokens,
    /// A user of that machine writes and syncs so many times; the contents have marks from `mark` on.
    Busy { machine: usize, times: usize, mark: usize },
    /// Time passes everywhere.
    Pass { days: i64 },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit { machine, edit } => match edit {
                Edit::Write { path, content } => {
                    let text = String::from_utf8_lossy(content);
                    write!(f, "{}: write {path} = {text:?}", name(*machine))
                }
                Edit::Delete { path } => write!(f, "{}: delete {path}", name(*machine)),
                Edit::Rename { from, to } => write!(f, "{}: rename {from} {to}", name(*machine)),
            },
            Self::Begin { machine, action, fate, calls } => {
                write!(f, "{}: {action:?}", name(*machine))?;
                for (call, part) in &fate.failures {
                    write!(f, ", call {call} fails after {part:?}")?;
                }
                match fate.death {
                    Some(Death::AtCall(call, part)) => {
                        write!(f, ", dies at call {call} ({part:?})")?
                    }
                    Some(Death::AtCommit(n, when)) => write!(f, ", dies {when:?} commit {n}")?,
                    None => {}
                }
                calls.map_or(Ok(()), |calls| write!(f, ", for {calls} calls"))
            }
            Self::Go { machine, calls: Some(calls) } => {
                write!(f, "{}: goes on for {calls} calls", name(*machine))
            }
            Self::Go { machine, calls: None } => write!(f, "{}: goes on", name(*machine)),
            Self::Wind { machine, seconds } => write!(f, "{}: clock {seconds:+} s", name(*machine)),
            Self::Lag { writes, disorder } => {
                let order = if disorder.is_some() { ", out of order" } else { "" };
                write!(f, "service: {writes} writes late{order}")
            }
            Self::ChangeJob { machine, job, .. } => {
                write!(f, "{}: changes job {job}", name(*machine))
            }
            Self::ExpireTokens => f.write_str("service: feed tokens expire"),
            Self::Busy { machine, times, .. } => {
                write!(f, "{}: writes and syncs {times} times", name(*machine))
            }
            Self::Pass { days } => write!(f, "{days} days pass"),
        }
    }
}

pub(crate) const PLAIN_SYNC: Sync = Sync {
    full: false,
    prune_log: false,
    of_watch: false,
    holds_little: false,
    checkpoint_threshold: 50,
    compact_threshold: 10,
};

/// How a run goes: what is common to its steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) second: bool,
    faults: bool,
    interleaved: bool,
    late: bool,
    pub(crate) datasets: bool,
    jobs: bool,
    checkpoint_threshold: usize,
    compact_threshold: usize,
}

/// Returns a random list of about `count` steps.
pub(crate) fn script(seed: u64, count: usize) -> Vec<Step> {
    let mut chance = Chance::new(seed);
    let manner = Manner {
        second: chance.is(1, 2),
        faults: chance.is(2, 3),
        interleaved: chance.is(1, 2),
        late: chance.is(1, 2),
        datasets: chance.is(1, 3),
        jobs: chance.is(1, 3),
        checkpoint_threshold: chance.pick(&[3, 8, 50]),
        compact_threshold: chance.pick(&[2, 4, 10]),
    };
    let mut steps = prologue();
    while steps.len() < count {
        let number = steps.len();
        let step = one(&mut chance, manner, number);
        steps.push(step);
    }
    later::add(&mut steps, seed, manner);
    steps
}

/// Two scientists know the owner, and each folder has its rules.
fn prologue() -> Vec<Step> {
    let begin =
        |machine, action| Step::Begin { machine, action, fate: Fate::default(), calls: None };
    let grant = |path: &str, user: &str, level| {
        begin(FIRST, Action::Grant { path: path.to_owned(), user: user.to_owned(), level })
    };
    let mut steps = vec![grant("open/", "*", Level::Read), grant("both/", "*", Level::Write)];
    for machine in SCIENTISTS {
        let folder = format!("shared/{}/", name(machine));
        steps.push(grant(&folder, address(machine), Level::Write));
        steps.push(grant(&folder, "*", Level::Read));
    }
    for path in ["open/keep.txt", "both/keep.txt", "closed/keep.txt"] {
        let content = content(steps.len(), FIRST);
        let edit = Edit::Write { path: path.to_owned(), content };
        steps.push(Step::Edit { machine: FIRST, edit });
    }
    steps.push(begin(FIRST, Action::Sync(PLAIN_SYNC)));
    for machine in [SCIENTISTS[0], SCIENTISTS[1]] {
        steps.push(begin(machine, Action::Ask));
        steps.push(begin(FIRST, Action::Approve(machine)));
        steps.push(begin(machine, Action::Sync(PLAIN_SYNC)));
    }
    steps
}

pub(crate) fn content(number: usize, machine: usize) -> Vec<u8> {
    format!("{}by {}\n", mark(number), name(machine)).into_bytes()
}

fn machine(chance: &mut Chance, manner: Manner) -> usize {
    loop {
        let machine = chance.pick(&[FIRST, FIRST, FIRST, SECOND, SECOND, 2, 2, 3, 3, 4]);
        if machine != SECOND || manner.second {
            return machine;
        }
    }
}

fn one(chance: &mut Chance, manner: Manner, number: usize) -> Step {
    let machine = machine(chance, manner);
    match chance.below(100) {
        0..42 => Step::Edit { machine, edit: edit(chance, machine, number) },
        42..72 => {
            let sync = Sync {
                full: chance.is(1, 20),
                prune_log: false,
                of_watch: number.is_multiple_of(3),
                holds_little: number.is_multiple_of(4),
                checkpoint_threshold: manner.checkpoint_threshold,
                compact_threshold: manner.compact_threshold,
            };
            process(chance, manner, machine, Action::Sync(sync))
        }
        72..78 => {
            let action = rule(chance);
            process(chance, manner, FIRST, action)
        }
        78..82 => {
            let peer = chance.pick(&SCIENTISTS);
            let (machine, action) = match chance.below(5) {
                0..2 => (peer, Action::Ask),
                2..4 => (FIRST, Action::Approve(peer)),
                _ => (FIRST, Action::Reject(peer)),
            };
            process(chance, manner, machine, action)
        }
        82..86 if manner.datasets => {
            let action = dataset(chance, number);
            process(chance, manner, FIRST, action)
        }
        86..91 if manner.jobs => job(chance, manner, number),
        91 => process(chance, manner, FIRST, Action::Checkpoint),
        92..95 => Step::Wind {
            machine,
            seconds: chance.pick(&[-86_400, -3_600, -5, 30, 3_600, 8 * 3_600, 86_400]),
        },
        95..98 if manner.late => Step::Lag {
            writes: chance.pick(&[0, 0, 1, 3, 8, 20]),
            disorder: chance.is(1, 2).then(|| chance.next()),
        },
        98 if manner.late => Step::ExpireTokens,
        _ => Step::Go { machine, calls: chance.is(2, 3).then(|| chance.below(6)) },
    }
}

fn dataset(chance: &mut Chance, number: usize) -> Action {
    let dataset = chance.pick(&["ages", "blood"]);
    let readers = match chance.below(4) {
        0 => Readers::Any,
        _ => Readers::Only(chance.pick(&SCIENTISTS)),
    };
    match chance.below(8) {
        0..4 => Action::CreateDataset { dataset, number, readers, upload_private: chance.is(1, 3) },
        4 => Action::Share { dataset, readers },
        5..7 => Action::Unshare { dataset, readers },
        _ => Action::DeleteDataset { dataset },
    }
}

fn job(chance: &mut Chance, manner: Manner, number: usize) -> Step {
    let job = chance.pick(&["count", "sum"]);
    let from = chance.pick(&SCIENTISTS);
    let action = match chance.below(6) {
        0..2 => return process(chance, manner, from, Action::Submit { job, number }),
        2 => {
            let content = content(number, from);
            return Step::ChangeJob { machine: from, job, content };
        }
        3..5 => Action::ApproveJob { job, from },
        _ => Action::RejectJob { job, from },
    };
    process(chance, manner, FIRST, action)
}

pub(crate) fn process(chance: &mut Chance, manner: Manner, machine: usize, action: Action) -> Step {
    let mut fate = Fate::default();
    if manner.faults && chance.is(1, 2) {
        let part = chance.pick(&[Part::Nothing, Part::Half, Part::All]);
        match chance.below(5) {
            0 => fate.death = Some(Death::AtCall(chance.below(10), part)),
            1..4 => {
                let when = chance.pick(&[Commit::Before, Commit::After]);
                fate.death = Some(Death::AtCommit(chance.below(20), when));
            }
            _ => {
                fate.failures.push((chance.below(6), part));
                fate.failures.push((chance.below(12), part));
            }
        }
    }
    let calls = (manner.interleaved && chance.is(1, 2)).then(|| chance.below(8));
    Step::Begin { machine, action, fate, calls }
}

fn rule(chance: &mut Chance) -> Action {
    let path = chance.pick(&["vary/", "vary/x/", "vary/x/0.txt", "vary/1.txt"]).to_owned();
    let user = chance.pick(&["*", address(2), address(3), address(4)]).to_owned();
    let level = chance.pick(&[Level::Read, Level::Read, Level::Write]);
    if chance.is(3, 5) {
        Action::Grant { path, user, level }
    } else {
        Action::Revoke { path, user, level }
    }
}

fn edit(chance: &mut Chance, machine: usize, number: usize) -> Edit {
    let path = path(chance, machine);
    if is_own(machine, &path) && chance.is(1, 12) {
        let (folder, _) = path.rsplit_once('/').unwrap();
        let to = format!("{folder}/{}0.txt", prefix(machine));
        return Edit::Rename { from: path, to };
    }
    if chance.is(1, 6) {
        return Edit::Delete { path };
    }
    let mut content = content(number, machine);
    if chance.is(1, 12) {
        content.push(0xff); // It travels in base64 then.
    } else if chance.is(1, 30) && is_own(machine, &path) {
        content.clear();
    }
    Edit::Write { path, content }
}

/// What the files begin with that one machine alone writes.
fn prefix(machine: usize) -> &'static str {
    ["a", "b", "s", "s", "s"][machine]
}

fn path(chance: &mut Chance, machine: usize) -> String {
    let number = chance.below(3);
    let own = prefix(machine);
    if machine < SCIENTISTS[0] {
        match chance.below(10) {
            0..3 => format!("open/{own}{number}.txt"),
            3..5 => format!("closed/{own}{number}.txt"),
            5..8 if machine == FIRST => format!("both/{number}.txt"),
            8 => format!("vary/x/{number}.txt"),
            _ => format!("vary/{number}.txt"),
        }
    } else {
        match chance.below(10) {
            0..4 => format!("shared/{}/{own}{number}.txt", name(machine)),
            4..7 => format!("both/{number}.txt"),
            7 => format!("open/a{number}.txt"),
            8 => format!("vary/x/{number}.txt"),
            _ => format!("vary/{number}.txt"),
        }
    }
}

/// True if nobody but this machine may, and does, write there.
pub(crate) fn is_own(machine: usize, path: &str) -> bool {
    let own = match machine {
        FIRST | SECOND => {
            let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
            return ["open", "closed"].contains(&folder) && file.starts_with(prefix(machine));
        }
        _ => format!("shared/{}/", name(machine)),
    };
    path.starts_with(&own)
}
