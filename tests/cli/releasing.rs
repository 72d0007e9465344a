//! An owner lets go of what a job left: it is shown first, exactly that goes, and it is on record.

use serde_json::{Value, json};

use crate::questions::Terminal;
use crate::world::{OWNER, World};

const SCRIPT: &str = "printf 'a,b\\n1,2\\n' > code/outputs/table.csv\n\
    printf '\\033[2Jhidden' > code/outputs/steering.txt\nprintf '\\200\\004.' > code/outputs/model\n";

/// A job that ran, without the sandbox, since nothing depends on that here.
fn ran(end: &str) -> World {
    let world = World::working();
    let script = world.file("count.sh", &format!("{SCRIPT}{end}\n"));
    let submit = ["job", "submit", script.to_str().unwrap(), "--to", OWNER, "--bash"];
    world.scientist(&submit).done();
    world.owner(&["sync"]).done();
    world.owner(&["job", "approve", "count"]).done();
    world.owner(&["job", "run", "count", "--no-sandbox"]);
    world
}

fn release(world: &World, more: &[&str]) -> Value {
    world.owner(&[&["job", "release", "count"], more].concat()).json()
}

#[test]
fn what_would_leave_is_shown_and_nothing_else_leaves() {
    let world = ran("exit 0");
    let answer = release(&world, &["--dry-run"]);
    assert_eq!((&answer["released"], &answer["dry_run"]), (&Value::Null, &json!(true)));
    let digest = answer["offer"]["digest"].as_str().unwrap().to_owned();
    let files = answer["offer"]["files"].as_array().unwrap();
    let kinds: Vec<_> = files.iter().map(|file| (&file["path"], &file["kind"])).collect();
    let [model, text] = ["pickle: runs code when opened", "text"].map(|kind| json!(kind));
    assert_eq!(
        kinds,
        [
            (&json!("outputs/model"), &model),
            (&json!("outputs/steering.txt"), &text),
            (&json!("outputs/table.csv"), &text),
        ]
    );
    let shown =
        world.run("owner", &["job", "release", "count", "--dry-run", "--logs", "--outputs"]);
    for line in ["outputs/table.csv  8 B  text", "      a,b\n", "⟨U+001B⟩[2Jhidden", "stdout.txt"]
    {
        assert!(shown.stdout.contains(line), "{line}: {}", shown.stdout);
    }
    assert!(!world.datasite("app_data/job/review/sam@example.org/count/outputs").exists());

    assert_eq!(release(&world, &["--digest", "00000000"])["error"]["code"], "result-changed");
    assert_eq!(release(&world, &["--only", "nothing"])["error"]["code"], "no-such-result");
    assert_eq!(release(&world, &["--only", "../up"])["error"]["code"], "usage");
    let answer = release(&world, &["--digest", &digest[..12]]);
    assert_eq!(answer["released"]["files"], json!(["model", "steering.txt", "table.csv"]));
    let found = world.owner(&["job", "show", "count"]).done();
    let [record] = &found["job"]["releases"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((&record["deed"], &record["command"]), (&json!("release"), &json!("release")));
    assert_eq!((&record["by"], &record["to"]), (&json!(OWNER), &json!("sam@example.org")));
    assert_eq!(record["files"].as_array().unwrap().len(), 3);
    world.scientist(&["sync"]).done();
    let there = world.scientist(&["job", "show", "count"]).done();
    assert_eq!(there["job"]["outputs"].as_array().unwrap().len(), 3);
    assert_eq!(there["job"]["releases"], json!([]), "the record is the owner's");

    let answer = release(&world, &["--withdraw"]);
    assert_eq!(answer["withdrawn"]["files"].as_array().unwrap().len(), 3, "{answer}");
    world.scientist(&["sync"]).done();
    let there = world.scientist(&["job", "show", "count"]).done();
    assert_eq!(there["job"]["outputs"], json!([]));
}

#[test]
fn a_person_is_asked_and_anything_but_yes_releases_nothing() {
    let world = ran("exit 0");
    let command = ["job", "release", "count", "--only", "table.csv"];
    for wrong in ["", "y", "no", "count"] {
        let asked = Terminal::run(&world, "owner", &command).until("Type yes:");
        assert!(asked.shown.contains("outputs/table.csv"), "{}", asked.shown);
        let (exit, shown) = asked.answer(wrong);
        assert_eq!(exit, 1, "{wrong}: {shown}");
        assert!(shown.contains("nothing was released"), "{shown}");
    }
    assert!(!world.datasite("app_data/job/review/sam@example.org/count/outputs").exists());
    let (exit, shown) = Terminal::run(&world, "owner", &command).until("Type yes:").answer("yes");
    assert_eq!(exit, 0, "{shown}");
    assert!(shown.contains("sam@example.org may read 1 file (8 B) of `count`"), "{shown}");
}

#[test]
fn the_submitter_of_a_job_that_failed_sees_how_and_its_owner_what_is_told() {
    let world = ran("exit 3");
    let found = world.owner(&["job", "show", "count"]).done();
    let told = found["job"]["failure"].clone();
    assert_eq!((&told["ending"], &told["time"]), (&json!("error"), &json!("less than 10 s")));
    world.scientist(&["sync"]).done();
    let there = world.scientist(&["job", "show", "count"]).done();
    assert_eq!(there["job"]["failure"], told);
    let shown = world.run("scientist", &["job", "show", "count"]).stdout;
    assert!(shown.contains("error, less than 10 s"), "{shown}");
    assert_eq!(there["job"]["outputs"], json!([]), "nothing was released");
    let wrong = world.owner(&["job", "run", "--failure-report", "all"]).json();
    assert_eq!(wrong["error"]["code"], "usage");
}
