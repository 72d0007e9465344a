//! What of a job is on the drive before, and after, its owner lets it go (W3, W8).
//!
//! Everything on the drive is searched: the owner's own log and checkpoints, too.

use serde_json::Value;
use syft::client::RunChoices;
use syft::jobs::{Authority, Deed, Detail, JobStatus, Wish};

use super::world::{CONFIG, EVE, Stage, raw_job, sync};

const OUT: &str = "canary-of-stdout";
const ERR: &str = "canary-of-stderr";
const RESULT: &str = "canary-of-a-result";
const BINARY: &str = "canary-of-a-binary";
const NAME: &str = "canary-of-a-name";
const CODE: &str = "return_code: 77";

/// The script spells the canaries so that they are not in it.
const SCRIPT: &str = "c() { printf 'canary-%s' \"of-$1\"; }\n\
    mkdir -p code/outputs/sub; c stdout; c stderr >&2; c a-result > code/outputs/table.csv\n\
    (c a-binary; printf '\\377\\376\\000') > code/outputs/sub/raw.bin\n\
    c x > \"code/outputs/$(c a-name).txt\"; exit ";

async fn ran(code: i32, choices: &RunChoices) -> Stage {
    let stage = Stage::new().await;
    stage.propose(&raw_job("j", CONFIG, &format!("{SCRIPT}{code}\n"))).await;
    stage.meet().await;
    stage.approve("j").await;
    let ran = stage.owner.run_jobs(&["j"], choices).await.unwrap();
    assert_eq!(ran[0].result.as_ref().unwrap().return_code, i64::from(code));
    for _ in 0..3 {
        sync(&stage.owner).await;
        sync(&stage.eve).await;
    }
    stage.owner.create_checkpoint().await.unwrap();
    sync(&stage.owner).await;
    stage
}

fn canaries(text: &str) -> Vec<&'static str> {
    let all = [OUT, ERR, RESULT, BINARY, NAME, CODE];
    all.into_iter().filter(|canary| text.contains(canary)).collect()
}

#[tokio::test]
async fn w3_w8_until_it_is_released_no_byte_of_what_a_job_left_is_on_the_drive() {
    for code in [0, 77] {
        let stage = ran(code, &RunChoices::default()).await;
        let before = stage.all_on_the_drive().await;
        assert_eq!(canaries(&before), [""; 0], "{code}");
        let ended = if code == 0 { "status: done" } else { "status: failed" };
        assert!(before.contains(ended), "that it ended is there, so the search finds something");
        let found = stage.owner.job("j", None).unwrap();
        let outputs = found.outputs().unwrap();
        assert_eq!(outputs.len(), 3, "the owner has them at once");
        assert!(outputs.iter().all(|output| output.local_path.is_file() && !output.released));
        assert_eq!(found.return_code(), Some(i64::from(code)));

        stage.owner.release_job("j", None, false, true).await.unwrap();
        sync(&stage.owner).await;
        assert_eq!(canaries(&stage.all_on_the_drive().await), [OUT, ERR]);
        let only = Wish { outputs: true, only: vec![path("table.csv")], ..Wish::default() };
        let authority = Authority::Command("release --only table.csv".to_owned());
        stage.owner.release_job_as_shown("j", None, &only, None, &authority).await.unwrap();
        sync(&stage.owner).await;
        assert_eq!(canaries(&stage.all_on_the_drive().await), [OUT, ERR, RESULT]);
        stage.owner.release_job("j", None, true, false).await.unwrap();
        sync(&stage.owner).await;
        let all = stage.all_on_the_drive().await;
        assert_eq!(canaries(&all), [OUT, ERR, RESULT, BINARY, NAME]);
        sync(&stage.eve).await;
        let there = stage.eve.job("j", None).unwrap();
        assert_eq!(there.outputs().unwrap().len(), 3);
        assert_eq!(there.return_code(), Some(i64::from(code)));
    }
}

#[tokio::test]
async fn w3_what_is_shared_with_the_run_is_a_release_that_is_recorded() {
    let choices = RunChoices { share_outputs: true, ..RunChoices::default() };
    let stage = ran(0, &choices).await;
    assert_eq!(canaries(&stage.all_on_the_drive().await), [RESULT, BINARY, NAME]);
    let found = stage.owner.job("j", None).unwrap();
    let [record] = &found.releases().unwrap()[..] else { panic!("one decision") };
    assert_eq!(record.authority, Authority::Command("run --share-outputs".to_owned()));
    assert_eq!((record.deed, record.by.as_str()), (Deed::Release, "do@example.org"));
    assert_eq!(record.to.as_str(), EVE);
    let files: Vec<_> = record.files.iter().map(|it| (it.path.as_str(), it.size)).collect();
    let name = format!("outputs/{NAME}.txt");
    let size = RESULT.len() as u64;
    assert_eq!(files, [(&*name, 11), ("outputs/sub/raw.bin", 21), ("outputs/table.csv", size)]);
    let outputs = found.outputs().unwrap();
    for (file, output) in record.files.iter().zip(&outputs) {
        assert_eq!(file.digest, output.digest);
        assert!(output.released);
    }
    // To read of it is the owner's alone.
    assert!(!stage.all_on_the_drive().await.contains("share-outputs"));
}

#[tokio::test]
async fn what_changed_since_it_was_shown_is_not_released() {
    let stage = ran(0, &RunChoices::default()).await;
    let wish = Wish { outputs: true, ..Wish::default() };
    let authority = Authority::Command("release".to_owned());
    for change in ["other bytes", "more", "gone", "new"] {
        let (_, shown) = stage.owner.offer_release("j", None, &wish).unwrap();
        let file = stage.left("outputs/table.csv");
        match change {
            "gone" => std::fs::remove_file(&file).unwrap(),
            "new" => std::fs::write(stage.left("outputs/new.csv"), "new").unwrap(),
            _ => std::fs::write(&file, format!("{change}{RESULT}")).unwrap(),
        }
        let result =
            stage.owner.release_job_as_shown("j", None, &wish, Some(&shown), &authority).await;
        assert_eq!(result.unwrap_err().code(), "result-changed", "{change}");
        // Nor is it where the change comes between looking again and copying.
        let found = stage.owner.job("j", None).unwrap();
        let now = syft::model::Timestamp::from_micros(1);
        let result = found.store().release(&found.job, &shown, &authority, now);
        assert_eq!(result.is_err(), change != "new", "{change}: what was shown is still there");
        if change != "new" {
            assert!(!stage.at_owner(&format!("app_data/job/review/{EVE}/j/outputs")).exists());
            assert_eq!(found.releases().unwrap(), [], "{change}");
        }
        std::fs::write(&file, RESULT).unwrap();
    }
    let missing = Wish { only: vec![path("nothing")], ..wish };
    let error = stage.owner.offer_release("j", None, &missing).unwrap_err();
    assert_eq!(error.code(), "no-such-result");
}

#[tokio::test]
async fn a_release_opens_nothing_that_lay_there_before() {
    let stage = ran(0, &RunChoices::default()).await;
    // Another program of the owner has put results of a run into the datasite, and closed them.
    let there = stage.at_owner(&format!("app_data/job/review/{EVE}/j/outputs"));
    std::fs::create_dir_all(&there).unwrap();
    std::fs::write(there.join("raw.csv"), "canary-of-what-nobody-released").unwrap();
    sync(&stage.owner).await;
    sync(&stage.eve).await;
    assert_eq!(stage.eve.job("j", None).unwrap().outputs().unwrap().len(), 0);
    let only = Wish { outputs: true, only: vec![path("table.csv")], ..Wish::default() };
    let authority = Authority::Command("release --only table.csv".to_owned());
    stage.owner.release_job_as_shown("j", None, &only, None, &authority).await.unwrap();
    sync(&stage.owner).await;
    sync(&stage.eve).await;
    let outputs = stage.eve.job("j", None).unwrap().outputs().unwrap();
    let paths: Vec<_> = outputs.iter().map(|output| output.path.as_str()).collect();
    assert_eq!(paths, ["table.csv"]);
    let here = stage.owner.job("j", None).unwrap().outputs().unwrap();
    let raw = here.iter().find(|output| output.path.as_str() == "raw.csv").unwrap();
    assert!(!raw.released && raw.local_path.is_file(), "its owner has it still: {raw:?}");
}

#[tokio::test]
async fn what_was_released_can_be_taken_back_as_far_as_that_goes() {
    let choices = RunChoices { share_outputs: true, share_logs: true, ..RunChoices::default() };
    let stage = ran(0, &choices).await;
    assert_eq!(stage.eve.job("j", None).unwrap().outputs().unwrap().len(), 3);
    let (_, record) = stage.owner.withdraw_job("j", None).await.unwrap();
    assert_eq!((record.deed, record.files.len()), (Deed::Withdrawal, 6));
    sync(&stage.owner).await;
    sync(&stage.eve).await;
    let there = stage.eve.job("j", None).unwrap();
    assert_eq!(there.outputs().unwrap().len(), 0, "her program has deleted its copies");
    assert_eq!(there.logs(), [None, None, None]);
    let here = stage.owner.job("j", None).unwrap();
    let outputs = here.outputs().unwrap();
    assert!(outputs.len() == 3 && outputs.iter().all(|output| !output.released));
    assert_eq!(here.releases().unwrap().len(), 2, "both decisions are on record");
    stage.owner.release_job("j", None, true, false).await.unwrap();
    sync(&stage.owner).await;
    sync(&stage.eve).await;
    assert_eq!(stage.eve.job("j", None).unwrap().outputs().unwrap().len(), 3, "and again");
}

#[tokio::test]
async fn a_new_run_takes_what_was_released_of_the_last_and_releases_nothing() {
    let choices = RunChoices { share_outputs: true, share_logs: true, ..RunChoices::default() };
    let stage = ran(0, &choices).await;
    let id = stage.owner.job("j", None).unwrap().job.id;
    let found = stage.owner.job("j", None).unwrap();
    found.store().rerun(&id, syft::model::Timestamp::from_micros(1)).unwrap();
    stage.owner.run_jobs(&["j"], &RunChoices::default()).await.unwrap();
    sync(&stage.owner).await;
    sync(&stage.eve).await;
    let there = stage.eve.job("j", None).unwrap();
    assert_eq!(there.job.state.status, JobStatus::Done);
    assert!(there.outputs().unwrap().is_empty() && there.logs() == [None, None, None]);
    assert_eq!(stage.owner.job("j", None).unwrap().releases().unwrap().len(), 1);
}

#[tokio::test]
async fn who_submitted_a_job_that_failed_is_told_so_without_data() {
    for (detail, told) in [(Detail::Full, true), (Detail::Class, true), (Detail::Off, false)] {
        let choices = RunChoices { failure_report: detail, ..RunChoices::default() };
        let stage = ran(77, &choices).await;
        assert_eq!(canaries(&stage.all_on_the_drive().await), [""; 0]);
        let there = stage.eve.job("j", None).unwrap();
        let failure = there.told_failure();
        assert_eq!(failure.is_some(), told, "{detail:?}");
        let [out, err, code] = there.logs();
        assert_eq!((out, err.is_some(), code), (None, told, None), "{detail:?}");
        let Some(failure) = failure else { continue };
        assert_eq!((&failure["ending"], &failure["exception"]), (&"error".into(), &Value::Null));
        let text = std::fs::read_to_string(err.unwrap()).unwrap();
        assert!(text.starts_with("This job failed.") && text.contains("Time:       less than"));
        let here = stage.owner.job("j", None).unwrap();
        let own = std::fs::read_to_string(here.logs()[1].clone().unwrap()).unwrap();
        assert_eq!(own, ERR, "the owner has the log itself");
        assert_eq!(here.releases().unwrap()[0].deed, Deed::FailureReport);
        // Once logs are released, the log takes the place of the report.
        stage.owner.release_job("j", None, false, true).await.unwrap();
        sync(&stage.owner).await;
        sync(&stage.eve).await;
        let log = stage.eve.job("j", None).unwrap().logs()[1].clone().unwrap();
        assert_eq!(std::fs::read_to_string(log).unwrap(), ERR);
    }
}

fn path(text: &str) -> syft::model::DatasitePath {
    syft::model::DatasitePath::parse(text).unwrap()
}
