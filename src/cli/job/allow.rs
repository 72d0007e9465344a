//! `syft job allow`: let jobs like one that was read run without a look at each.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Which, allowed, decide};
use crate::cli::args;
use crate::cli::context::{Context, absolute};
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::client::{Allowance, Allowed};
use crate::jobs::{RunScript, Sharing, parameter_file, strict_json};
use crate::model::{Code, DatasitePath, Email, Role, Timestamp};

const EXAMPLES: &str = "\
Examples:
  syft job show monthly
  syft job allow monthly --until 2027-06-30 --times 12 --param params.json --schema schema.json
  syft job allow monthly --until 2027-06-30 --times 5 --also ann@example.org --share-outputs
  syft job allowed                           # what is allowed, and what waits that fits";

/// Let jobs like this one run without being asked about each: a standing approval
///
/// It holds for jobs of the same person whose files are byte for byte those of this one: code, run
/// script, packages, settings, datasets. Only files that --param names may be others. What fits is
/// approved when a sync brings it, and runs with `syft job run`; each use is recorded. What differs
/// in one byte waits for you, and `syft job show` says in what.
///
/// A job is free in its name and in when it was submitted: do not allow code that looks at those. If
/// one fails, its submitter is told as with any job; `failure_report` in `settings.toml` says how much.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,

    /// File of parameters that may be another one each time; can be repeated
    ///
    /// JSON, CSV, YAML, TOML or text, of at most 64 KiB.
    #[arg(long = "param", value_name = "FILE", value_parser = parameter_file)]
    parameters: Vec<DatasitePath>,

    /// JSON schema that the files of parameters have to fit
    #[arg(long, value_name = "FILE", requires = "parameters")]
    schema: Option<PathBuf>,

    /// Last day, in UTC: 2027-06-30
    #[arg(long, value_name = "DATE", value_parser = last_moment)]
    until: Timestamp,

    /// How many jobs it lets run
    #[arg(long, value_name = "N")]
    times: u32,

    /// Jobs of this person too; can be repeated
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    also: Vec<Email>,

    /// Let the submitter have the files in `outputs/` without a look at them
    #[arg(long)]
    share_outputs: bool,

    /// Let the submitter have what the job printed without a look at it
    #[arg(long)]
    share_logs: bool,

    /// Reason to record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Allow it only if the code is still this, as `syft job show` named it
    #[arg(long, value_name = "DIGITS")]
    digest: Option<String>,

    /// Run the submitted `run.sh` as it is, instead of the one that the request amounts to
    #[arg(long)]
    run_script_as_submitted: bool,

    /// Allow it without being asked about files that you were not shown; the record says which
    #[arg(long)]
    unread: bool,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let (name, from) = (&args.which.name, args.which.from.as_ref());
    client.needs(Role::Owner)?;
    let found = client.job(name, from)?;
    let submission = found.submission()?;
    decide::check_shown(&found, &submission, args.digest.as_deref(), ui)?;
    let schema = args.schema.as_deref().map(read_schema).transpose()?;
    let unread = decide::unread(&found.reviewed(&submission));
    decide::confirm(&unread, name, args.unread, ui)?;
    let as_submitted = args.run_script_as_submitted;
    let allowance = Allowance {
        run_script: if as_submitted { RunScript::AsSubmitted } else { RunScript::Derived },
        parameters: args.parameters.clone(),
        schema,
        also: args.also.clone(),
        until: args.until,
        times: args.times,
        sharing: Sharing { outputs: args.share_outputs, logs: args.share_logs },
        reason: args.reason.clone(),
    };
    let made = client.allow_jobs(&found, submission.digest, allowance).await?;
    ui.answer(&json!({ "standing": allowed::full_json(&made) }));
    say(&made, ui);
    Ok(Exit::Done)
}

fn say(made: &Allowed, ui: &mut Ui) {
    let standing = &made.standing;
    let template = &standing.template;
    let jobs = count(usize::try_from(standing.times).unwrap_or(usize::MAX), "job", "jobs");
    let people = standing.people.iter().map(Email::as_str).collect::<Vec<_>>().join(", ");
    ui.done(format_args!(
        "Standing approval {}: {jobs} of {people} like `{}`, until {}",
        standing.id,
        template.job.name,
        allowed::day(standing.until),
    ));
    for path in &template.parameters {
        let how = if template.schema.is_some() { "as the schema says" } else { "whatever it says" };
        ui.say(format_args!("`{path}` may be another one, {how}"));
    }
    if template.schema.as_ref().is_some_and(lets_more_through) {
        ui.warn("The schema lets keys through that it does not name; `additionalProperties: false` does not");
    }
    let loose = template.config.dependencies.iter().filter(|package| !package.contains("=="));
    let loose: Vec<_> = loose.map(|package| format!("`{package}`")).collect();
    if !loose.is_empty() {
        let loose = loose.join(", ");
        ui.warn(format_args!("No version is said of {loose}: another day, another one may run"));
    }
    if template.config.datasets.is_none() {
        let names = standing.datasets.iter().map(|dataset| dataset.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        ui.warn(format_args!(
            "It names no dataset, so it may read all that there are today: {names}"
        ));
    }
    match (standing.sharing.outputs, standing.sharing.logs) {
        (false, false) => ui.say("What such jobs leave stays here until you release it"),
        (true, logs) => ui.warn(format_args!(
            "What such jobs leave{} is sent without anybody having looked at it",
            if logs { " and print" } else { "" }
        )),
        (false, true) => {
            ui.warn("What such jobs print is sent without anybody having looked at it")
        }
    }
    for job in &made.waiting {
        ui.say(format_args!("`{}` of {} waits and fits", job.name, job.submitter));
    }
    ui.hint(format_args!(
        "look at it with `syft job allowed {0}`, end it with `syft job disallow {0}`",
        standing.id
    ));
}

/// True if a schema lets objects have keys, or lists members, of which it says nothing, at any depth.
/// What it refers to is looked at where it stands.
fn lets_more_through(schema: &Value) -> bool {
    let Value::Object(map) = schema else { return *schema == Value::Bool(true) };
    let below = ["properties", "patternProperties", "$defs", "definitions"];
    let below =
        below.iter().filter_map(|key| map.get(*key)?.as_object()).flat_map(|all| all.values());
    if below.into_iter().any(lets_more_through) {
        return true;
    }
    if ["const", "enum", "$ref"].iter().any(|key| map.contains_key(*key)) {
        return false;
    }
    let parts = ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| map.get(*key)?.as_array());
    if let Some(parts) = parts.into_iter().next() {
        return parts.iter().any(lets_more_through);
    }
    let may_be = |word: &str| match map.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(|known| known == word),
        Some(known) => known == word,
    };
    let is_closed = |keys: [&str; 2]| {
        keys.iter().any(|key| map.get(*key).is_some_and(|inner| !lets_more_through(inner)))
    };
    may_be("object") && !is_closed(["additionalProperties", "unevaluatedProperties"])
        || may_be("array") && !is_closed(["items", "unevaluatedItems"])
}

fn read_schema(path: &Path) -> Result<Value, Failure> {
    let unusable = |reason: String| {
        let text = format!("the schema `{}` cannot be used: {reason}", path.display());
        Failure::new(Code::InvalidStanding, text)
            .hint("a JSON schema is a JSON file: https://json-schema.org/learn")
    };
    let content = std::fs::read(absolute(path)?).map_err(|error| unusable(error.to_string()))?;
    strict_json(&content).map_err(unusable)
}

/// Reads a day, which means its last moment in UTC, or a moment.
fn last_moment(text: &str) -> Result<Timestamp, String> {
    const END_OF_DAY_MICROS: i64 = 24 * 3600 * 1_000_000 - 1;
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let day = day.and_then(|day| day.and_hms_opt(0, 0, 0));
    let day = day.map(|start| start.and_utc().timestamp_micros() + END_OF_DAY_MICROS);
    let moment = chrono::DateTime::parse_from_rfc3339(text).ok();
    day.or_else(|| moment.map(|moment| moment.timestamp_micros()))
        .filter(|micros| *micros > 0)
        .map(Timestamp::from_micros)
        .ok_or_else(|| "a day is written as 2027-06-30".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_with_its_last_moment() {
        let micros = |text| last_moment(text).ok().map(Timestamp::micros);
        let end = micros("1970-01-01").unwrap();
        assert!((86_399_000_000..86_400_000_000).contains(&end), "{end}");
        assert_eq!(micros("1970-01-01T00:00:10+00:00"), Some(10_000_000));
        for bad in ["", "tomorrow", "2027-02-30", "30.6.2027", "1969-01-01"] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_schema_that_is_open_is_noticed() {
        assert!(lets_more_through(&json!({ "properties": {} })));
        let closed = json!({ "type": "object", "properties": {}, "additionalProperties": false });
        assert!(!lets_more_through(&closed));
        let closed = json!({ "type": "integer" });
        let inner = json!({ "type": "object", "properties": { "a": closed } });
        #[rustfmt::skip]
        let cases = [
            ("nothing said",       json!({}),                                                       true),
            ("only what is there", json!({ "type": "object", "required": ["year"] }),               true),
            ("a number",           closed.clone(),                                                  false),
            ("one of some",        json!({ "enum": [1, { "a": 2 }] }),                              false),
            ("any list",           json!({ "type": "array" }),                                      true),
            ("a list of numbers",  json!({ "type": "array", "items": closed }),                     false),
            ("deeper",             json!({ "type": "object", "properties": { "in": inner }, "additionalProperties": false }), true),
            ("numbers by name",    json!({ "type": "object", "additionalProperties": closed }),     false),
            ("one of two",         json!({ "anyOf": [closed, {}] }),                                true),
        ];
        for (what, schema, open) in cases {
            assert_eq!(lets_more_through(&schema), open, "{what}");
        }
    }
}
