//! The same scenarios on every host: our own with each of its stores, Spin with each of the adapter's, and whatever
//! host a script starts; `tests/interop/run` names those of `wasmtime serve` and `jco serve`.

use plausible_mcp_tests::hosts::{HostUnderTest, OurProgram, Script, SpinUp, Stage, StandInForSpin};
use plausible_mcp_tests::redis_process::RedisProcess;
use plausible_mcp_tests::scenarios::{
    self, Need, Outcome, Scenario, nobody_registers_without_records, records_outlive_a_restart,
};
use plausible_mcp_tests::site::Site;
use plausible_mcp_tests::spin::RealSpin;

#[tokio::test]
async fn our_program_with_records_in_memory() {
    let stage = Stage::new().await;
    let host = OurProgram::with_store("memory");
    let running = host.start(&stage.launch(&[])).await.expect("the host starts");
    passes(&stage.site(), scenarios::all()).await;
    drop(running);
}

#[tokio::test]
async fn our_program_with_records_in_a_file() {
    passes_and_remembers(&OurProgram::with_store("file:{state}/records.redb")).await;
}

#[tokio::test]
async fn our_program_with_records_in_redis() {
    // Where there is no Redis on this machine, it has said so.
    let Some(redis) = RedisProcess::start(&["--appendonly", "yes"]).await else { return };
    passes_and_remembers(&OurProgram::with_store(&format!("redis://{}/0", redis.address()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_for_spin_with_records_in_sqlite() {
    passes_and_remembers(&StandInForSpin::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_for_spin_with_records_in_redis() {
    let Some(redis) = RedisProcess::start(&[]).await else { return };
    passes_and_remembers(&StandInForSpin { redis: Some(redis.address()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_spin_where_there_is_one() {
    if spin_is_there() {
        passes_and_remembers(&SpinUp::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_spin_with_records_in_redis() {
    if spin_is_there() {
        let Some(redis) = RedisProcess::start(&["--appendonly", "yes"]).await else { return };
        passes_and_remembers(&SpinUp { redis: Some(redis.address()) }).await;
    }
}

#[tokio::test]
async fn the_host_of_a_script() {
    match Script::from_environment() {
        Some(script) if script.keeps_records => passes_and_remembers(&script).await,
        Some(script) => passes_what_needs_no_records(&script).await,
        None => eprintln!("skipped: HOST_SCRIPT and HOST_COMPONENT name no host"),
    }
}

fn spin_is_there() -> bool {
    let is_there = RealSpin::is_there();
    if !is_there {
        eprintln!("skipped: there is no `spin` on the PATH");
    }
    is_there
}

/// Every scenario, and then those of a deployment that is killed and started again over the same folder.
async fn passes_and_remembers(host: &dyn HostUnderTest) {
    let stage = Stage::new().await;
    let (site, launch) = (stage.site(), stage.launch(&[]));
    let mut running = Some(host.start(&launch).await.expect("the host starts"));
    passes(&site, scenarios::all()).await;
    let restart = async || {
        drop(running.take());
        running = Some(host.start(&launch).await.expect("the host starts again"));
    };
    records_outlive_a_restart(&site, restart).await;
}

/// Metadata and tools, and the word that there are no records.
async fn passes_what_needs_no_records(host: &dyn HostUnderTest) {
    let stage = Stage::new().await;
    let running = host.start(&stage.launch(&[])).await.expect("the host starts");
    let mut scenarios = scenarios::all();
    scenarios.retain(|scenario| matches!(scenario.need, Need::Nothing | Need::PlausibleKey | Need::SignIn));
    passes(&stage.site(), scenarios).await;
    nobody_registers_without_records(&stage.site()).await;
    drop(running);
}

/// None may fail, and none may be skipped.
async fn passes(site: &Site, scenarios: Vec<Scenario>) {
    let mut wrong = Vec::new();
    for scenario in scenarios {
        match scenario.run(site, true).await {
            Outcome::Passed => {}
            other => wrong.push(format!("{}: {other:?}", scenario.name)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
