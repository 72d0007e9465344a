//! `syft notify show`: who is told what, what waits, and what was sent.

use serde_json::{Value, json};

use super::super::context::Context;
use super::super::report::{Exit, Failure, Outcome};
use super::super::serve::whose;
use super::super::text::{count, moment};
use super::super::ui::{Tone, Ui};
use crate::caches::notices::Kept;
use crate::channels::Way;
use crate::client::{Courier, ServeFile, SmtpPassword};
use crate::notices::{Kind, Settings, Told, Via};

/// How many notices are shown.
const SHOWN_MAX: usize = 20;

pub(crate) async fn run(context: &Context, ui: &mut Ui) -> Outcome {
    let (configuration, account, role) = whose(context).await?;
    let file = ServeFile::open(&configuration, &account)?;
    let courier = Courier::open(&configuration, &account, role)?;
    let password = SmtpPassword::of(&configuration, &account).get().await?.is_some();
    let notices = courier.newest(SHOWN_MAX)?;
    let settings = file.settings();
    let mut waiting = serde_json::Map::new();
    for way in Way::ALL {
        waiting.insert(way.as_str().to_owned(), json!(courier.waiting(way)?));
    }
    ui.answer(&json!({
        "path": file.path().to_string_lossy(),
        "email": email_json(settings, password),
        "webhook": settings.webhook.as_ref().map(|(webhook, told)| {
            json!({ "host": webhook.host(), "kinds": kinds(told) })
        }),
        "command": settings.command.as_ref().map(|(command, told)| {
            json!({ "line": command.line(), "kinds": kinds(told) })
        }),
        "waiting": waiting,
        "notices": notices.iter().map(notice_json).collect::<Vec<_>>(),
    }));
    show_settings(settings, password, ui);
    for way in Way::ALL {
        let number = courier.waiting(way)?;
        if number > 0 {
            let what = count(number, "piece of news waits", "pieces of news wait");
            ui.say(format_args!("{what} to go by {}", way.as_str()));
        }
    }
    show_notices(&notices, ui);
    Ok::<_, Failure>(Exit::Done)
}

fn show_settings(settings: &Settings, password: bool, ui: &mut Ui) {
    if Way::ALL.iter().all(|way| settings.told(*way).is_none()) {
        ui.say("Nobody is told anything");
        ui.hint("see `syft notify set --help`");
        return;
    }
    if let Some(email) = &settings.email {
        let to: Vec<&str> = email.to.iter().map(AsRef::as_ref).collect();
        let via = match &email.via {
            Via::Gmail => "Google's mail".to_owned(),
            Via::Smtp(smtp) => {
                let user = match (&smtp.user, password) {
                    (Some(user), true) => format!(" as {user}"),
                    (Some(user), false) => format!(" as {user}, whose password is missing"),
                    (None, _) => String::new(),
                };
                format!("{}:{} ({}){user}", smtp.server, smtp.port, smtp.security.as_str())
            }
        };
        ui.field("email", format_args!("{} over {via}{}", to.join(", "), only(&email.told)));
    }
    if let Some((webhook, told)) = &settings.webhook {
        ui.field("webhook", format_args!("{}/…{}", webhook.host(), only(told)));
    }
    if let Some((command, told)) = &settings.command {
        ui.field("command", format_args!("{}{}", command.line().join(" "), only(told)));
    }
}

fn show_notices(notices: &[(Kept, String)], ui: &mut Ui) {
    if notices.is_empty() {
        return;
    }
    let rows = notices.iter().map(|(kept, subject)| {
        let (state, tone) = match (&kept.sent, &kept.problem) {
            (Some(_), _) => ("sent".to_owned(), Tone::Good),
            (None, Some(problem)) => (format!("not sent: {problem}"), Tone::Look),
            (None, None) => ("waits".to_owned(), Tone::Look),
        };
        let when = moment(kept.made).unwrap_or_default();
        [
            (when, Tone::Dim),
            (kept.way.clone(), Tone::Plain),
            (state, tone),
            (subject.clone(), Tone::Plain),
        ]
    });
    ui.table(["MADE", "BY", "STATE", "ABOUT"], rows.collect());
}

fn only(told: &Told) -> String {
    let kinds = kinds(told);
    if kinds.len() + 1 == Kind::ALL.len() {
        String::new()
    } else {
        format!(", only {}", kinds.join(", "))
    }
}

fn kinds(told: &Told) -> Vec<&'static str> {
    told.kinds().into_iter().map(Kind::as_str).collect()
}

fn email_json(settings: &Settings, password: bool) -> Option<Value> {
    let email = settings.email.as_ref()?;
    let smtp = match &email.via {
        Via::Smtp(smtp) => Some(smtp),
        Via::Gmail => None,
    };
    Some(json!({
        "to": email.to.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        "from": email.from.as_ref().map(AsRef::<str>::as_ref),
        "gmail": smtp.is_none(),
        "server": smtp.map(|smtp| &smtp.server),
        "port": smtp.map(|smtp| smtp.port),
        "security": smtp.map(|smtp| smtp.security.as_str()),
        "user": smtp.and_then(|smtp| smtp.user.as_ref()),
        "password": password,
        "kinds": kinds(&email.told),
    }))
}

fn notice_json((kept, subject): &(Kept, String)) -> Value {
    json!({
        "id": kept.id,
        "way": kept.way,
        "subject": subject,
        "made_at": moment(kept.made),
        "sent_at": kept.sent.and_then(moment),
        "attempts": kept.attempts,
        "problem": kept.problem,
        "maybe_received": kept.maybe && kept.sent.is_none(),
    })
}
