//! Runs one approved job: copy, compare, prepare, execute, take over.
//!
//! Straight-line code; the rules are elsewhere. Its order is what makes it safe. What runs is the
//! copy whose digest was approved. The state says `running` before anything runs and says how it
//! ended after all results are in place, so after a crash [`recover`](super::recover) finds what was
//! cut short. Results go to a private place outside of the synced tree: by running a job nothing
//! leaves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;

use super::approval::Approval;
use super::claim::Claim;
use super::config::JobConfig;
use super::cut::{Cut, Stop, Wish, listen};
use super::environment::InstallSettings;
use super::error::{Error, io_error};
use super::failure::{Detail, Ending, FailureReport};
use super::form::CONFIG_FILE;
use super::layout::JobId;
use super::limits::{Limits, Usage};
use super::logs::{self, append};
use super::outputs::collect;
use super::process;
use super::queue::AfterCut;
use super::readable::{dataset_changes, readable};
use super::record::RunRecord;
use super::release::ReleaseRecord;
use super::sandbox::Confinement;
use super::settling::{keep_logs, settle_run};
use super::snapshot;
use super::standing::Sharing;
use super::state::{Action, JobState, JobStatus, coarse_end};
use super::store::{Job, JobStore};
use super::telling::RunEnd;
use super::tree::{open_root, read_file};
use super::workspace::{OUTPUTS, Plan, Workspace};
use super::yaml;
use crate::model::{DatasitePath, Timestamp};

/// How jobs are run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What stands between the job and this machine.
    pub confinement: Confinement,
    /// What it may use up.
    pub limits: Limits,
    /// How its packages are obtained.
    pub install: InstallSettings,
    /// Where programs are looked for, in the form of `PATH`.
    pub path: String,
}

/// What may end runs before they end by themselves, and what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct RunControl {
    /// Ends them when it is wished.
    pub stop: Stop,
    /// What becomes of those that were ended so.
    pub after_cut: AfterCut,
    /// How much submitters are told of a run that fails, also if nobody is left here to say so.
    pub failure_report: Detail,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// The job.
    pub job: JobId,
    /// `done` or `failed`; `approved` if its run was cut short and it waits for another.
    pub status: JobStatus,
    /// Its return code; −1 if it was killed or could not be started.
    pub return_code: i64,
    /// What it left, below `outputs/`.
    pub outputs: Vec<DatasitePath>,
    /// How long all of it took, the installation of packages included.
    pub duration: Duration,
    /// Whether it was confined.
    pub confined: bool,
    /// Why it ended before it ended by itself, if it did.
    pub cut: Option<Cut>,
    /// What it used at most; nothing if it was not confined.
    pub usage: Usage,
    /// What the owner should know: outputs left out, a script that was not used.
    pub notes: Vec<String>,
    /// How it failed, if it did.
    pub failed: Option<RunEnd>,
    /// What its submitter is told of that; the caller's to decide.
    pub told: Option<FailureReport>,
    /// What of it its submitter may read; the caller's to decide.
    pub given: Given,
}

/// What of a run its submitter may read once a sync took it there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Outputs, logs.
    pub sharing: Sharing,
    /// The standing approval that says so, if it was not asked for with the run.
    pub standing: Option<String>,
}

impl Given {
    /// Adds what was let go.
    pub fn add(&mut self, record: Option<&ReleaseRecord>) {
        self.sharing.outputs |= record.is_some_and(ReleaseRecord::has_outputs);
        self.sharing.logs |= record.is_some_and(ReleaseRecord::has_logs);
    }
}

const NOT_INSTALLED: &str = "its packages could not be installed; see its log";

/// What the system tells a job that writes where it may not.
const READ_ONLY: &str = "Read-only file system";

const WROTE_BESIDE: &str = "it tried to write where a job may only read; results belong in \
    `outputs/`, what is needed for a while in `/tmp`";

/// Runs a job that is approved as it lies there.
///
/// A job that fails is no error. If this future is dropped, the job is killed, and
/// [`recover`](super::recover) says so in its state.
///
/// # Errors
/// [`Error::Refused`] if it is not approved, [`Error::NotBound`] or [`Error::Changed`] if what lies
/// there is not what was approved, [`Error::Busy`] if another process runs it. In all these cases
/// nothing was changed.
pub async fn run(
    store: &JobStore,
    id: &JobId,
    options: &RunOptions,
    now: Timestamp,
) -> Result<RunReport, Error> {
    run_until(store, id, options, &RunControl::default(), now).await
}

/// The same, to be ended by `control`, or by [`cancel`](super::cancel) from any process.
///
/// # Errors
/// As [`run`].
pub async fn run_until(
    store: &JobStore,
    id: &JobId,
    options: &RunOptions,
    control: &RunControl,
    now: Timestamp,
) -> Result<RunReport, Error> {
    let start = Instant::now();
    store.find(id)?;
    let problem = || io_error(&format_args!("the private copy of `{id}`"));
    let claim = Claim::take(store.private(), store.owner(), id)
        .map_err(problem())?
        .ok_or_else(|| Error::Busy { job: id.clone() })?;
    // From here on nobody else runs it, so what is read now stays true.
    let mut job = store.find(id)?;
    let running = store.decide(&job, &Action::Start, now)?;
    let workspace = Workspace::create(claim).map_err(problem())?;
    let (copy, approval) = copy_approved(store, &job, &workspace)?;
    let config = read_file(&copy, CONFIG_FILE, yaml::BYTES_MAX).map_err(problem())?;
    job.config = JobConfig::parse(id.layout, &config.unwrap_or_default())
        .map_err(|error| Error::Unusable { job: id.clone(), reason: error.to_string() })?;
    copy.create_dir_all(OUTPUTS).map_err(problem())?;
    store.clear_results(&job)?;
    let mut record = begin(store, id, &approval, options, control, now);
    store.records().write(id, &record)?;
    store.write_state(&job, &running)?;
    job.state = running;

    let run =
        Run { store, job: &job, approval: &approval, copy: &copy, workspace: &workspace, options };
    let mut notes = Vec::new();
    let mut measured = None;
    let cancel_file = workspace.claim().place().cancel_file();
    let (wish, listener) = listen(&cancel_file, now, &control.stop);
    let ended = tokio::select! {
        ended = run.attempt(&mut notes, &mut record, &mut measured, &wish) => ended,
        never = listener => match never {},
    };
    let (state, return_code, outputs, cut) = match ended {
        Ended::Cut(cut) => {
            let claim = workspace.claim();
            let end = moment(now, start.elapsed());
            let state = settle_run(store, claim, &job, &mut record, &cut, end)?;
            (state, -1, Vec::new(), Some(cut))
        }
        Ended::Code(code) => {
            let (code, outputs) = run.keep_or_fail(code, &mut notes);
            notes.extend(job.config.request().compare(&outputs).notes());
            record.ended = Some(moment(now, start.elapsed()));
            record.return_code = Some(code);
            record.interruptions = 0;
            record.kept = true;
            let state = run.finish(code, &record, start.elapsed())?;
            (state, code, outputs, None)
        }
    };
    let duration = start.elapsed();
    let usage = measured.map(|measured| measured.usage).unwrap_or_default();
    let cause = Cause { cut: cut.as_ref(), measured: measured.as_ref() };
    let is_failed = state.status == JobStatus::Failed;
    let failed = is_failed.then(|| cause.end(return_code, &options.limits, &notes, duration));
    Ok(RunReport {
        job: id.clone(),
        status: state.status,
        return_code,
        outputs,
        duration,
        confined: options.confinement.confines(),
        cut,
        usage,
        notes,
        failed,
        told: None,
        given: Given::default(),
    })
}

/// What is known of the end of a run.
struct Cause<'a> {
    cut: Option<&'a Cut>,
    measured: Option<&'a process::Ended>,
}

impl Cause<'_> {
    /// Returns what is known of a run that failed.
    fn end(&self, code: i64, limits: &Limits, notes: &[String], duration: Duration) -> RunEnd {
        let memory = self.measured.map_or(0, |measured| measured.usage.memory_bytes);
        let ending = self.ending(code, limits, notes);
        RunEnd { ending, duration, memory: Some(memory).filter(|bytes| *bytes > 0) }
    }

    /// Returns in which way a run ended that failed.
    fn ending(&self, code: i64, limits: &Limits, notes: &[String]) -> Ending {
        match code {
            _ if self.cut.is_some() => Ending::Interrupted,
            _ if notes.iter().any(|note| note == NOT_INSTALLED) => Ending::NotInstalled,
            -1 if self.measured.is_some_and(|it| it.exceeded.is_some()) => Ending::Killed,
            // An installation may take as long as it likes, and is no part of that time.
            -1 if self.measured.is_some_and(|it| it.duration >= limits.time) => Ending::OutOfTime,
            -1 => Ending::NotRun,
            code => Ending::of_code(code),
        }
    }
}

fn moment(began: Timestamp, took: Duration) -> Timestamp {
    let micros = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(began.micros().saturating_add(micros))
}

/// Returns the record of a run that begins.
fn begin(
    store: &JobStore,
    id: &JobId,
    approval: &Approval,
    options: &RunOptions,
    control: &RunControl,
    now: Timestamp,
) -> RunRecord {
    let last = store.last_run(id).filter(|last| last.digest == approval.digest);
    RunRecord {
        digest: approval.digest,
        began: now,
        ended: None,
        return_code: None,
        kept: false,
        confined: options.confinement.confines(),
        interruptions: last.map_or(0, |last| last.interruptions),
        after_cut: control.after_cut,
        failure_report: Some(control.failure_report),
        environment: None,
    }
}

/// Copies the submission, and refuses it unless the copy is what was approved.
fn copy_approved(
    store: &JobStore,
    job: &Job,
    workspace: &Workspace,
) -> Result<(Dir, Approval), Error> {
    let id = &job.id;
    let approval = store.approval(job).ok_or_else(|| Error::NotBound { job: id.clone() })?;
    let place = workspace.job(store.owner(), id);
    let unusable =
        |error: std::io::Error| Error::Unusable { job: id.clone(), reason: error.to_string() };
    let found = snapshot::copy(&store.inbox(job)?, &place).map_err(unusable)?;
    if found.digest != approval.digest {
        return Err(store.changed(id, &approval, &found));
    }
    let copy = open_root(&place).map_err(unusable)?;
    Ok((copy.ok_or_else(|| Error::UnknownJob { job: id.clone() })?, approval))
}

/// What the steps of a run share.
pub(super) struct Run<'a> {
    pub(super) store: &'a JobStore,
    pub(super) job: &'a Job,
    /// The approval of what is in `copy`. Another one may have taken its place since.
    pub(super) approval: &'a Approval,
    pub(super) copy: &'a Dir,
    pub(super) workspace: &'a Workspace,
    pub(super) options: &'a RunOptions,
}

/// How an attempt ended.
enum Ended {
    /// With this return code; −1 if it was killed or could not be started.
    Code(i64),
    /// Before its end.
    Cut(Cut),
}

impl Run<'_> {
    /// Makes what the job needs and executes it. Whatever goes wrong ends up in its log.
    async fn attempt(
        &self,
        notes: &mut Vec<String>,
        record: &mut RunRecord,
        measured: &mut Option<process::Ended>,
        wish: &Wish,
    ) -> Ended {
        match self.execute(notes, record, measured, wish).await {
            Ok(ended) => ended,
            Err(error) => {
                let text = with_sources(&error);
                append(&self.workspace.log_files()[1], &format!("{text}\n")).ok();
                notes.push(text);
                Ended::Code(-1)
            }
        }
    }

    async fn execute(
        &self,
        notes: &mut Vec<String>,
        record: &mut RunRecord,
        measured: &mut Option<process::Ended>,
        wish: &Wish,
    ) -> Result<Ended, Error> {
        let datasets = self.datasets(notes);
        let start = match self.start(notes, wish, record.began).await? {
            Ok(start) => start,
            Err(code) => {
                if let Some(cut) = wish.found() {
                    return Ok(Ended::Cut(cut));
                }
                notes.push(NOT_INSTALLED.to_owned());
                return Ok(Ended::Code(code));
            }
        };
        let _in_use = start.environment;
        record.environment = start.installed;
        self.store.records().write(&self.job.id, record)?;
        let options = self.options;
        let plan = Plan {
            owner: self.store.owner(),
            job: &self.job.id,
            datasets: &datasets,
            tools: start.tools,
            command: start.command,
            directory: start.directory,
            our_module: start.our_module,
            limits: &options.limits,
        };
        if !options.confinement.confines() {
            self.workspace.link_datasets(&plan).map_err(self.problem())?;
        }
        let room = self.workspace.room(&plan, &options.confinement);
        let [out, err] = self.workspace.log_files();
        let outputs = self.workspace.outputs(self.store.owner(), &self.job.id);
        let (limits, logs) = (&options.limits, [&*out, &*err]);
        let ended = process::execute(&options.confinement, &room, limits, &outputs, logs, wish)
            .await
            .map_err(self.problem())?;
        *measured = Some(ended);
        if let Some(cut) = wish.found().filter(|_| ended.cut) {
            return Ok(Ended::Cut(cut));
        }
        if let Some(exceeded) = ended.exceeded {
            notes.push(format!("it was stopped: {exceeded}"));
        } else if ended.code == -1 && ended.duration >= limits.time {
            notes.push(format!("it was stopped after {} s", limits.time.as_secs()));
        } else if ended.code != 0 && logs::mentions(&err, READ_ONLY) {
            notes.push(WROTE_BESIDE.to_owned());
        }
        Ok(Ended::Code(ended.code))
    }

    /// Returns the halves of the datasets that the job may read, and notes what is not as it was when
    /// the job was approved.
    fn datasets(&self, notes: &mut Vec<String>) -> Vec<(PathBuf, DatasitePath)> {
        let approved = self.approval.datasets.as_deref();
        let found = readable(self.store, &self.job.config, approved);
        let note = |text: &str, names: &[String]| {
            names.iter().map(|name| text.replace("{}", name)).collect::<Vec<_>>()
        };
        notes.extend(note("there is no dataset `{}`", &found.missing));
        let later = "dataset `{}` came after the approval, and the job does not see it";
        notes.extend(note(later, &found.later));
        let other = "dataset `{}` is another one than at the approval, and the job does not see it";
        notes.extend(note(other, &found.other));
        if let (Some(approved), Ok(now)) = (approved, found.stand()) {
            notes.extend(dataset_changes(approved, &now));
        }
        found.datasets.into_iter().flat_map(|(_, folders)| folders).collect()
    }

    /// Puts results to where their owner finds them. Results that nobody can see are no success, and
    /// a job never stays `running`.
    fn keep_or_fail(&self, code: i64, notes: &mut Vec<String>) -> (i64, Vec<DatasitePath>) {
        match self.keep(code, notes) {
            Ok(outputs) => (code, outputs),
            Err(error) => {
                notes.push(with_sources(&error));
                let logs = self.workspace.log_files();
                keep_logs(self.store, self.job, &logs, -1).ok(); // as far as that can be done
                (-1, Vec::new())
            }
        }
    }

    /// Puts results to where their owner finds them and no sync does; the state, which comes last,
    /// is the caller's.
    fn keep(&self, code: i64, notes: &mut Vec<String>) -> Result<Vec<DatasitePath>, Error> {
        let place = self.workspace.job(self.store.owner(), &self.job.id);
        let target = self.store.make_results(&self.job.id)?.join("outputs");
        let collected = collect(&place, &target, self.options.limits.outputs)
            .map_err(io_error(&format_args!("the outputs of `{}`", self.job.id)))?;
        notes.extend(collected.notes);
        keep_logs(self.store, self.job, &self.workspace.log_files(), code)?;
        Ok(collected.files)
    }

    /// Says how it ended. Its submitter reads the state before anything is shared: no number of the
    /// job's choosing may stand there, neither what it returned, which is among the logs, nor when
    /// it did.
    fn finish(&self, code: i64, record: &RunRecord, took: Duration) -> Result<JobState, Error> {
        let end = coarse_end(record.began, took);
        let state = self.store.decide(self.job, &Action::Finish(code.clamp(-1, 1)), end)?;
        self.store.records().write(&self.job.id, record)?;
        self.store.write_state(self.job, &state)?;
        Ok(state)
    }

    pub(super) fn problem(&self) -> impl FnOnce(std::io::Error) -> Error + use<> {
        io_error(&format_args!("the run of `{}`", self.job.id))
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
