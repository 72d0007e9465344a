//! What a job could carry away: logs that were not shared (W3), files behind links (W8), and what
//! it may not read at all (W9).

use syft::client::RunChoices;
use syft::datasets::Audience;
use syft::jobs::Detail;

use super::world::{CONFIG, EVE, SECRET, Stage, raw_job, write};

async fn run(stage: &Stage, script: &str, config: &str, choices: &RunChoices) -> String {
    stage.propose(&raw_job("j", config, script)).await;
    stage.meet().await;
    stage.approve("j").await;
    let ran = stage.owner.run_jobs(&["j"], choices).await.unwrap();
    let report = ran[0].result.as_ref().unwrap();
    let notes = report.notes.join("\n");
    stage.meet().await;
    notes
}

/// That the readers of the next test would see a leak.
#[tokio::test]
async fn w3_logs_that_were_shared_are_seen_in_both_ways() {
    let stage = Stage::new().await;
    let choices = RunChoices { share_logs: true, ..RunChoices::default() };
    run(&stage, "printf 'the-%s\\n' secret-of-the-owner; exit 77", CONFIG, &choices).await;
    let all = stage.all_that_eve_sees().await;
    for kind in ["stdout.txt", "returncode.txt"] {
        assert!(all.lines().any(|line| line.contains(kind) && !line.contains("pattern: ")));
    }
    assert!(all.matches(SECRET).count() >= 2, "on her machine and on the drive");
    let found = stage.eve.job("j", None).unwrap();
    assert_eq!(found.return_code(), Some(77));
}

#[tokio::test]
async fn w3_logs_that_were_not_shared_reach_neither_a_client_nor_a_raw_reader() {
    let script = format!(
        "echo {SECRET}; echo {SECRET} >&2; mkdir -p code/outputs; echo ok > code/outputs/a; exit 77"
    );
    for share_outputs in [false, true] {
        let stage = Stage::new().await;
        let failure_report = Detail::Off; // it lies where a log would
        let choices = RunChoices { share_outputs, failure_report, ..RunChoices::default() };
        run(&stage, &script, CONFIG, &choices).await;
        let log = stage.left("stdout.txt");
        assert!(std::fs::read_to_string(log).unwrap().contains(SECRET), "the owner has it");
        let all = stage.all_that_eve_sees().await;
        for leak in [SECRET, "stdout.txt", "stderr.txt", "returncode.txt", "return_code: 77"] {
            // Her own script, and the rules that say what she may not read.
            let is_hers = |line: &str| line.contains("echo") || line.contains("pattern: ");
            let lines: Vec<&str> =
                all.lines().filter(|line| line.contains(leak) && !is_hers(line)).collect();
            assert_eq!(lines, [""; 0], "{leak}");
        }
        assert!(all.contains("return_code: 1"), "that it failed is hers to see, no number");
        let found = stage.owner.job("j", Some(stage.eve.email())).unwrap();
        assert_eq!(found.return_code(), Some(77), "the owner has it");
        assert_eq!(all.contains("\nok\n"), share_outputs);
    }
}

/// Everything that is no plain file of the job's own.
const LINKS: &str = "mkdir -p code/outputs/sub; cd code/outputs\n\
    ln -s SECRET_FILE link; ln -s SECRET_FOLDER folder; ln -s ../../../../../../.. up\n\
    ln SECRET_FILE hard; mkfifo pipe; mknod device c 1 5; ln -s SECRET_FILE sub/deep\n\
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'\n\
    echo fine > ok; exit 0\n";

/// The folder itself is a link.
const SWAPPED: &str = "rm -rf code/outputs; ln -s SECRET_FOLDER code/outputs; exit 0\n";

#[tokio::test]
async fn w8_no_link_publishes_what_it_points_to() {
    for sandbox in [true, false] {
        for (script, arrives) in [(LINKS, true), (SWAPPED, false)] {
            let stage = Stage::new().await;
            let secret = stage.world.file("private/secret.txt", SECRET);
            let folder = secret.parent().unwrap();
            let script = script
                .replace("SECRET_FILE", secret.to_str().unwrap())
                .replace("SECRET_FOLDER", folder.to_str().unwrap());
            let choices = RunChoices { share_outputs: true, sandbox, ..RunChoices::default() };
            let notes = run(&stage, &script, CONFIG, &choices).await;
            let all = stage.all_that_eve_sees().await;
            assert!(!all.contains(SECRET), "sandbox {sandbox}");
            assert_eq!(all.contains("\nfine\n"), arrives);
            // In the sandbox the folder cannot be replaced, so that its link ends up in it.
            let is_told = match arrives || sandbox {
                true => notes.contains("it is a link"),
                false => notes.contains("`outputs` is no directory"),
            };
            assert!(is_told, "sandbox {sandbox}: {notes}");
            assert_eq!(std::fs::read_to_string(&secret).unwrap(), SECRET);
        }
    }
}

/// Links that the owner's own tree holds are not followed by a sync either.
#[tokio::test]
async fn w8_a_link_in_a_datasite_is_not_sent() {
    let stage = Stage::new().await;
    let secret = stage.world.file("private/secret.txt", SECRET);
    write(&stage.at_owner("open/a.txt"), "plain");
    std::os::unix::fs::symlink(&secret, stage.at_owner("open/link.txt")).unwrap();
    std::os::unix::fs::symlink(secret.parent().unwrap(), stage.at_owner("open/folder")).unwrap();
    let level = syft::permissions::Level::Read;
    stage.owner.grant("open/", EVE, level).await.unwrap();
    stage.meet().await;
    let all = stage.all_that_eve_sees().await;
    assert!(all.contains("plain") && !all.contains(SECRET));
}

#[tokio::test]
async fn w9_a_job_reads_the_data_that_it_named_and_nothing_else_of_its_owner() {
    let stage = Stage::new().await;
    let mut named = stage.world.dataset("ages", "age\n41\n");
    named.audience = Audience::Any;
    stage.owner.create_dataset(&named, false).await.unwrap();
    let other = stage.world.dataset("other", SECRET);
    stage.owner.create_dataset(&other, false).await.unwrap();
    let home = stage.world.folder.path().join("homes/do@example.org");
    write(&home.join(".syft/accounts/do@example.org/account.toml"), SECRET);
    write(&home.join(".syft/accounts/do@example.org/token.json"), SECRET);
    write(&home.join("diary.txt"), SECRET);
    write(&stage.at_owner("reports/q1.txt"), SECRET);
    let script = format!(
        "mkdir -p code/outputs\n\
         cat $SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets/ages/* > code/outputs/mine\n\
         grep -rsl --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr --exclude-dir=dev \
         -e 'the-secret-of-the-[o]wner' / > code/outputs/found\n\
         ls -d {home} {home}/.syft >> code/outputs/found\n\
         ls $SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets >> code/outputs/sets\n\
         ls $SYFTBOX_FOLDER/$SYFTBOX_EMAIL/reports >> code/outputs/found\n\
         tr '\\0' '\\n' < /proc/1/environ >> code/outputs/found; exit 0\n",
        home = home.display(),
    );
    let config = format!("{CONFIG}datasets:\n  do@example.org: [ages]\n");
    let choices = RunChoices { share_outputs: true, ..RunChoices::default() };
    run(&stage, &script, &config, &choices).await;
    let output = |name: &str| {
        let path = stage.left(&format!("outputs/{name}"));
        std::fs::read_to_string(path).unwrap()
    };
    assert!(output("mine").contains("41"), "it can work");
    assert_eq!(output("sets"), "ages\n");
    let found = output("found");
    assert!(!found.contains("example.org/") && !found.contains("CARGO"), "{found}");
    assert!(!stage.all_that_eve_sees().await.contains(SECRET));
}
