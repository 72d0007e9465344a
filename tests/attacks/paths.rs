//! Jobs that call themselves, or what they start, by a path (W7).

use syft::client::{Error, RunChoices};
use syft::jobs::Listed;

use super::world::{CONFIG, EVE, SECRET, Stage, change, changed, files, job, raw_job};

/// What may change on the owner's machine because of eve's job: its own two folders, and what the
/// program keeps for itself.
fn is_in_its_place(path: &str) -> bool {
    let datasite = "homes/do@example.org/SyftBox_do@example.org/do@example.org/app_data/job";
    let own = ["inbox", "review"].iter().any(|side| {
        path.starts_with(&format!("{datasite}/{side}/{EVE}/"))
            || path.starts_with(&format!("{datasite}/{side}/ds@example.org/"))
    });
    own || path.starts_with("homes/do@example.org/.syft/")
        || path.starts_with("homes/do@example.org/SyftBox_do@example.org/.")
        || path.starts_with("homes/ds@example.org/")
        || path.starts_with("files/honest")
}

#[tokio::test]
async fn w7_a_name_that_is_a_path_steers_nothing_from_listing_to_results() {
    for name in ["../../x", "/tmp/x", "..", "a/../../../../x", "'../\\x'"] {
        let stage = Stage::new().await;
        let before = files(stage.world.folder.path());
        let config = CONFIG.replace("name: j", &format!("name: {name}"));
        stage
            .propose(&raw_job("j", &config, "mkdir -p code/outputs; echo 1 > code/outputs/a"))
            .await;
        let report = stage.meet().await;
        assert_eq!(report.problems, [], "{name}");
        let found = stage.owner.job("j", Some(stage.eve.email())).unwrap();
        assert_eq!(found.job.id.name.as_str(), "j", "its folder names it");
        found.digest().unwrap();
        found.script().unwrap();
        stage.approve("j").await;
        let choices = RunChoices { share_outputs: true, ..RunChoices::default() };
        let ran = stage.owner.run_jobs(&["j"], &choices).await.unwrap();
        assert_eq!(ran[0].result.as_ref().unwrap().return_code, 0);
        stage.meet().await;
        let outside: Vec<_> = changed(stage.world.folder.path(), &before)
            .into_iter()
            .filter(|path| !is_in_its_place(path))
            .collect();
        assert_eq!(outside, [""; 0], "{name}");
        assert!(stage.at_owner(&format!("app_data/job/review/{EVE}/j/outputs/a")).is_file());
    }
}

#[tokio::test]
async fn w7_an_entrypoint_that_is_a_path_elsewhere_makes_no_job() {
    for entrypoint in ["../../../etc/passwd", "/etc/passwd", "-c", "a\\..\\b", "''", "../main.sh"] {
        let stage = Stage::new().await;
        let before = files(stage.world.folder.path());
        let config = CONFIG.replace("main.sh", entrypoint);
        stage.propose(&raw_job("j", &config, "echo 1")).await;
        stage.meet().await;
        let jobs = stage.owner.jobs().unwrap();
        let told = jobs.iter().any(|listed| {
            matches!(&listed.listed, Listed::Unreadable { directory, reason }
                if directory.contains("j") && reason.contains("entrypoint"))
        });
        assert!(told, "{entrypoint}: {jobs:?}");
        let from = Some(stage.eve.email());
        let refused = stage.owner.approve_job("j", from, None).await.unwrap_err();
        assert!(matches!(refused, Error::UnknownJob { .. } | Error::Job(_)), "{refused:?}");
        assert!(stage.owner.run_jobs(&["j"], &RunChoices::default()).await.is_err());
        let outside: Vec<_> = changed(stage.world.folder.path(), &before)
            .into_iter()
            .filter(|path| !is_in_its_place(path))
            .collect();
        assert_eq!(outside, [""; 0], "{entrypoint}");
    }
}

#[tokio::test]
async fn w7_a_folder_that_cannot_be_a_job_is_listed_as_such_and_touches_no_other() {
    let stage = Stage::new().await;
    stage.propose(&raw_job("good", CONFIG, "echo 1")).await;
    for name in ["*", "{good,x}", "v1", ".hidden", "good ", "syft.pub.yaml"] {
        stage.propose(&raw_job(name, CONFIG, "echo bad")).await;
    }
    // A job in the folder of another submitter, and a file where a job should be.
    let other = "app_data/job/inbox/ds@example.org/stolen/config.yaml";
    stage.propose(&[change(other, None, CONFIG)]).await;
    stage.propose(&[change(&format!("app_data/job/inbox/{EVE}/flat"), None, SECRET)]).await;
    let report = stage.meet().await;
    assert!(report.refused.iter().any(|refused| refused.path == other), "{report:?}");
    let good = stage.owner.job("good", Some(stage.eve.email())).unwrap();
    assert_eq!(good.job.state.status.to_string(), "pending");
    for listed in stage.owner.jobs().unwrap() {
        if let Listed::Job(job) = listed.listed {
            let name = job.id.name.as_str();
            assert!(name == "good" || name.starts_with("honest"), "{name}");
        }
    }
    assert!(!stage.at_owner(other).exists());
    assert!(!stage.at_owner(&job("good", "syft.pub.yaml")).exists());
}
