//! What the simulation found, each as short as it can be told.

use syft::connections::faulty::{Fault, unavailable};
use syft::syncers::DatasiteOwnerSyncer;

use super::world::World;

/// The answer to the creation of a file was lost, so its id stayed reserved; the file was found and
/// deleted, and from then on that id was neither free nor anybody's.
#[tokio::test]
async fn a_rolling_state_of_which_nobody_was_told_and_that_is_deleted_is_made_anew() {
    let world = World::new();
    let (owner, _scientist) = world.pair().await;
    owner.put("a.txt", "one");
    let is_rolling = |name: &str| name.starts_with("rolling_state");
    owner.script.when(1, Fault::after(unavailable), move |call| {
        call.method == "create_file" && is_rolling(&call.subject)
    });
    let report = owner.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    DatasiteOwnerSyncer::new(owner.account()).create_checkpoint(world.now()).await.unwrap();
    owner.put("a.txt", "two");
    owner.sync().await;
}
