//! `syft dataset share` and `syft dataset unshare`.

use serde_json::json;

use super::{audience, dataset_json};
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Outcome};
use crate::cli::ui::Ui;
use crate::datasets::Audience;
use crate::model::Email;

pub(crate) const SHARE_EXAMPLES: &str = "\
Examples:
  syft dataset share census --users ann@example.org
  syft dataset share census --users any";
pub(crate) const UNSHARE_EXAMPLES: &str = "\
Examples:
  syft dataset unshare census --users ann@example.org
  syft dataset unshare census --users any          # from everybody";

/// Which dataset, and whom it is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the dataset
    name: String,

    /// Addresses with commas between them, or `any` for everybody who works with you
    #[arg(long, value_name = "WHO", value_parser = audience)]
    users: Audience,
}

pub(crate) async fn share(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let dataset = client.share_dataset(&args.name, &args.users).await?;
    ui.answer(&json!({ "dataset": dataset_json(&dataset) }));
    let who = words(&args.users);
    ui.done(format_args!("The mock half of `{}` is shown to {who}", args.name));
    ui.say("The private half is shown to nobody");
    ui.hint(format_args!(
        "take it back with `syft dataset unshare {} --users …`",
        quoted(&args.name)
    ));
    Ok(Exit::Done)
}

pub(crate) async fn unshare(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let dataset = client.unshare_dataset(&args.name, &args.users).await?;
    ui.answer(&json!({ "dataset": dataset_json(&dataset) }));
    let who = words(&args.users);
    ui.done(format_args!("The mock half of `{}` is no longer shown to {who}", args.name));
    ui.say("What they have copied elsewhere cannot be called back");
    Ok(Exit::Done)
}

pub(super) fn words(users: &Audience) -> String {
    match users {
        Audience::Any => "everybody who works with you".to_owned(),
        Audience::Nobody => "nobody".to_owned(),
        Audience::Listed(users) => users.iter().map(Email::as_str).collect::<Vec<_>>().join(", "),
    }
}
