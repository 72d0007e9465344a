//! What a hostile job tries, and what comes of it: the attack suite.
//!
//! A table in each file, one row for each attack: its name, what it would gain, its code, how it is
//! noticed. Each runs twice, by the same steps as any job: without the sandbox it has to succeed, so
//! that the suite can fail; in the sandbox it must not. Some need something of the machine that not
//! every machine has (a right, an old interface); where such an attack fails without the sandbox
//! too, the run says so by name. Nothing here harms the machine that it runs on: attacks touch files
//! of the test's own folder, processes and sockets of the test, and amounts that are small.
//!
//! `docs/SECURITY.md` has the figures, which `the_table` compares.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod data;
mod installed;
mod kernel;
mod leaving;
mod lingering;
mod network;
mod scene;
mod suite;
mod using;
#[path = "../jobs/world.rs"]
#[expect(dead_code, reason = "it serves other tests too")]
mod world;

use suite::{Alone, Attack, try_all};

/// Every table of this suite.
const TABLES: [&[Attack]; 6] = [
    data::ATTACKS,
    network::ATTACKS,
    kernel::ATTACKS,
    using::ATTACKS,
    lingering::ATTACKS,
    leaving::ATTACKS,
];

#[tokio::test(flavor = "multi_thread")]
async fn w9_data_of_others_is_out_of_reach() {
    try_all("data", data::ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w9_nothing_leaves_by_a_socket() {
    try_all("network", network::ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w9_the_kernel_does_nothing_that_a_job_never_needs() {
    try_all("kernel", kernel::ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w9_a_job_uses_up_no_more_than_it_may() {
    try_all("using up", using::ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w9_w33_nothing_of_a_job_stays_when_it_ended() {
    try_all("lingering", lingering::ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w8_nothing_but_plain_files_is_left() {
    try_all("leaving", leaving::ATTACKS).await;
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are to be seen")]
fn the_table() {
    let rows: Vec<_> = TABLES.into_iter().flatten().collect();
    let names: std::collections::BTreeSet<_> = rows.iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), rows.len(), "two attacks have one name");
    let always = rows.iter().filter(|attack| matches!(attack.alone, Alone::Succeeds)).count();
    let total = rows.len() + installed::ATTACKS;
    let always = always + installed::ATTACKS;
    println!("{total} attacks; {always} succeed anywhere without the sandbox");
    assert!(always >= 40, "{always} attacks succeed on any machine without the sandbox");
    let security = include_str!("../../docs/SECURITY.md");
    for figure in [format!("**{total} attacks**"), format!("{always} of them succeed")] {
        assert!(security.contains(&figure), "docs/SECURITY.md has other figures than: {figure}");
    }
    for attack in rows {
        assert!(!attack.gain.is_empty() && !attack.code.is_empty(), "{}", attack.name);
        if let Alone::Sometimes(reason) = attack.alone {
            assert!(!reason.is_empty(), "{}", attack.name);
        }
    }
}
