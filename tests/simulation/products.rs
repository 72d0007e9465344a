//! Datasets and jobs: what the owner decided about them, and what must follow.
//!
//! Where a command of the owner was cut short, it is not known whether it counts; then it is only
//! asked that everybody agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syft::client::{Client, JobRequest};
use syft::datasets::{Audience, DatasetName, NewDataset, Update};
use syft::jobs::{JobStatus, Listed};

use super::disk::{Disk, Files};
use super::operations::{Action, FIRST, Readers, SCIENTISTS, SECOND, address, name};
use super::secrets::{Secrets, mark};
use super::world::{Outcome, email};

/// Marks of private files are those of the mock files, and this.
const PRIVATE: usize = 1_000_000;
const FOLDER: &str = "public/syft_datasets";
const RULES: &str = "syft.pub.yaml";

/// A dataset as the owner wants it.
#[derive(Clone, Debug)]
struct Wanted {
    /// Of which step its mock file is.
    number: usize,
    any: bool,
    readers: BTreeSet<usize>,
}

/// What was decided.
#[derive(Debug, Default)]
pub(crate) struct Products {
    /// `None`: there is none.
    datasets: BTreeMap<String, Option<Wanted>>,
    uncertain: BTreeSet<String>,
    /// Of which steps its mock file may be: more than one after a command that was cut short.
    contents: BTreeMap<String, BTreeSet<usize>>,
    /// To whom any command ever wanted to show a dataset, by the end of the command or not.
    let_in: BTreeMap<String, BTreeSet<usize>>,
    /// What each job held when it was approved.
    approved: BTreeMap<String, BTreeSet<Files>>,
}

impl Products {
    /// A command begins: whoever it lets in may know from now on.
    pub(crate) fn begins(&mut self, action: &Action, secrets: &Secrets) {
        let (dataset, new, machines) = match action {
            Action::CreateDataset { dataset, number, readers, .. } => {
                (*dataset, Some(*number), readers.all())
            }
            Action::Share { dataset, readers } => (*dataset, None, readers.all()),
            Action::UpdateDataset { dataset, number, .. } => {
                (*dataset, Some(*number), self.readers(dataset))
            }
            _ => return,
        };
        let contents = self.contents.entry(dataset.to_owned()).or_default();
        contents.extend(new);
        let shown = new.map_or_else(|| contents.clone(), |number| [number].into());
        for (number, machine) in SCIENTISTS.iter().enumerate() {
            if machines.contains(machine) {
                shown.iter().for_each(|shown| secrets.allow(&mock(*shown), number));
            }
        }
        self.let_in.entry(dataset.to_owned()).or_default().extend(machines);
    }

    /// Who may know what a dataset becomes: where it is not known what counts, all who may.
    fn readers(&self, dataset: &str) -> BTreeSet<usize> {
        match self.datasets.get(dataset) {
            Some(Some(wanted)) if !self.uncertain.contains(dataset) => match wanted.any {
                true => Readers::Any.all(),
                false => wanted.readers.clone(),
            },
            _ => self.let_in.get(dataset).cloned().unwrap_or_default(),
        }
    }

    /// A command of the owner has ended.
    pub(crate) fn ended(&mut self, action: &Action, outcome: &Outcome, is_clean: bool) {
        let dataset = match action {
            Action::CreateDataset { dataset, .. }
            | Action::UpdateDataset { dataset, .. }
            | Action::Share { dataset, .. }
            | Action::Unshare { dataset, .. }
            | Action::DeleteDataset { dataset } => *dataset,
            _ => return,
        };
        match outcome {
            Outcome::Done(_) => {}
            // Nothing was in its way: it was refused as a whole.
            Outcome::Failed(_) if is_clean => return,
            Outcome::Failed(_) | Outcome::Died => {
                self.uncertain.insert(dataset.to_owned());
                if let Action::CreateDataset { number, .. } = action {
                    let known = self.datasets.entry(dataset.to_owned()).or_default();
                    let wanted = Wanted { number: *number, any: false, readers: [].into() };
                    known.get_or_insert(wanted);
                }
                return;
            }
        }
        if let Action::CreateDataset { number, .. } | Action::UpdateDataset { number, .. } = action
        {
            self.contents.insert(dataset.to_owned(), [*number].into());
        }
        let known = self.datasets.entry(dataset.to_owned()).or_default();
        match (action, known) {
            (Action::CreateDataset { number, readers, .. }, known) => {
                let any = *readers == Readers::Any;
                let readers = readers.some();
                *known = Some(Wanted { number: *number, any, readers });
                self.uncertain.remove(dataset);
            }
            (Action::DeleteDataset { .. }, known) => {
                *known = None;
                self.uncertain.remove(dataset);
            }
            (Action::UpdateDataset { number, .. }, Some(known)) => known.number = *number,
            (Action::Share { readers, .. }, Some(known)) => {
                known.any |= *readers == Readers::Any;
                known.readers.extend(readers.some());
            }
            (Action::Unshare { readers, .. }, Some(known)) => {
                // What was for all is then for the others that are peers now; who that is, is not
                // the model's business.
                match readers {
                    Readers::Any => known.readers.clear(),
                    Readers::Only(_) if known.any => {
                        self.uncertain.insert(dataset.to_owned());
                    }
                    Readers::Only(reader) => {
                        known.readers.remove(reader);
                    }
                }
                known.any = false;
            }
            _ => {}
        }
    }

    /// The owner approves a job that looks like this.
    pub(crate) fn approves(&mut self, job: &str, disk: &Disk) {
        self.approved.entry(job.to_owned()).or_default().insert(below(disk, job));
    }

    /// Returns what is wrong with the datasets in the end.
    pub(crate) fn violations(&self, disks: &[Disk], is_peer: &[bool]) -> Vec<String> {
        let mut found = Vec::new();
        for (dataset, wanted) in &self.datasets {
            let folder = format!("{FOLDER}/{dataset}/");
            let mut at_owner = below(&disks[FIRST], &folder);
            at_owner.retain(|path, _| !path.ends_with(RULES));
            let wanted = wanted.as_ref().filter(|_| !self.uncertain.contains(dataset));
            if let Some(wanted) = wanted {
                let file = format!("{folder}{}", mock_file(wanted.number));
                let is_it = |path: &String| path.ends_with(".yaml") || *path == file;
                if at_owner.get(&file) != Some(&mock(wanted.number)) || !at_owner.keys().all(is_it)
                {
                    found.push(format!("dataset {dataset}: the owner has {at_owner:?}"));
                }
            } else if !self.uncertain.contains(dataset) && !at_owner.is_empty() {
                found.push(format!("dataset {dataset}: the owner still has {at_owner:?}"));
            }
            let mut second = below(&disks[SECOND], &folder);
            second.retain(|path, _| !path.ends_with(RULES));
            if !second.is_empty() && !at_owner.is_empty() && second != at_owner {
                found.push(format!("dataset {dataset}: second has {second:?}"));
            }
            for machine in SCIENTISTS.into_iter().filter(|machine| is_peer[*machine]) {
                let there = below(&disks[machine], &folder);
                let who = name(machine);
                if !there.is_empty() && there != at_owner {
                    found.push(format!("dataset {dataset}: {who} has {there:?}"));
                }
                let Some(wanted) = wanted else { continue };
                let may = wanted.any || wanted.readers.contains(&machine);
                if may == there.is_empty() {
                    found.push(format!("dataset {dataset}: {who} may {may}, has {there:?}"));
                }
            }
        }
        found
    }

    /// Returns which jobs count as approved although they are not what was approved.
    pub(crate) fn broken_approvals(&self, client: &Client, disk: &Disk) -> Vec<String> {
        let mut found = Vec::new();
        for listed in client.jobs().unwrap() {
            let Listed::Job(job) = listed.listed else { continue };
            let Ok(job) = client.job(job.id.name.as_str(), Some(&job.id.submitter)) else {
                continue;
            };
            let Some(approval) = job.store().approval(&job.job) else { continue };
            let stands = job.job.state.status == JobStatus::Approved
                && job.digest().is_ok_and(|digest| digest == approval.digest);
            let folder = job.job.id.inbox().to_string();
            let is_known = || {
                let seen = self.approved.get(&folder);
                seen.is_some_and(|seen| seen.contains(&below(disk, &folder)))
            };
            if stands && !is_known() {
                found.push(format!("job {folder} is approved, but not what it holds"));
            }
        }
        found
    }
}

/// The files of a job.
fn below(disk: &Disk, folder: &str) -> Files {
    let mut files = disk.everything();
    files.retain(|path, _| path.starts_with(folder));
    files
}

/// Where the flat layout has a job.
pub(crate) fn job_folder(from: usize, job: &str) -> String {
    format!("app_data/job/inbox/{}/{job}", address(from))
}

/// Updates give a file another name at times, so that what is left over of the old is seen.
fn mock_file(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "mock.csv" } else { "people.csv" }
}

fn mock(number: usize) -> Vec<u8> {
    format!("age\n{}mock\n", mark(number)).into_bytes()
}

fn write(path: PathBuf, content: &[u8]) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

/// A dataset to create, with its files below `folder`.
pub(crate) fn new_dataset(
    folder: &Path,
    dataset: &str,
    number: usize,
    readers: Readers,
) -> NewDataset {
    let folder = folder.join(number.to_string());
    let private = format!("age\n{}private\n", mark(PRIVATE + number));
    NewDataset {
        name: DatasetName::parse_new(dataset).unwrap(),
        mock: write(folder.join(mock_file(number)), &mock(number)),
        private: write(folder.join("private.csv"), private.as_bytes()),
        summary: None,
        readme: None,
        tags: Vec::new(),
        location: None,
        audience: readers.audience(),
        allow_same: false,
    }
}

/// What a dataset is to hold from now on, with its files below `folder`.
pub(crate) fn new_content(
    folder: &Path,
    dataset: &str,
    number: usize,
    is_private_new: bool,
) -> Update {
    let new = new_dataset(folder, dataset, number, Readers::Any);
    Update {
        name: new.name,
        mock: Some(new.mock),
        private: is_private_new.then_some(new.private),
        summary: None,
        readme: None,
        tags: None,
        allow_same: false,
    }
}

/// A job to submit, with its script below `folder`.
pub(crate) fn new_job(folder: &Path, job: &str, number: usize) -> JobRequest {
    let script = format!("# {}\necho hello\n", mark(number));
    JobRequest {
        to: email(super::operations::OWNER),
        path: write(folder.join(format!("{number}/{job}.sh")), script.as_bytes()),
        name: Some(job.to_owned()),
        entrypoint: None,
        dependencies: Vec::new(),
        datasets: Vec::new(),
        request: syft::jobs::Request::default(),
        bash: true,
        force: true,
    }
}

impl Readers {
    /// The machines of all whom it may let in.
    fn all(self) -> BTreeSet<usize> {
        match self {
            Self::Any => SCIENTISTS.into(),
            Self::Only(one) => [one].into(),
        }
    }

    fn some(self) -> BTreeSet<usize> {
        match self {
            Self::Any => BTreeSet::new(),
            Self::Only(one) => [one].into(),
        }
    }

    pub(crate) fn audience(self) -> Audience {
        match self {
            Self::Any => Audience::Any,
            Self::Only(machine) => Audience::Listed(vec![email(address(machine))]),
        }
    }
}
