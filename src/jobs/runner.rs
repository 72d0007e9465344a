//! Runs one approved job: copy, compare, prepare, execute, take over.
//!
//! Straight-line code; the rules are elsewhere. Its order is what makes it safe. What runs is the
//! copy whose digest was approved. The state says `running` before anything runs and says how it
//! ended after all results are in place, so after a crash [`recover`] finds what was cut short.
//! Results go to a private place outside of the synced tree: by running a job nothing leaves.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;

use super::approval::RunScript;
use super::config::{JobConfig, JobKind};
use super::environment::{EnvironmentCache, InstallSettings, Locked, Wanted};
use super::error::{Error, io_error};
use super::failure::{Ending, FailureReport};
use super::form::CONFIG_FILE;
use super::layout::JobId;
use super::leftovers::sweep;
use super::limits::{Limits, Usage};
use super::logs::{self, INTERRUPTED, append};
use super::outputs::collect;
use super::process::{Ended, execute};
use super::python::Interpreter;
use super::reach::datasets;
use super::requirements::{Needs, needs, of_project};
use super::sandbox::{Access, Bind, Confinement};
use super::script::{ScriptCheck, bash_start};
use super::snapshot;
use super::state::{Action, JobStatus, coarse_end};
use super::store::{Job, JobStore, Listed, check_script_in};
use super::telling::RunEnd;
use super::tree::{open_root, read_file, write_atomic};
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

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// The job.
    pub job: JobId,
    /// `done` or `failed`.
    pub status: JobStatus,
    /// Its return code; −1 if it was killed or could not be started.
    pub return_code: i64,
    /// What it left, below `outputs/`.
    pub outputs: Vec<DatasitePath>,
    /// How long all of it took, the installation of packages included.
    pub duration: Duration,
    /// Whether it was confined.
    pub confined: bool,
    /// What it used at most; nothing if it was not confined.
    pub usage: Usage,
    /// What the owner should know: outputs left out, a script that was not used.
    pub notes: Vec<String>,
    /// How it failed, if it did.
    pub failed: Option<RunEnd>,
    /// What its submitter is told of that; the caller's to decide.
    pub told: Option<FailureReport>,
}

const PROJECT_BYTES_MAX: usize = 16 << 20;

const OLDEST_PYTHON: u32 = 8;

const NOT_INSTALLED: &str = "its packages could not be installed; see its log";

/// What the system tells a job that writes where it may not.
const READ_ONLY: &str = "Read-only file system";

const WROTE_BESIDE: &str = "it tried to write where a job may only read; results belong in \
    `outputs/`, what is needed for a while in `/tmp`";

/// Runs a job that is approved as it lies there.
///
/// A job that fails is no error. If this future is dropped, the job is killed, and [`recover`]
/// says so in its state.
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
    let start = Instant::now();
    store.find(id)?;
    let problem = || io_error(&format_args!("the private copy of `{id}`"));
    let workspace = Workspace::create(store.private(), store.owner(), id)
        .map_err(problem())?
        .ok_or_else(|| Error::Busy { job: id.clone() })?;

    // From here on nobody else runs it, so what is read now stays true.
    let mut job = store.find(id)?;
    let mut running = job.clone();
    running.state = store.decide(&job, &Action::Start, now)?;
    let copy = copy_approved(store, &job, &workspace)?;
    let config = read_file(&copy, CONFIG_FILE, yaml::BYTES_MAX).map_err(problem())?;
    job.config = JobConfig::parse(id.layout, &config.unwrap_or_default())
        .map_err(|error| Error::Unusable { job: id.clone(), reason: error.to_string() })?;
    copy.create_dir_all(OUTPUTS).map_err(problem())?;
    store.clear_results(&job)?;
    store.write_state(&job, &running.state)?;

    let run = Run { store, job: &job, copy: &copy, workspace: &workspace, options };
    let mut notes = Vec::new();
    let mut ended = None;
    let return_code = match run.attempt(&mut notes, &mut ended).await {
        Ok(code) => code,
        Err(error) => {
            let text = with_sources(&error);
            append(&workspace.log_files()[1], &format!("{text}\n")).map_err(problem())?;
            notes.push(text);
            -1
        }
    };
    let (return_code, outputs) = match run.keep(return_code, &mut notes) {
        Ok(outputs) => (return_code, outputs),
        Err(error) => {
            // Results that nobody can see are no success, and a job never stays `running`.
            notes.push(with_sources(&error));
            (-1, Vec::new())
        }
    };
    notes.extend(job.config.request().compare(&outputs).notes());
    let duration = start.elapsed();
    // Its submitter reads the state before anything is shared: no number of the job's choosing
    // may stand there, neither what it returned, which is among the logs, nor when it did.
    let end = coarse_end(now, duration);
    let state = store.decide(&running, &Action::Finish(return_code.clamp(-1, 1)), end)?;
    store.write_state(&job, &state)?;
    Ok(RunReport {
        job: id.clone(),
        status: state.status,
        return_code,
        outputs,
        duration,
        confined: options.confinement.confines(),
        failed: (return_code != 0).then(|| RunEnd {
            ending: ending(return_code, duration, ended.as_ref(), options, &notes),
            duration,
            memory: ended.map(|ended| ended.usage.memory_bytes).filter(|bytes| *bytes > 0),
        }),
        usage: ended.map(|ended| ended.usage).unwrap_or_default(),
        notes,
        told: None,
    })
}

/// In which way a run failed.
fn ending(
    return_code: i64,
    duration: Duration,
    ended: Option<&Ended>,
    options: &RunOptions,
    notes: &[String],
) -> Ending {
    match return_code {
        -1 if ended.is_some_and(|ended| ended.exceeded.is_some()) => Ending::Killed,
        -1 if duration >= options.limits.time => Ending::OutOfTime,
        -1 => Ending::NotRun,
        _ if notes.iter().any(|note| note == NOT_INSTALLED) => Ending::NotInstalled,
        code => Ending::of_code(code),
    }
}

/// Marks as failed what was running when this program, or the machine, went down. Returns those
/// jobs. A job that is being run by another process is left alone. Also removes what crashes left
/// among our private folders more than a day ago.
///
/// # Errors
/// If jobs cannot be listed or a state cannot be written.
pub fn recover(store: &JobStore, now: Timestamp) -> Result<Vec<JobId>, Error> {
    sweep(store.private(), now);
    let mut recovered = Vec::new();
    for listed in store.list()? {
        let Listed::Job(job) = listed else { continue };
        if job.state.status != JobStatus::Running {
            continue;
        }
        let problem = || io_error(&format_args!("the interrupted run of `{}`", job.id));
        if !Workspace::clear(store.private(), store.owner(), &job.id).map_err(problem())? {
            continue;
        }
        let [_, stderr, code] = store.result_logs(&job.id);
        store.make_results(&job.id)?;
        append(&stderr, INTERRUPTED).map_err(problem())?;
        write_atomic(&code, b"-1").map_err(problem())?;
        let state = store.decide(&job, &Action::Finish(-1), now)?;
        store.write_state(&job, &state)?;
        recovered.push(job.id);
    }
    Ok(recovered)
}

/// Copies the submission, and refuses it unless the copy is what was approved.
fn copy_approved(store: &JobStore, job: &Job, workspace: &Workspace) -> Result<Dir, Error> {
    let id = &job.id;
    let approval = store.approval(job).ok_or_else(|| Error::NotBound { job: id.clone() })?;
    let place = workspace.job(store.owner(), id);
    let unusable =
        |error: std::io::Error| Error::Unusable { job: id.clone(), reason: error.to_string() };
    let found = snapshot::copy(&store.inbox(job)?, &place).map_err(unusable)?.digest;
    if found != approval.digest {
        return Err(Error::Changed { job: id.clone(), approved: approval.digest, found });
    }
    open_root(&place).map_err(unusable)?.ok_or_else(|| Error::UnknownJob { job: id.clone() })
}

/// What the steps of a run share.
struct Run<'a> {
    store: &'a JobStore,
    job: &'a Job,
    copy: &'a Dir,
    workspace: &'a Workspace,
    options: &'a RunOptions,
}

/// What is to be executed, and what it needs to see.
struct Start {
    command: Vec<OsString>,
    directory: &'static str,
    tools: Vec<Bind>,
    our_module: bool,
}

impl Run<'_> {
    /// Returns the job's return code, or that of the installation if that failed.
    async fn attempt(
        &self,
        notes: &mut Vec<String>,
        end: &mut Option<Ended>,
    ) -> Result<i64, Error> {
        let (datasets, unknown) = datasets(self.store, self.job);
        notes.extend(unknown.iter().map(|name| {
            let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
            format!("there is no dataset `{shown}`")
        }));
        let start = match self.start(notes).await? {
            Ok(start) => start,
            Err(code) => {
                notes.push(NOT_INSTALLED.to_owned());
                return Ok(code);
            }
        };
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
        let limits = &options.limits;
        let ended = execute(&options.confinement, &room, limits, Some(&outputs), [&out, &err])
            .await
            .map_err(self.problem())?;
        *end = Some(ended);
        if let Some(exceeded) = ended.exceeded {
            notes.push(format!("it was stopped: {exceeded}"));
        } else if ended.code == -1 && ended.duration >= limits.time {
            notes.push(format!("it was stopped after {} s", limits.time.as_secs()));
        } else if ended.code != 0 && logs::mentions(&err, READ_ONLY) {
            notes.push(WROTE_BESIDE.to_owned());
        }
        Ok(ended.code)
    }

    async fn start(&self, notes: &mut Vec<String>) -> Result<Result<Start, i64>, Error> {
        let run_script =
            self.store.approval(self.job).map(|approval| approval.run_script).unwrap_or_default();
        let check = check_script_in(self.copy, &self.job.config).map_err(self.problem())?;
        let bash = |script: String| Start {
            command: vec!["bash".into(), script.into()],
            directory: "",
            tools: Vec::new(),
            our_module: true,
        };
        if run_script == RunScript::AsSubmitted
            || (check == ScriptCheck::AsDerived && self.is_bash())
        {
            return Ok(Ok(bash("run.sh".to_owned())));
        }
        if let ScriptCheck::Underivable { reason } = check {
            return Err(Error::Unusable { job: self.job.id.clone(), reason: reason.to_owned() });
        }
        if check != ScriptCheck::AsDerived {
            notes.push(
                "its `run.sh` differs from what its configuration says and was not used".to_owned(),
            );
        }
        if self.is_bash() {
            return Ok(Ok(bash(format!("code/{}", bash_start(&self.job.config)))));
        }
        self.python().await
    }

    async fn python(&self) -> Result<Result<Start, i64>, Error> {
        let needs = self.needs()?;
        let locked = self.locked()?;
        let entrypoint = self.job.config.entrypoint.as_ref().map(ToString::to_string);
        let (program, tools) = if needs.is_nothing() && locked.is_none() {
            let names = ["python3", "python3.12", "python3.13", "python3.11"];
            let python = Interpreter::find(&names, OLDEST_PYTHON, &self.options.path)
                .await
                .ok_or(Error::NoPython { minor: OLDEST_PYTHON })?;
            let prefix = python.prefix.map(|prefix| Bind {
                source: prefix.clone(),
                target: prefix,
                access: Access::Read,
            });
            (python.program, prefix.into_iter().collect())
        } else {
            let wanted = Wanted { packages: &needs.packages, locked };
            let [out, err] = self.workspace.log_files();
            let options = self.options;
            let environment = EnvironmentCache::new(self.store.private())
                .get(&wanted, &options.confinement, &options.install, &options.path, [&out, &err])
                .await
                .map_err(io_error(&"the environment of the job"))?;
            match environment {
                Ok(environment) => (environment.program, environment.binds),
                Err(code) => return Ok(Err(code)),
            }
        };
        Ok(Ok(Start {
            command: vec![program.into(), entrypoint.unwrap_or_default().into()],
            directory: "code",
            tools,
            our_module: !needs.real_client,
        }))
    }

    fn needs(&self) -> Result<Needs, Error> {
        let project = match self.project("pyproject.toml")? {
            None => Vec::new(),
            Some(text) => of_project(&String::from_utf8_lossy(&text)).map_err(|reason| {
                let reason = format!("`pyproject.toml`: {reason}");
                Error::Unusable { job: self.job.id.clone(), reason }
            })?,
        };
        Ok(needs(&self.job.config, &project))
    }

    fn locked(&self) -> Result<Option<Locked>, Error> {
        let both = self.project("pyproject.toml")?.zip(self.project("uv.lock")?);
        Ok(both.map(|(project, lock)| Locked { project, lock }))
    }

    fn project(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        if !self.job.config.is_folder_submission {
            return Ok(None);
        }
        read_file(self.copy, &format!("code/{name}"), PROJECT_BYTES_MAX).map_err(self.problem())
    }

    /// Puts results to where their owner finds them and no sync does; the state, which comes last,
    /// is the caller's.
    fn keep(&self, code: i64, notes: &mut Vec<String>) -> Result<Vec<DatasitePath>, Error> {
        let place = self.workspace.job(self.store.owner(), &self.job.id);
        let target = self.store.make_results(&self.job.id)?.join("outputs");
        let collected = collect(&place, &target, self.options.limits.outputs)
            .map_err(io_error(&format_args!("the outputs of `{}`", self.job.id)))?;
        notes.extend(collected.notes);
        let [out, err, return_code] = self.store.result_logs(&self.job.id);
        for (from, to) in self.workspace.log_files().iter().zip([out, err]) {
            let text = match std::fs::read(from) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                other => other.map_err(self.problem())?,
            };
            write_atomic(&to, &text).map_err(self.problem())?;
        }
        write_atomic(&return_code, code.to_string().as_bytes()).map_err(self.problem())?;
        Ok(collected.files)
    }

    fn is_bash(&self) -> bool {
        self.job.config.kind == JobKind::Bash
    }

    fn problem(&self) -> impl FnOnce(std::io::Error) -> Error + use<> {
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
