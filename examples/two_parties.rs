//! The whole story in one process: an owner, a scientist, and a drive in memory between them.
//!
//! ```text
//! cargo run --example two_parties
//! ```

use std::error::Error;
use std::sync::Arc;

use syft::client::{Client, JobRequest, RunChoices, SystemClock};
use syft::connections::MemoryDrive;
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::{Email, Role};
use syft::syncers::SyncOptions;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it did")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (drive, home) = (MemoryDrive::new(), tempfile::tempdir()?);
    let client = |name: &str, role| -> Result<Client, Box<dyn Error>> {
        let session = Arc::new(drive.session(&Email::parse(name)?));
        Ok(Client::over(session, role, home.path(), Arc::new(SystemClock))?)
    };
    let owner = client("owner@example.org", Role::Owner)?;
    let scientist = client("scientist@example.org", Role::Scientist)?;
    let sync = SyncOptions::default();

    // They become peers: the scientist asks, the owner agrees.
    owner.sync(&sync).await?;
    scientist.add_peer(owner.email()).await?;
    owner.sync(&sync).await?;
    owner.approve_peer(scientist.email()).await?;

    // The owner shows made-up data; the real data stays on its machine.
    let (mock, private) = (home.path().join("mock.csv"), home.path().join("private.csv"));
    std::fs::write(&mock, "age\n30\n")?;
    std::fs::write(&private, "age\n41\n43\n")?;
    let dataset = NewDataset {
        name: DatasetName::parse_new("ages")?,
        mock,
        private,
        summary: Some("how old people are".to_owned()),
        readme: None,
        tags: Vec::new(),
        location: None,
        audience: Audience::Any,
        allow_same: false,
    };
    owner.create_dataset(&dataset, false).await?;
    scientist.sync(&sync).await?;

    // The scientist sends code to the data.
    let script = home.path().join("count.sh");
    std::fs::write(
        &script,
        "cat $SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets/ages/*.csv | wc -l > code/outputs/lines\n",
    )?;
    let request = JobRequest {
        to: owner.email().clone(),
        path: script,
        name: Some("count".to_owned()),
        entrypoint: None,
        dependencies: Vec::new(),
        datasets: vec!["ages".to_owned()],
        request: syft::jobs::Request::default(),
        bash: true,
        force: false,
    };
    scientist.submit_job(&request).await?;

    // The owner looks at it, runs it in a sandbox, and shares what came out.
    owner.sync(&sync).await?;
    owner.approve_job("count", None, Some("it only counts")).await?;
    let choices = RunChoices { share_outputs: true, ..RunChoices::default() };
    owner.process_approved_jobs(&choices).await?;
    scientist.sync(&sync).await?;
    for output in scientist.job("count", None)?.outputs()? {
        println!("{}: {}", output.path, std::fs::read_to_string(&output.local_path)?.trim());
    }
    Ok(())
}
