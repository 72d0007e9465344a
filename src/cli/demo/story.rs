//! The scenes of the story, in order. Each does what the command that it shows would do.

use std::path::{Path, PathBuf};

use super::material::{
    BASH, DATASET, JOB, MOCK, OWNER, PRIVATE, PYTHON, RESULT, SCIENTIST, secrets,
};
use super::search::{Found, search};
use super::stage::Stage;
use crate::cli::report::{Exit, Failure};
use crate::client::{Client, Configuration, JobRequest, RunChoices, SignIn};
use crate::datasets::{Audience, DatasetName, NewDataset};
use crate::jobs::{Confinement, Interpreter, JobStatus};
use crate::model::{Code, Email};
use crate::syncers::{Report, SyncOptions};

/// What came of the story.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) sandboxed: bool,
    pub(super) language: &'static str,
    pub(super) result: String,
    pub(super) searched: usize,
    pub(super) leaks: usize,
    pub(super) requests: u64,
    /// Where the drive listened.
    pub(super) address: String,
}

/// Both sides of the story.
struct People {
    olga: Client,
    sam: Client,
}

/// The oldest Python 3 that the job works with; its minor version.
const PYTHON_MINOR: u32 = 8;

/// Plays the story in `folder`, which is empty.
pub(super) async fn tell(
    folder: &Path,
    bash: bool,
    stage: &mut Stage<'_>,
) -> Result<Told, Failure> {
    stage.scene("A drive, and two people with an account each");
    let data = folder.join("drive");
    let server = drive_server::serve(drive_server::Options::new(&data)).await?;
    let url = server.url().to_owned();
    stage.says(format_args!("The drive is {url}: in this process, as Google Drive would be"));
    stage.says(format_args!("Olga, {OWNER}, has data that may not leave her machine"));
    stage.says(format_args!("Sam, {SCIENTIST}, has a question about it"));
    let people = log_in(folder, &data, &url, stage).await?;
    become_peers(&people, stage).await?;
    make_dataset(&people, folder, stage).await?;
    look_at_mock(&people, stage).await?;
    let language = submit(&people, folder, bash, stage).await?;
    review(&people, stage).await?;
    let sandboxed = run(&people, stage).await?;
    let result = read_result(&people, stage).await?;
    let requests = server.requests();
    let found = check(folder, stage)?;
    server.shutdown().await;
    let address = url.trim_start_matches("http://").to_owned();
    let (searched, leaks) = (found.files, found.hits);
    Ok(Told { sandboxed, language, result, searched, leaks, requests, address })
}

async fn log_in(
    folder: &Path,
    data: &Path,
    url: &str,
    stage: &mut Stage<'_>,
) -> Result<People, Failure> {
    stage.scene("Both log in");
    stage.types("Olga", &format!("syft login-do --email {OWNER} --drive {url} --token …"));
    stage.types("Sam", &format!("syft login-ds --email {SCIENTIST} --drive {url} --token …"));
    let enter = |email: &str, home: &str| -> Result<(Configuration, Email, SignIn), Failure> {
        let account = drive_server::add_account(data, email, None)?;
        let configuration = Configuration::at(&folder.join(home));
        let sign_in = SignIn::Server { url: url.to_owned(), token: account.token };
        Ok((configuration, address(email)?, sign_in))
    };
    let (configuration, email, sign_in) = enter(OWNER, "owner")?;
    let olga = Client::login_do(&configuration, &email, sign_in).await?;
    let (configuration, email, sign_in) = enter(SCIENTIST, "scientist")?;
    let sam = Client::login_ds(&configuration, &email, sign_in).await?;
    stage.travels("two empty folders, one on each account of the drive");
    stage.stays("everything that either of them has");
    Ok(People { olga, sam })
}

async fn become_peers(people: &People, stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.scene("Sam asks to work with Olga, and she agrees");
    stage.types("Sam", &format!("syft peer add {OWNER}"));
    clean(&people.sam.add_peer(people.olga.email()).await?)?;
    sync(&people.olga).await?;
    stage.types("Olga", &format!("syft peer approve {SCIENTIST}"));
    clean(&people.olga.approve_peer(people.sam.email()).await?)?;
    sync(&people.sam).await?;
    stage.travels("the request and the answer; neither shows the other anything yet");
    Ok(())
}

async fn make_dataset(
    people: &People,
    folder: &Path,
    stage: &mut Stage<'_>,
) -> Result<(), Failure> {
    stage.scene("Olga makes a dataset of two halves");
    stage.types(
        "Olga",
        &format!("syft dataset create {DATASET} --mock invented/ --private real/ --users any"),
    );
    let mock = put(folder, "material/invented/wages.csv", MOCK)?;
    let private = put(folder, "owner/real/wages.csv", PRIVATE)?;
    let new = NewDataset {
        name: DatasetName::parse_new(DATASET)
            .map_err(|error| Failure::new(Code::Demo, error.to_string()))?,
        mock,
        private,
        summary: Some("wages on two wards".to_owned()),
        readme: None,
        tags: Vec::new(),
        location: None,
        audience: Audience::Any,
        allow_same: false,
    };
    people.olga.create_dataset(&new, false).await?;
    stage.travels("the mock half: four people that Olga invented");
    stage.stays("the private half: eight people with names and wages");
    Ok(())
}

async fn look_at_mock(people: &People, stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.scene("Sam sees the mock half, and only that");
    stage.types("Sam", &format!("syft sync && syft dataset show {DATASET}"));
    sync(&people.sam).await?;
    let dataset = people.sam.dataset(DATASET, None)?;
    if dataset.private_folder.is_some() {
        return Err(Failure::new(Code::Leak, "the private half reached the scientist"));
    }
    stage.shows(&read(&dataset.folder.join("wages.csv"))?);
    stage.says("Enough to write code with");
    Ok(())
}

async fn submit(
    people: &People,
    folder: &Path,
    bash: bool,
    stage: &mut Stage<'_>,
) -> Result<&'static str, Failure> {
    stage.scene("Sam sends code to the data");
    let path = std::env::var("PATH").unwrap_or_default();
    let found = Interpreter::find(&["python3"], PYTHON_MINOR, &path).await;
    let python = !bash && found.is_some();
    let (language, name, code) =
        if python { ("python", "mean_wage.py", PYTHON) } else { ("bash", "mean_wage.sh", BASH) };
    let flag = if python { "" } else { " --bash" };
    stage.types(
        "Sam",
        &format!("syft job submit {name} --to {OWNER} --name {JOB} --dataset {DATASET}{flag}"),
    );
    if found.is_none() {
        stage.says("There is no python3 here, so the code is a shell script");
    }
    let request = JobRequest {
        to: people.olga.email().clone(),
        path: put(folder, &format!("scientist/{name}"), code)?,
        name: Some(JOB.to_owned()),
        entrypoint: None,
        dependencies: Vec::new(),
        datasets: vec![DATASET.to_owned()],
        request: crate::jobs::Request::default(),
        bash: !python,
        force: false,
    };
    people.sam.submit_job(&request).await?;
    stage.travels("his code, and which dataset it asks for");
    Ok(language)
}

async fn review(people: &People, stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.scene("Olga reads every line, and allows exactly that");
    stage.types("Olga", &format!("syft sync && syft job show {JOB}"));
    sync(&people.olga).await?;
    let found = people.olga.job(JOB, None)?;
    let snapshot = found.store().snapshot(&found.job)?;
    let code = snapshot.files.iter().find(|(path, ..)| path.as_str().starts_with("code/"));
    if let Some((path, ..)) = code
        && let Some(content) = found.store().read_submitted(&found.job, path, 1 << 16)?
    {
        stage.shows(&String::from_utf8_lossy(&content));
    }
    let digest = snapshot.digest.to_hex();
    let digits = digest.get(..8).unwrap_or_default();
    let command = format!("syft job approve {JOB} --digest {digits} --reason 'means only'");
    stage.types("Olga", &command);
    people.olga.approve_job(JOB, None, Some("means only")).await?;
    stage.says("One changed byte in it, and her approval is void");
    Ok(())
}

async fn run(people: &People, stage: &mut Stage<'_>) -> Result<bool, Failure> {
    stage.scene("It runs on her machine, beside the private half");
    let path = std::env::var("PATH").unwrap_or_default();
    let confinement = Confinement::find(&path).await;
    let flag = if confinement.is_ok() { "" } else { " --no-sandbox" };
    stage.types("Olga", &format!("syft job run {JOB} --share-outputs{flag}"));
    match &confinement {
        Ok(_) => stage.says(
            "In the sandbox: no network, no file but the dataset, an empty folder for results",
        ),
        Err(error) => {
            stage.look(format_args!("There is no sandbox here: {error}"));
            stage.look("So this job runs without one. It is our own; never do so with another's");
            stage.look(error.hint());
        }
    }
    let sandbox = confinement.is_ok();
    let choices = RunChoices { share_outputs: true, sandbox, ..RunChoices::default() };
    for ran in people.olga.run_jobs(&[JOB], &choices).await? {
        let report = ran.result?;
        if report.status != JobStatus::Done {
            let code = report.return_code;
            return Err(Failure::new(Code::Demo, format!("the job failed with code {code}")));
        }
    }
    stage.says("What it left, as she sees it before anything is sent:");
    stage.shows(&output(&people.olga)?);
    stage.types("Olga", "syft sync");
    sync(&people.olga).await?;
    stage.travels("this table of means, since she said --share-outputs");
    stage.stays("the names, the wages, and what the job printed");
    Ok(sandbox)
}

async fn read_result(people: &People, stage: &mut Stage<'_>) -> Result<String, Failure> {
    stage.scene("Sam reads the result");
    stage.types("Sam", &format!("syft sync && syft job show {JOB}"));
    sync(&people.sam).await?;
    let result = output(&people.sam)?;
    stage.shows(&result);
    if result == RESULT {
        Ok(result)
    } else {
        Err(Failure::new(Code::Demo, "the result is not what the private half amounts to"))
    }
}

fn check(folder: &Path, stage: &mut Stage<'_>) -> Result<Found, Failure> {
    stage.scene("The proof");
    let secrets = secrets();
    let look = |name: &str| {
        let folder = folder.join(name);
        search(&folder, &secrets).map_err(|error| Failure::file(&folder, &error))
    };
    let (owner, scientist, drive) = (look("owner")?, look("scientist")?, look("drive")?);
    if owner.hits == 0 {
        return Err(Failure::new(Code::Demo, "the search does not even find what is Olga's"));
    }
    let kinds = secrets.len();
    stage.says(format_args!("Every byte was searched for the {kinds} private names and wages:"));
    stage.says(format_args!("  Olga's machine  {:>3} files, found in {}", owner.files, owner.hits));
    stage.says(format_args!("  the drive       {:>3} files, found in {}", drive.files, drive.hits));
    stage.says(format_args!(
        "  Sam's machine   {:>3} files, found in {}",
        scientist.files, scientist.hits
    ));
    let found = Found { files: scientist.files + drive.files, hits: scientist.hits + drive.hits };
    if found.hits == 0 {
        stage.good("No private byte reached the scientist, nor the drive");
    } else {
        stage.look("Private values left Olga's machine");
    }
    Ok(found)
}

fn output(client: &Client) -> Result<String, Failure> {
    let outputs = client.job(JOB, None)?.outputs()?;
    let result = outputs.iter().find(|output| output.path.as_str() == "result.csv");
    let result = result.ok_or_else(|| Failure::new(Code::Demo, "the result is not there"))?;
    read(&result.local_path)
}

async fn sync(client: &Client) -> Result<(), Failure> {
    clean(&client.sync(&SyncOptions::default()).await?)
}

/// The story has no problems; if one shows up it is told, not passed over.
fn clean(report: &Report) -> Result<(), Failure> {
    match report.problems.first() {
        None => Ok(()),
        Some(problem) => {
            let failure = Failure::new(problem.code, problem.message.clone());
            Err(Failure { exit: Exit::Failed, ..failure })
        }
    }
}

fn address(text: &str) -> Result<Email, Failure> {
    Email::parse(text).map_err(|error| Failure::new(Code::Demo, error.to_string()))
}

fn put(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    let written = std::fs::create_dir_all(path.parent().unwrap_or(folder))
        .and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| Failure::file(&path, &error))?;
    Ok(path)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}
