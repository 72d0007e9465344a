//! Answers that lack an MD5: it is learnt, and the same is asked again (`store::sums`).

use rusqlite::Connection;

use super::{App, resources::Parts};
use crate::store::{Error, Result, Store, Txn, sums::Patience};

/// Reads what is told of files, of which something may have to be learnt before.
pub(crate) async fn read<T: Send + 'static>(
    app: &App,
    patience: Patience,
    wanted: Parts,
    work: impl FnOnce(&Connection, Parts) -> Result<T> + Clone + Send + 'static,
) -> Result<T> {
    let once = |wanted: Parts| {
        let work = work.clone();
        app.store.read(move |c| work(c, wanted))
    };
    again(&app.store, patience, wanted, once).await
}

/// Changes a file and reads what is told of it. What lacks something changes nothing: it is done
/// again.
pub(crate) async fn write<T: Send + 'static>(
    app: &App,
    wanted: Parts,
    work: impl FnOnce(&mut Txn<'_>, Parts) -> Result<T> + Clone + Send + 'static,
) -> Result<T> {
    let once = |wanted: Parts| {
        let work = work.clone();
        app.store.write(move |txn| work(txn, wanted))
    };
    again(&app.store, Patience::of_one(), wanted, once).await
}

async fn again<T, Once: Future<Output = Result<T>>>(
    store: &Store,
    mut patience: Patience,
    wanted: Parts,
    once: impl Fn(Parts) -> Once,
) -> Result<T> {
    loop {
        let lacking = match once(wanted.clone()).await {
            Err(Error::Lacks(lacking)) => lacking,
            done => return done,
        };
        if !store.learn(lacking, &mut patience).await? {
            return once(wanted.leaving_out()).await;
        }
    }
}
