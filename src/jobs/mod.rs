//! Jobs: code that a scientist sends to an owner's data, and what becomes of it.
//!
//! A job is a directory of the owner's datasite. Its name is one path component, and its identity
//! is where it lies: (submitter, layout, name), never what a file in it says. Reading from the top:
//! [`Submission`] is made by a scientist; [`JobStore`] lists jobs and moves them through the
//! states of [`JobState`]; an [`Approval`] is bound to the bytes that were reviewed; [`run`]
//! executes a private copy of exactly those bytes within a [`Confinement`].
//!
//! Invariants: jobs are hostile code and hostile data. Nothing that a submitter wrote steers a
//! path, becomes an option of a program, or runs outside of the sandbox. What a job leaves behind
//! is published only if it is a regular file, and never as a permission file. Permissions
//! themselves are elsewhere; [`Shared`] says which paths they are about.
//!
//! Pure: `state`, `config`, `content`, `legible`, `difference`, `failure`, `name`, `script`, `layout`,
//! `form`, `yaml`, `iso`, `requirements`, `resolved`, `request`, `finding`, `advice`, `checking`,
//! `submission`, `queue`, `limits`, `syscalls`, `filter`, `wary`. The wire form is in `docs/FORMAT.md`,
//! "Jobs".

mod advice;
mod approval;
mod checking;
mod claim;
mod comparison;
mod config;
mod content;
mod cut;
mod difference;
mod environment;
mod error;
mod export;
mod extent;
mod failure;
mod filter;
mod finding;
mod form;
mod handshake;
mod installer;
mod iso;
mod kept;
mod launch;
mod layout;
mod leftovers;
mod legible;
mod limits;
mod logs;
mod name;
mod outputs;
mod process;
mod python;
mod queue;
mod reach;
mod readable;
mod reading;
mod record;
mod rehearsal;
mod release;
mod request;
mod requirements;
mod resolved;
mod results;
mod review;
mod runner;
mod sandbox;
mod script;
mod settling;
mod snapshot;
mod source;
mod standing;
mod starting;
mod state;
mod store;
mod submission;
mod syntax;
mod syscalls;
mod telling;
mod tree;
mod usage;
mod wary;
mod watch;
mod workspace;
mod yaml;

pub use approval::{Approval, RunScript};
pub use checking::check;
pub use comparison::Compared;
pub use config::{Datasets, InvalidConfig, JobConfig, JobKind, Target};
pub use content::{HEAD_BYTES, content_kind};
pub use cut::{Cut, Stop};
pub use difference::{Change, ChangeKind, Summary, Version, changes, of_texts};
pub use environment::{
    EnvironmentCache, InstallSettings, Installed, InstalledPackage, KeptEnvironment,
};
pub use error::Error;
pub use export::{Copied, Export, ExportError, ToCopy, export};
pub use failure::{
    CodeFile, Detail, Ending, Evidence, FailureReport, capacity_bits, report as report_failure,
};
pub(crate) use finding::objections;
pub use finding::{Check, Finding, Weight};
pub use form::{EntryKind, check_received};
pub use layout::{JobId, JobReference, Layout, Shared};
pub use legible::{Content, content_of};
pub use limits::{Exceeded, Limits, Usage};
pub use name::{InvalidName, JobName};
pub use outputs::OutputLimits;
pub use python::Interpreter;
pub use queue::{AfterCut, CUTS_MAX, in_order, waiting};
pub use reach::{Reach, planned, reach};
pub use readable::{DatasetState, HalfState, dataset_changes};
pub use reading::{ReviewedFile, Shown, ShownTo};
pub use record::RunRecord;
pub use rehearsal::{Mock, Rehearsal, rehearse};
pub use release::{Authority, Deed, Offer, Offered, ReleaseRecord, Released, Wish};
pub use request::{Comparison, Expected, Request};
pub use requirements::{Needs, install_source, needs};
pub use results::Output;
pub use runner::{Given, RunControl, RunOptions, RunReport, run, run_until};
pub use sandbox::{Access, Bind, Confinement, Room, SandboxError, SystemDirs};
pub use script::{ScriptCheck, check_script, derive};
pub use settling::{Cancellation, cancel, recover};
pub use snapshot::{Snapshot, digest_of};
pub use source::{Source, read_source};
pub use standing::{
    Admitted, Candidate, InvalidStanding, Judged, NewStanding, Obstacle, PARAMETER_BYTES_MAX,
    Schema, Sharing, Standing, Template, Use, judge, over, parameter_file, strict_json,
};
pub use state::{Action, InvalidState, JobState, JobStatus, Refused};
pub use store::{Job, JobStore, Listed};
pub use submission::{InvalidSubmission, Submission, SubmissionRequest, build};
pub use syntax::check_syntax;
pub use telling::RunEnd;
pub use wary::{
    Look, Read, lines as legible_lines, of_names as wary_names, of_text as wary_text, read_as,
};
