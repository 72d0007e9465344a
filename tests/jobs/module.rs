//! The module that stands for the client inside a job, on any Python that is here.

use std::process::Command;

use crate::world::World;

fn python(world: &World, in_job: bool, code: &str) -> String {
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
    let output = Command::new("python3")
        .args(["-c", code])
        .env("PYTHONPATH", modules)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SYFTBOX_FOLDER", world.store.syftbox())
        .env("SYFTBOX_EMAIL", "do@example.com")
        .env("SYFT_IS_IN_JOB", if in_job { "true" } else { "false" })
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_dataset_resolves_to_private_files_in_a_job_and_to_mock_files_elsewhere() {
    let world = World::new();
    let code = "import syft_client as sc\nprint([p.name for p in sc.resolve_dataset_files_path('census')])";
    assert_eq!(python(&world, true, code), "['data.csv']\n");
    assert_eq!(python(&world, false, code), "['mock.csv']\n");
}

#[test]
fn what_cannot_be_resolved_is_said_clearly() {
    let world = World::new();
    let error = |code: &str| {
        let code = format!("import syft_client as sc\n{code}");
        python(&world, true, &code).lines().last().unwrap_or_default().to_owned()
    };
    let said = error("sc.resolve_dataset_file_path('cencus')");
    assert!(said.contains("there are: census, other"), "{said}");
    assert!(error("sc.resolve_dataset_file_path('../../x')").contains("is no name of a dataset"));
    assert!(error("sc.resolve_path('x')").contains("must start with 'syft://'"));
    assert!(error("sc.login_ds()").contains("--dep syft-client"));
    assert!(error("from syft import login").contains("cannot import name 'login'"));
}

#[test]
fn code_of_a_dataset_can_be_imported() {
    let world = World::new();
    let file = world.datasite().join("private/syft_datasets/census/tools/clean.py");
    crate::world::write(&file, "ANSWER = 42\n");
    let code = "import syft as sy\nimport sys\n\
        print(sy.load_dataset_code('census.tools.clean').ANSWER, sys.modules['clean'].ANSWER)";
    assert_eq!(python(&world, true, code), "42 42\n");
    let outside = "import syft as sy\nsy.load_dataset_code('census./etc/x')";
    assert!(python(&world, true, outside).contains("expected 'dataset.module'"));
}

#[test]
fn the_newest_layout_of_a_dataset_counts() {
    let world = World::new();
    for (name, file) in [("census", "newer.csv"), ("later", "later.csv")] {
        let nested = world.datasite().join("private/syft_datasets/v1").join(name);
        crate::world::write(&nested.join(file), "");
    }
    let code = |name: &str| {
        format!("import syft as sy\nprint(sy.resolve_dataset_file_path('{name}').name)")
    };
    for (name, file) in [("census", "newer.csv"), ("later", "later.csv"), ("other", "data.csv")] {
        assert_eq!(python(&world, true, &code(name)), format!("{file}\n"));
    }
    assert!(python(&world, true, &code("v1")).contains("is no name of a dataset"));
}
