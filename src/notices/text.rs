//! Writes a notice: one line for a subject, a text for a person, an object for a program.
//!
//! Names of jobs are chosen by those who sent them: here they are cut, characters that steer a
//! terminal or cannot be seen are shown by number, and those that mean something to a chat (`<`, `>`,
//! backticks) are replaced, so that a name can neither call a whole channel nor be a link with other
//! words. A command to type names a job only where its name is plain.

use serde_json::{Value, json};

use super::{Kind, News, problems};
use crate::channels::Message;
use crate::model::shown::safe_line;
use crate::model::{Email, Timestamp};

/// How many pieces of news are listed in one notice; the rest is counted.
pub const LINES_MAX: usize = 20;

const NAME_CHARACTERS_MAX: usize = 80;

/// What a notice says.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// Its id: the same each time that it is sent.
    pub id: &'a str,
    /// Whose account it is about.
    pub account: &'a Email,
    /// The news, in order.
    pub news: &'a [News],
    /// How many more there are than are in `news`.
    pub more: usize,
    /// When it was made.
    pub date: Timestamp,
    /// True if it may have been received before: the program stopped while it sent it.
    pub is_repeat: bool,
}

/// Writes a notice.
pub fn message(notice: &Notice<'_>) -> Message {
    // Whoever can have much told must not push out what needs a decision.
    let mut news: Vec<&News> = notice.news.iter().collect();
    news.sort_by_key(|news| !news.kind.is_urgent());
    news.truncate(LINES_MAX);
    let listed: Vec<Line> = news.iter().map(|news| line(news)).collect();
    let more = notice.more + notice.news.len().saturating_sub(LINES_MAX);
    let subject = format!("[syft] {}", subject(notice.news, more, &listed));
    let mut body = String::new();
    for Line { sentence, command } in &listed {
        body.push_str(&format!("{}\n", capitalised(sentence)));
        if let Some(command) = command {
            body.push_str(&format!("    {command}\n"));
        }
        body.push('\n');
    }
    if more > 0 {
        body.push_str(&format!("And {more} more; see `syft status`.\n\n"));
    }
    if notice.is_repeat {
        body.push_str("You may have this already: the program was stopped while it sent it.\n\n");
    }
    let footer = format!(
        "-- \nFor {}, {}. Names of jobs are as their senders chose them; there are no data and no \
         results in this notice.\n`syft notify show` says what is sent to whom.\n",
        notice.account,
        moment(notice.date).unwrap_or_default(),
    );
    let text = chat(&subject, &listed, more, notice.is_repeat);
    let told = news.iter().zip(&listed);
    let told = told.map(|(news, line)| {
        let mut value = news.to_json();
        value["text"] = json!(line.sentence);
        value
    });
    let json = json!({
        "id": notice.id,
        "account": notice.account.as_str(),
        "made_at": moment(notice.date),
        "repeat": notice.is_repeat,
        "text": text,
        "news": told.collect::<Vec<Value>>(),
        "more": more,
    });
    let id = notice.id.to_owned();
    Message { id, subject, body: body + &footer, json, date: notice.date }
}

/// Returns what is said of one piece of news, on one line.
pub fn sentence(news: &News) -> String {
    line(news).sentence
}

/// The text that chat services show.
fn chat(subject: &str, listed: &[Line], more: usize, is_repeat: bool) -> String {
    let mut text = subject.to_owned();
    if listed.len() > 1 || more > 0 {
        for line in listed {
            text.push_str(&format!("\n• {}", line.sentence));
        }
    }
    if more > 0 {
        text.push_str(&format!("\n… and {more} more"));
    }
    if is_repeat {
        text.push_str("\n(you may have this already)");
    }
    text
}

/// What is said of one piece of news, and the command that goes with it.
struct Line {
    sentence: String,
    command: Option<String>,
}

fn line(news: &News) -> Line {
    let person = news.person.as_ref().map(|person| shown(person.as_str()));
    let who = person.clone().unwrap_or_else(|| "somebody".to_owned());
    let job =
        news.job.as_ref().map_or_else(String::new, |job| format!("`{}`", shown(job.as_str())));
    let detail = news.detail.as_deref().map(shown).unwrap_or_default();
    let (sentence, command) = match news.kind {
        Kind::PeerAsks => (format!("{who} asks to work with you"), on("syft peer approve", &who)),
        Kind::PeerApproved => (
            format!("{who} may now work with you: approved by your rule {detail}"),
            Some("syft auto-approve list".to_owned()),
        ),
        Kind::PeerAgreed => (format!("{who} works with you now"), None),
        Kind::JobWaits => {
            (format!("{who} sent the job {job}, which waits for you"), on("syft job show", &job))
        }
        Kind::JobAllowed => (
            format!(
                "the job {job} of {who} was approved unseen, by your standing approval {detail}"
            ),
            on("syft job show", &job),
        ),
        Kind::JobEnded => {
            (format!("the job {job} of {who} is {detail}"), on("syft job show", &job))
        }
        Kind::JobAnswered => {
            (format!("your job {job} with {who} is {detail}"), on("syft job show", &job))
        }
        Kind::ResultsArrived => {
            (format!("results of your job {job} came from {who}"), on("syft job show", &job))
        }
        Kind::Problem => (
            problems::sentence(&detail, person.as_deref()),
            Some(problems::command(&detail).to_owned()),
        ),
        Kind::SignInEnds => (
            format!("the sign-in of this machine ends on {detail}; sign in again before"),
            Some("syft status".to_owned()),
        ),
        Kind::Test => ("this is a test; notices come this way".to_owned(), None),
    };
    Line { sentence, command }
}

/// A command about something, if its name can be typed as it is. The shell is told nothing that
/// somebody else wrote.
fn on(command: &str, name: &str) -> Option<String> {
    let name = name.trim_matches('`');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
    let is_plain = !name.is_empty() && !name.starts_with('-') && name.chars().all(plain);
    Some(if is_plain {
        format!("{command} {name}")
    } else {
        let (group, _) = command.rsplit_once(' ').unwrap_or((command, ""));
        format!("{group} list")
    })
}

/// What stands in the subject: the one thing, or how many of which kind.
fn subject(news: &[News], more: usize, listed: &[Line]) -> String {
    if let ([line], 0) = (listed, more) {
        return line.sentence.clone();
    }
    let mut parts = Vec::new();
    for kind in Kind::ALL {
        let count = news.iter().filter(|news| news.kind == kind).count();
        if count > 0 {
            let (one, many) = counted(kind);
            parts.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    }
    if more > 0 && news.len() <= LINES_MAX {
        parts.push(format!("{more} more"));
    }
    parts.join(", ")
}

const fn counted(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::PeerAsks => ("request to work with you", "requests to work with you"),
        Kind::PeerApproved => ("person approved by a rule", "people approved by a rule"),
        Kind::PeerAgreed => ("person agreed", "people agreed"),
        Kind::JobWaits => ("job waits for you", "jobs wait for you"),
        Kind::JobAllowed => ("job approved unseen", "jobs approved unseen"),
        Kind::JobEnded => ("job ended", "jobs ended"),
        Kind::JobAnswered => ("job answered", "jobs answered"),
        Kind::ResultsArrived => ("job with results", "jobs with results"),
        Kind::Problem => ("problem", "problems"),
        Kind::SignInEnds => ("sign-in ends", "sign-ins end"),
        Kind::Test => ("test", "tests"),
    }
}

/// A name that somebody else may have chosen, fit for a line of a mail, a chat or a terminal.
fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(NAME_CHARACTERS_MAX).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    let text = safe_line(&text);
    text.replace('`', "ʼ").replace('<', "‹").replace('>', "›")
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    let first = characters.next().map(|c| c.to_uppercase().collect::<String>());
    first.unwrap_or_default() + characters.as_str()
}

/// A moment for people and programs: `2026-11-21T12:00:00Z`.
pub(super) fn moment(timestamp: Timestamp) -> Option<String> {
    let moment = chrono::DateTime::from_timestamp_micros(timestamp.micros())?;
    Some(moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobName;
    use crate::model::shown::is_treacherous;

    const NOW: Timestamp = Timestamp::ZERO;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn waiting(job: &str) -> News {
        let job = JobName::parse(job).unwrap();
        News::new(Kind::JobWaits, NOW).about(&email("ann@uni.edu")).job(&job)
    }

    fn written(news: &[News], more: usize, is_repeat: bool) -> Message {
        let account = email("olga@lab.org");
        message(&Notice { id: "0190", account: &account, news, more, date: NOW, is_repeat })
    }

    #[test]
    fn one_piece_of_news_is_its_own_subject() {
        let one = written(&[waiting("ages")], 0, false);
        let subject = "[syft] ann@uni.edu sent the job `ages`, which waits for you";
        assert_eq!(one.subject, subject);
        let expected =
            "Ann@uni.edu sent the job `ages`, which waits for you\n    syft job show ages\n\n-- \n";
        assert!(one.body.starts_with(expected), "{}", one.body);
        assert_eq!(one.json["text"], subject);
        assert_eq!(one.json["news"][0]["kind"], "job-waits");
        assert_eq!(one.json["news"][0]["job"], "ages");
        assert_eq!(one.json["repeat"], false);
    }

    #[test]
    fn many_are_counted_and_listed_up_to_a_bound() {
        let asks = News::new(Kind::PeerAsks, NOW).about(&email("bob@x.org"));
        let some = written(&[asks.clone(), waiting("a"), waiting("b")], 0, false);
        assert_eq!(some.subject, "[syft] 1 request to work with you, 2 jobs wait for you");
        assert!(some.body.contains("syft peer approve bob@x.org\n"), "{}", some.body);
        let many = vec![asks; 1000];
        let many = written(&many, 5, true);
        assert_eq!(many.subject, "[syft] 1000 requests to work with you");
        assert!(many.body.contains("And 985 more"), "{}", many.body);
        assert!(many.body.contains("You may have this already"), "{}", many.body);
        assert_eq!(many.json["news"].as_array().unwrap().len(), LINES_MAX);
        assert_eq!((&many.json["more"], &many.json["repeat"]), (&json!(985), &json!(true)));
        assert!(many.body.len() < 4096 && many.json.to_string().len() < 8192);
    }

    #[test]
    fn what_needs_a_decision_is_not_pushed_out_by_what_others_can_send() {
        let mut news: Vec<News> =
            (0..400).map(|number| waiting(&format!("job {number}"))).collect();
        let changed =
            News::new(Kind::Problem, NOW).about(&email("eve@x.org")).detail("key-changed");
        news.push(changed);
        let told = written(&news, 0, false);
        assert!(told.body.starts_with("The keys of eve@x.org have changed"), "{}", told.body);
        assert_eq!(told.json["news"][0]["kind"], "problem");
        assert_eq!(told.json["news"][1]["job"], "job 0", "else in their order");
        assert!(told.subject.contains("1 problem"), "{}", told.subject);
    }

    #[test]
    fn a_hostile_name_steers_nothing() {
        #[rustfmt::skip]
        let names = [
            "x; rm -rf ~", "$(id)", "-rf", "`id`", "<channel> hello", "<https:evil.org@x>", "a'b\"c",
            "zero\u{ad}width", "tag\u{e0041}", "Bcc: eve@evil.org", "a @channel", "ü",
        ];
        for name in names {
            let Message { subject, body, json, .. } = written(&[waiting(name)], 0, false);
            let text = json["text"].as_str().unwrap();
            assert!(!subject.contains('\n') && !subject.chars().any(is_treacherous), "{subject}");
            for told in [&subject, &body, text] {
                assert!(!told.chars().any(|c| c != '\n' && is_treacherous(c)), "{told}");
                assert!(!told.contains(['<', '>']), "{told}");
                assert_eq!(told.matches('`').count() % 2, 0, "{told}");
            }
            assert!(body.contains("    syft job list\n"), "no command names it: {body}");
        }
        let long = written(&[waiting(&"x".repeat(128))], 0, false);
        assert!(long.subject.len() < 200, "{}", long.subject);
    }

    #[test]
    fn a_problem_is_told_in_words_of_ours() {
        let problem = |code: &str| News::new(Kind::Problem, NOW).detail(code);
        let told = |news: News| written(&[news], 0, false).subject;
        let changed = problem("key-changed").about(&email("ann@uni.edu"));
        assert!(told(changed).starts_with("[syft] the keys of ann@uni.edu have changed"));
        assert_eq!(told(problem("not-sent")), "[syft] the problem `not-sent` has lasted for hours");
        assert!(told(problem("signed-out")).contains("sign-in"));
    }

    #[test]
    fn news_are_kept_and_read_again() {
        for kind in Kind::ALL {
            let news = News { kind, ..waiting("a job").detail("done") };
            assert_eq!(News::from_json(&news.to_json()), Some(news));
        }
        let bare = News::new(Kind::Test, Timestamp::from_micros(1_780_000_000_123_456));
        assert_eq!(News::from_json(&bare.to_json()), Some(bare));
        assert_eq!(News::from_json(&json!({ "kind": "of-tomorrow", "seen_micros": 1 })), None);
    }
}
