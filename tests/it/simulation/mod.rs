//! The real apply over an in-memory world: one fault at every call in turn, then the command again until it is done.
//!
//! What must hold, wherever the fault strikes: each stack is made once, each change is executed once, the fleet ends as
//! it is defined, and a further run finds nothing to do.

mod audit;
mod import;
mod moves;
mod moving;
mod rollouts;
mod shards;
mod snapshot;
mod tenants;
mod verify;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cellctl::domain::audit::Actor;
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::{CellId, Digest};
use cellctl::domain::plan::{Desired, Plan, file};
use cellctl::ops::apply::{ApplyReport, Concurrency, Options, apply};
use cellctl::ops::lease::{Claim, HeldLease};
use cellctl::ops::plan::{Request, plan};
use cellctl::ops::{ErrorKind, OpError};
use cellctl::ports::JournalEntry;
use tokio::sync::watch;
use world::{Fault, Sim, stack_of};

const CELLS: [&str; 3] = ["cell-1", "cell-2", "cell-3"];
/// Runs until an apply that was struck once must be done.
const RUNS_MAX: usize = 4;

fn desired(cell: &str, version: u32) -> (Desired, Arc<str>) {
    let cell: CellId = cell.parse().expect("valid");
    let body: Arc<str> = format!("Resources: {{ V{version}: {{ Type: T }} }}").into();
    let template = Digest::of(body.as_bytes());
    let tags = BTreeMap::from([
        ("cellctl:fleet".to_owned(), "shop".to_owned()),
        ("cellctl:cell".to_owned(), cell.to_string()),
    ]);
    let desired = Desired {
        cell_type: "shared".to_owned(),
        template_name: "plain".to_owned(),
        stack: stack_of(&cell),
        place: Place { region: "eu-central-1".parse().expect("valid"), account: None, role_arn: None },
        digest: Digest::of_parts([template.as_str().as_bytes(), cell.as_str().as_bytes()]),
        template,
        parameters: BTreeMap::new(),
        tags,
        capabilities: Vec::new(),
        artifacts: Vec::new(),
        tables: vec![format!("shop-{cell}-orders")],
        queues: Vec::new(),
        cell,
    };
    (desired, body)
}

fn request(version: u32) -> Request {
    let (desired, bodies): (Vec<Desired>, Vec<Arc<str>>) = CELLS.iter().map(|cell| desired(cell, version)).unzip();
    Request {
        fleet: "shop".to_owned(),
        selection: None,
        defined: desired.iter().map(|d| d.cell.clone()).collect(),
        bodies: bodies.into_iter().map(|b| (Digest::of(b.as_bytes()), b)).collect(),
        desired,
        allowed: BTreeSet::new(),
    }
}

fn options() -> Options {
    Options {
        concurrency: Concurrency::Fixed(2),
        failures_max: 0,
        bucket_prefix: "cellctl-shop".to_owned(),
        claim: claim("sim"),
        stop: watch::channel(false).1,
        during_rollout: false,
    }
}

async fn planned(sim: &Sim, version: u32) -> Result<(Plan, Digest), OpError> {
    let plan = plan(&sim.world(), request(version)).await?;
    let (_, digest) = file::write(&plan).expect("a plan can be written");
    Ok((plan, digest))
}

/// What `cellctl apply` does.
async fn run(sim: &Sim, version: u32) -> Result<ApplyReport, OpError> {
    let (plan, digest) = planned(sim, version).await?;
    apply(&sim.world(), &plan, &digest, &options()).await
}

/// Runs until it succeeds or dies; none when it died.
async fn until_crash<T>(sim: &Sim, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        outcome = work => Some(outcome),
        () = sim.crash() => None,
    }
}

/// The command again and again, each time after the lease of a dead holder has run out, until nothing is left to do.
async fn finish(sim: &Sim, version: u32, struck: &str) {
    for _ in 0..RUNS_MAX {
        tokio::time::sleep(Duration::from_mins(10)).await;
        let report = run(&sim.healthy(), version).await.unwrap_or_else(|error| panic!("{struck}: {error}"));
        if report.exit_code() == 0 && report.cells.is_empty() {
            return;
        }
    }
    panic!("{struck}: not done after {RUNS_MAX} runs");
}

fn check(sim: &Sim, version: u32, updates: usize, struck: &str) {
    for cell in CELLS {
        let stack = format!("shop-{cell}");
        assert_eq!(sim.creates().get(&stack), Some(&1), "{struck}: {stack} was not made exactly once");
        assert_eq!(sim.executes().get(&stack).copied().unwrap_or(0), updates, "{struck}: changes of {stack}");
        assert!(sim.contents()[&stack].contains(&format!("V{version}")), "{struck}: {stack} holds something else");
    }
}

/// Number of calls that an undisturbed run makes.
async fn calls_of_a_run(version: u32, before: Option<u32>) -> usize {
    let sim = Sim::new();
    if let Some(before) = before {
        run(&sim, before).await.expect("first");
    }
    let calls = sim.calls();
    assert_eq!(run(&sim, version).await.expect("second").exit_code(), 0);
    sim.calls() - calls
}

/// Strikes every call of a create, or of an update, with every fault.
async fn strike_everywhere(before: Option<u32>, version: u32) -> usize {
    let updates = usize::from(before.is_some());
    let mut schedules = 0;
    for nth in 1..=calls_of_a_run(version, before).await {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::LostAnswer] {
            let struck = format!("{fault:?} at call {nth}");
            let sim = Sim::new();
            if let Some(before) = before {
                run(&sim, before).await.expect("the first version");
            }
            let faulty = sim.with_fault(nth, fault);
            let outcome = until_crash(&faulty, run(&faulty, version)).await;
            if let Some(Ok(report)) = &outcome
                && report.exit_code() == 0
            {
                check(&sim, version, updates, &format!("{struck}, said to be done"));
            }
            finish(&sim, version, &struck).await;
            check(&sim, version, updates, &struck);
            schedules += 1;
        }
    }
    schedules
}

#[tokio::test(start_paused = true)]
async fn a_create_survives_every_fault_at_every_call() {
    let schedules = strike_everywhere(None, 1).await;
    assert!(schedules > 100, "{schedules}");
}

#[tokio::test(start_paused = true)]
async fn an_update_survives_every_fault_at_every_call() {
    let schedules = strike_everywhere(Some(1), 2).await;
    assert!(schedules > 100, "{schedules}");
}

#[tokio::test(start_paused = true)]
async fn a_stored_plan_is_resumed_after_a_crash_at_every_call() {
    let sim = Sim::new();
    run(&sim, 1).await.expect("the first version");
    let (plan, digest) = planned(&sim, 2).await.expect("a plan");
    let calls = sim.calls();
    apply(&sim.world(), &plan, &digest, &options()).await.expect("undisturbed");
    let calls = sim.calls() - calls;
    for nth in 1..=calls {
        let sim = Sim::new();
        run(&sim, 1).await.expect("the first version");
        let (plan, digest) = planned(&sim, 2).await.expect("a plan");
        let faulty = sim.with_fault(nth, Fault::CrashAfter);
        until_crash(&faulty, apply(&faulty.world(), &plan, &digest, &options())).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        let struck = format!("crash after call {nth}");
        let report = apply(&sim.world(), &plan, &digest, &options()).await.unwrap_or_else(|e| panic!("{struck}: {e}"));
        assert_eq!(report.exit_code(), 0, "{struck}: {report:?}");
        check(&sim, 2, 1, &struck);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_plan_does_not_undo_what_another_plan_has_done_since() {
    let sim = Sim::new();
    run(&sim, 1).await.expect("the first version");
    let (plan, digest) = planned(&sim, 2).await.expect("a plan");
    apply(&sim.world(), &plan, &digest, &options()).await.expect("applied");
    run(&sim, 3).await.expect("a later version");
    let refused = apply(&sim.world(), &plan, &digest, &options()).await.expect_err("stale");
    assert_eq!(refused.kind, ErrorKind::Stale);
    assert!(sim.contents().values().all(|content| content.contains("V3")));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_makes_a_plan_stale_and_a_new_one_mends_it() {
    let sim = Sim::new();
    run(&sim, 1).await.expect("the first version");
    let (plan, digest) = planned(&sim, 2).await.expect("a plan");
    tokio::time::sleep(Duration::from_mins(2)).await;
    sim.meddle("shop-cell-2");
    tokio::time::sleep(Duration::from_mins(2)).await;
    let refused = apply(&sim.world(), &plan, &digest, &options()).await.expect_err("stale");
    assert_eq!(refused.kind, ErrorKind::Stale);
    assert!(refused.message.contains("cell-2"), "{}", refused.message);
    assert!(sim.executes().is_empty(), "nothing was begun");
    let report = run(&sim, 1).await.expect("a new plan");
    assert_eq!((report.exit_code(), report.cells.len()), (0, 1), "{report:?}");
    assert!(!sim.contents()["shop-cell-2"].contains("meddled"));
}

#[tokio::test(start_paused = true)]
async fn of_two_applies_at_once_one_is_locked_out_and_no_stack_is_made_twice() {
    let sim = Sim::new();
    let (first, second) = tokio::join!(run(&sim, 1), run(&sim, 1));
    let outcomes = [first, second];
    let locked = outcomes.iter().filter(|o| matches!(o, Err(e) if e.kind == ErrorKind::Locked)).count();
    let done = outcomes.iter().filter(|o| matches!(o, Ok(r) if r.exit_code() == 0)).count();
    assert_eq!((locked, done), (1, 1), "{outcomes:?}");
    check(&sim, 1, 0, "two at once");
}

fn claim(holder: &str) -> Claim {
    let identity = "arn:aws:iam::111122223333:user/sim".to_owned();
    Claim { actor: Actor { identity, user: holder.to_owned(), ci_url: None }, purpose: "a test".to_owned() }
}

async fn take(sim: &Sim, holder: &str) -> Result<HeldLease, OpError> {
    let world = sim.world();
    HeldLease::take(world.control, world.clock, &claim(holder)).await
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_ahead_robs_no_living_holder() {
    let sim = Sim::new();
    let held = take(&sim, "slow clock").await.expect("free");
    for ahead_ms in [61_000, 120_000, 299_000] {
        let refused = take(&sim.ahead(ahead_ms), "fast clock").await.err().expect("held");
        assert_eq!(refused.kind, ErrorKind::Locked, "{ahead_ms}");
        assert!(!held.is_lost(), "{ahead_ms}");
    }
    held.release().await.expect("given back");
    take(&sim.ahead(120_000), "fast clock").await.expect("free again");
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_dead_holder_is_taken_over_and_its_token_counts_no_more() {
    let sim = Sim::new();
    let dead = take(&sim, "dead").await.expect("free");
    let old = dead.lease().clone();
    drop(dead);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(take(&sim, "early").await.err().map(|e| e.kind), Some(ErrorKind::Locked));
    tokio::time::sleep(Duration::from_secs(31)).await;
    let next = take(&sim, "next").await.expect("taken over");
    assert!(next.lease().token > old.token);
    let entry = JournalEntry { seq: 1, at_ms: 0, event: "late".to_owned(), body: serde_json::Value::Null };
    assert!(sim.world().control.append("journal", &entry, &old).await.is_err());
    assert!(sim.world().control.append("journal", &entry, next.lease()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_holder_who_cannot_renew_counts_its_lease_as_lost_in_time() {
    let sim = Sim::new();
    let held = take(&sim, "cut off").await.expect("free");
    sim.cut_off(true);
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert!(!held.is_lost(), "the lease still runs");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(held.is_lost());
    sim.cut_off(false);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!held.is_lost(), "nobody else took it, and it was renewed");
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_another_account_is_refused() {
    let sim = Sim::new();
    let (mut plan, digest) = planned(&sim, 1).await.expect("a plan");
    plan.accounts.as_mut().expect("online").values_mut().for_each(|account| *account = "999988887777".to_owned());
    let refused = apply(&sim.world(), &plan, &digest, &options()).await.expect_err("refused");
    assert_eq!(refused.kind, ErrorKind::Refused);
    assert!(sim.creates().is_empty());
}
