//! The same scenarios on every host: our own with each of its stores.

use plausible_mcp_tests::hosts::{HostUnderTest, OurProgram, Stage};
use plausible_mcp_tests::scenarios::{self, Outcome, records_outlive_a_restart};
use plausible_mcp_tests::site::Site;

#[tokio::test]
async fn our_program_with_records_in_memory() {
    let stage = Stage::new().await;
    let host = OurProgram::with_store("memory");
    let running = host.start(&stage.launch(&[])).await.expect("the host starts");
    passes_every_scenario(&stage.site()).await;
    drop(running);
}

#[tokio::test]
async fn our_program_with_records_in_a_file() {
    passes_and_remembers(&OurProgram::with_store("file:{state}/records.redb")).await;
}

/// Every scenario, and then those of a deployment that is killed and started again over the same folder.
async fn passes_and_remembers(host: &dyn HostUnderTest) {
    let stage = Stage::new().await;
    let (site, launch) = (stage.site(), stage.launch(&[]));
    let mut running = Some(host.start(&launch).await.expect("the host starts"));
    passes_every_scenario(&site).await;
    let restart = async || {
        drop(running.take());
        running = Some(host.start(&launch).await.expect("the host starts again"));
    };
    records_outlive_a_restart(&site, restart).await;
}

/// None may fail, and none may be skipped.
async fn passes_every_scenario(site: &Site) {
    let mut wrong = Vec::new();
    for scenario in scenarios::all() {
        match scenario.run(site, true).await {
            Outcome::Passed => {}
            other => wrong.push(format!("{}: {other:?}", scenario.name)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
