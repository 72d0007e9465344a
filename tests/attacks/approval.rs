//! What is changed after it was approved (W2), and approvals that nobody gave (W1).

use syft::client::RunChoices;
use syft::jobs::JobStatus;

use super::world::{CONFIG, EVE, Stage, change, job, raw_job, sync};

const HONEST: &str = "echo honest\n";

fn results_are_there(stage: &Stage) -> bool {
    stage.left("stdout.txt").exists()
}

#[tokio::test]
async fn w2_what_is_replaced_by_messages_after_approval_does_not_run() {
    let script = "bash code/main.sh\n";
    let mut gone = change(&job("j", "code/main.sh"), Some(HONEST), "");
    for key in ["content", "new_hash", "content_type"] {
        gone[key] = serde_json::Value::Null;
    }
    gone["is_deleted"] = true.into();
    #[rustfmt::skip]
    let cases = [
        ("the script",      change(&job("j", "run.sh"), Some(script), "echo hacked\n")),
        ("the code",        change(&job("j", "code/main.sh"), Some(HONEST), "echo hacked\n")),
        ("what it starts",  change(&job("j", "config.yaml"), Some(CONFIG), &CONFIG.replace("main.sh", "evil.sh"))),
        ("its datasets",    change(&job("j", "config.yaml"), Some(CONFIG), &format!("{CONFIG}datasets: null\n"))),
        ("a module",        change(&job("j", "code/json.py"), None, "print('hacked')")),
        ("its code is gone", gone),
    ];
    for (what, attack) in cases {
        for syncs_before_the_run in [true, false] {
            let stage = Stage::new().await;
            stage.propose(&raw_job("j", CONFIG, HONEST)).await;
            stage.meet().await;
            stage.approve("j").await;
            stage.propose(std::slice::from_ref(&attack)).await;
            if syncs_before_the_run {
                let report = stage.meet().await;
                assert_eq!(report.accepted, 1 + 3, "{what}: hers to change, and an honest job");
                let found = stage.owner.job("j", Some(stage.eve.email())).unwrap();
                assert_eq!(found.job.state.status, JobStatus::Pending, "{what}: decide again");
                let all = stage.owner.run_jobs(&[], &RunChoices::default()).await.unwrap();
                assert_eq!(all.len(), 0, "{what}: nothing is approved");
                let ran = stage.owner.run_jobs(&["j"], &RunChoices::default()).await.unwrap();
                let told = ran[0].result.as_ref().unwrap_err().to_string();
                assert!(told.contains('j'), "{what}: {told}");
                assert!(!results_are_there(&stage), "{what}");
            } else {
                // The replacement is still on its way: what was approved is what runs.
                let ran = stage.owner.run_jobs(&["j"], &RunChoices::default()).await.unwrap();
                assert_eq!(ran[0].result.as_ref().unwrap().return_code, 0, "{what}");
                let log = stage.left("stdout.txt");
                assert_eq!(std::fs::read_to_string(log).unwrap(), "honest\n", "{what}");
            }
        }
    }
}

#[tokio::test]
async fn w1_w2_a_peer_approves_nothing() {
    let stage = Stage::new().await;
    stage.propose(&raw_job("j", CONFIG, "echo hacked")).await;
    let state = format!("app_data/job/review/{EVE}/j/state.yaml");
    let rules = format!("app_data/job/inbox/{EVE}/syft.pub.yaml");
    let open = "rules:\n- pattern: '**'\n  access:\n    admin: [eve@example.org]\n";
    stage
        .propose(&[
            change(&state, None, "status: approved\n"),
            change(&rules, None, open),
            change("syft.pub.yaml", None, open),
        ])
        .await;
    let mut decided = raw_job("decided", CONFIG, "echo hacked");
    decided.push(change(&job("decided", "state.yaml"), None, "status: approved\n"));
    stage.propose(&decided).await;
    let report = stage.meet().await;
    let refused: Vec<&str> = report.refused.iter().map(|refused| refused.path.as_str()).collect();
    assert!(refused.contains(&state.as_str()) && refused.contains(&rules.as_str()), "{refused:?}");
    assert!(refused.contains(&"syft.pub.yaml"), "{refused:?}");
    let found = stage.owner.job("j", Some(stage.eve.email())).unwrap();
    assert_eq!(found.job.state.status, JobStatus::Pending);
    let decided = stage.owner.job("decided", Some(stage.eve.email())).unwrap();
    assert_ne!(decided.job.state.status, JobStatus::Approved, "{:?}", decided.job.state);
    assert_eq!(stage.owner.run_jobs(&[], &RunChoices::default()).await.unwrap().len(), 0);

    // Whoever gets a state file onto the disk has still approved nothing.
    std::fs::write(stage.at_owner(&state), "status: approved\n").unwrap();
    for ran in stage.owner.run_jobs(&[], &RunChoices::default()).await.unwrap() {
        assert!(ran.result.is_err());
    }
    sync(&stage.owner).await;
    assert!(!results_are_there(&stage));
}
