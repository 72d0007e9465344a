//! Many clients at once, each with a mix of what `syft` asks a drive.

use std::time::{Duration, Instant};

use rand::Rng as _;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    Failure, Wishes,
    asking::{Kind, MIX, Visitor},
    client::Client,
    figures::{self, Figure},
    fill::Folder,
    serving::{Server, Spent},
};

/// Lets the clients loose at each rate that was wished for, and prints what was seen.
pub(crate) async fn all(
    server: &Server,
    wishes: &Wishes,
    folders: &[Folder],
) -> Result<(), Failure> {
    if folders.len() < wishes.accounts {
        return Err("there is no folder for each account".into());
    }
    for &rate in &wishes.rates {
        let before = server.spent();
        let storm = storm(&server.url, wishes, folders, rate).await?;
        let spent = Spent::line(before, server.spent());
        if wishes.json {
            let rows: Vec<_> = storm.figures.iter().map(Figure::json).collect();
            let storm = json!({"rate": rate, "clients": wishes.clients, "figures": rows,
                               "complaint": storm.complaint, "spent": spent});
            println!("{storm}");
            continue;
        }
        let wanted = if rate == 0 { "as fast as it goes".into() } else { format!("{rate}/s") };
        println!("\n{} clients, {wanted}; {spent}\n\n{}", wishes.clients, figures::HEAD);
        storm.figures.iter().for_each(|figure| println!("{figure}"));
        if let Some(complaint) = storm.complaint {
            println!("\nThe first failure: {complaint}");
        }
    }
    Ok(())
}

/// What one storm has shown.
struct Storm {
    /// A row for each kind, and one for all.
    figures: Vec<Figure>,
    complaint: Option<String>,
}

type Times = Vec<(Kind, Option<Duration>)>;

async fn storm(
    url: &str,
    wishes: &Wishes,
    folders: &[Folder],
    rate: u64,
) -> Result<Storm, Failure> {
    let only = wishes.only.as_ref().map(|wanted| {
        let fits = |kind: &Kind| kind.name().contains(wanted.as_str());
        MIX.iter().map(|(kind, _)| *kind).find(fits).ok_or_else(|| format!("no kind {wanted}"))
    });
    let only = only.transpose()?;
    let mut visitors = Vec::new();
    for number in 0..wishes.clients {
        let account = number % wishes.accounts;
        let own: Vec<Folder> =
            folders.iter().filter(|folder| folder.account == account).cloned().collect();
        let client = Client::new(url, &super::token(account));
        let mut visitor = Visitor::new(client, own.into(), wishes.folder_files, number);
        visitor.arrive().await?;
        visitors.push(visitor);
    }
    let started = Instant::now() + Duration::from_millis(50);
    let until = started + Duration::from_secs(wishes.seconds);
    // All clients together keep the rate.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let pause = (rate > 0).then(|| wishes.clients as f64 / rate as f64);
    let mut storm = JoinSet::new();
    for visitor in visitors {
        storm.spawn(visit(visitor, only, started, until, pause));
    }
    let (mut seen, mut complaint) = (Vec::new(), None);
    while let Some(done) = storm.join_next().await {
        let (times, first) = done?;
        seen.extend(times);
        complaint = complaint.or(first);
    }
    let over = started.elapsed();
    let kinds =
        MIX.iter().map(|(kind, _)| *kind).filter(|kind| only.is_none_or(|only| only == *kind));
    let mut figures: Vec<Figure> =
        kinds.map(|kind| figure(kind.name(), &seen, |one| one == kind, over)).collect();
    figures.push(figure("all", &seen, |_| true, over));
    Ok(Storm { figures, complaint })
}

fn figure(
    name: &'static str,
    seen: &Times,
    wanted: impl Fn(Kind) -> bool,
    over: Duration,
) -> Figure {
    let all = || seen.iter().filter(|(kind, _)| wanted(*kind));
    let times = all().filter_map(|(_, time)| *time).collect();
    let failed = all().filter(|(_, time)| time.is_none()).count();
    Figure::new(name, times, failed, over)
}

async fn visit(
    mut visitor: Visitor,
    only: Option<Kind>,
    started: Instant,
    until: Instant,
    pause: Option<f64>,
) -> (Times, Option<String>) {
    let (mut seen, mut complaint) = (Vec::new(), None);
    let mut due = started;
    loop {
        // The times between visits of people who know nothing of each other.
        due = match pause {
            Some(pause) => {
                let chance: f64 = visitor.chance.random_range(f64::EPSILON..1.0);
                due + Duration::from_secs_f64(-chance.ln() * pause)
            }
            None => Instant::now().max(started),
        };
        // Nobody waits for ever: what a storm did not do in twice its time is not done.
        if due >= until || Instant::now() >= until + (until - started) {
            return (seen, complaint);
        }
        tokio::time::sleep_until(due.into()).await;
        let kind = visitor.draw(only);
        match visitor.ask(kind).await {
            Ok(()) => seen.push((kind, Some(due.elapsed()))),
            Err(error) => {
                seen.push((kind, None));
                complaint.get_or_insert(format!("{}: {error}", kind.name()));
            }
        }
    }
}
