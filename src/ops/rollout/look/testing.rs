//! Small ports under a clock of the test's, for the tests of looking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::fleet::Place;
use crate::domain::ids::Digest;
use crate::domain::plan::Desired;
use crate::domain::rollout::change::{Before, CellChange, Earlier};
use crate::domain::rollout::gate::{Check, Gate};
use crate::domain::rollout::{RolloutId, Wave};
use crate::domain::stack::{StackDetail, StackEvent, StackResource, StackStatus, StackSummary};
use crate::ports::rollout::{Alarm, Depth, NoAnswer, Probes, Ran, Series, Signals};
use crate::ports::{
    CallError, CallErrorKind, Called, ChangeSetState, Clock, DriftState, DriftedResource, StackRequest, Stacks,
};

use super::{Looker, Ports, Watched};

/// A moment in which the wave was changed: a whole minute.
pub(super) const SINCE_MS: i64 = 60_000_000;

/// What there is, and what was asked.
#[derive(Default)]
pub(super) struct There {
    /// Status and time of the last operation of each stack.
    pub(super) stacks: BTreeMap<String, (&'static str, i64)>,
    /// Alarms of each stack.
    pub(super) alarms_of: BTreeMap<String, Vec<&'static str>>,
    /// States of alarms.
    pub(super) alarms: BTreeMap<&'static str, &'static str>,
    /// Messages in queues.
    pub(super) queues: BTreeMap<String, u64>,
    /// Data points by the first dimension.
    pub(super) points: BTreeMap<String, Vec<f64>>,
    /// Statuses of addresses; one that is not there hangs.
    pub(super) addresses: BTreeMap<String, u16>,
    /// How commands end, by their last argument; one that is not there hangs.
    pub(super) commands: BTreeMap<String, Ran>,
    /// Names of all calls.
    pub(super) calls: Vec<String>,
    /// What commands were given.
    pub(super) environments: Vec<BTreeMap<String, String>>,
    /// Calls that hang.
    pub(super) hanging: BTreeSet<&'static str>,
    /// Whether every second call fails.
    pub(super) half_fails: bool,
    /// Time of metrics that was asked for.
    pub(super) spans: Vec<(i64, i64)>,
}

/// The ports.
pub(super) struct World {
    there: Mutex<There>,
    began: tokio::time::Instant,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            there: Mutex::default(),
            began: tokio::time::Instant::now(),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, There> {
        self.there.lock().expect("no test panics with it")
    }

    /// Calls and probes under way at once, at the most.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes 10 ms; what hangs does not come back.
    async fn begin(&self, name: &'static str, of: &str) -> Called<()> {
        let (hangs, fails) = {
            let mut there = self.lock();
            there.calls.push(format!("{name} {of}"));
            (there.hanging.contains(name), there.half_fails && there.calls.len().is_multiple_of(2))
        };
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let _left = Left(&self.under_way);
        tokio::time::sleep(Duration::from_millis(10)).await;
        if hangs {
            std::future::pending::<()>().await;
        }
        if fails { Err(error(CallErrorKind::Throttled)) } else { Ok(()) }
    }
}

/// A call that is over, or was dropped.
struct Left<'a>(&'a AtomicUsize);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn error(kind: CallErrorKind) -> CallError {
    CallError { kind, operation: "a:Call", subject: "a thing".to_owned(), message: "slow down".to_owned() }
}

fn place() -> Place {
    Place { region: "eu-central-1".parse().expect("valid"), account: None, role_arn: None }
}

/// A cell with a queue and its dead-letter queue.
pub(super) fn cell(name: &str) -> CellChange {
    let queue = |end: &str| format!("shop-{name}-orders{end}");
    let desired = Desired {
        cell: name.parse().expect("valid"),
        cell_type: "shared".to_owned(),
        template_name: "serverless".to_owned(),
        stack: format!("shop-{name}").parse().expect("valid"),
        place: place(),
        digest: Digest::of(name.as_bytes()),
        template: Digest::of(b"x"),
        parameters: BTreeMap::new(),
        tags: BTreeMap::new(),
        capabilities: Vec::new(),
        artifacts: Vec::new(),
        tables: Vec::new(),
        queues: vec![queue(""), queue("-dead-letters")],
    };
    CellChange { desired, tenants: 1, is_new: false, allowed: BTreeSet::new() }
}

/// What a cell was.
pub(super) fn earlier(name: &str, dead_letters: u64) -> Earlier {
    Earlier {
        cell: name.parse().expect("valid"),
        stack: format!("shop-{name}").parse().expect("valid"),
        stack_id: "arn".to_owned(),
        applied: None,
        template: Digest::of(b"old"),
        parameters: BTreeMap::new(),
        hidden: BTreeSet::new(),
        tags: BTreeMap::new(),
        dead_letters: BTreeMap::from([(format!("shop-{name}-orders-dead-letters"), dead_letters)]),
    }
}

pub(super) fn wave(checks: Vec<(&str, Check)>) -> Wave {
    let gates = checks.into_iter().map(|(name, check)| Gate { name: name.to_owned(), fail_after: 1, check });
    Wave {
        name: "canary".to_owned(),
        cells: 1,
        tenants: 1,
        bake_ms: 600_000,
        gates: gates.collect(),
        max_in_flight: None,
        max_failures: 0,
        approval: false,
    }
}

/// A looker at some cells, with others of the old version.
pub(super) fn looker(world: &Arc<World>, cells: Vec<CellChange>, controls: Vec<CellChange>, before: Before) -> Looker {
    let ports = Ports { stacks: world.clone(), signals: world.clone(), probes: world.clone(), clock: world.clone() };
    Looker::over(ports, Watched { rollout: RolloutId(12), cells, controls, before, since_ms: SINCE_MS })
}

#[async_trait]
impl Clock for World {
    fn now_ms(&self) -> i64 {
        SINCE_MS + 630_000 + i64::try_from(self.monotonic_ms()).expect("small")
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("small")
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> f64 {
        0.5
    }
}

#[async_trait]
impl Signals for World {
    async fn alarms(&self, _: &Place, names: &[String]) -> Called<Vec<Alarm>> {
        self.begin("alarms", &names.len().to_string()).await?;
        let there = self.lock();
        let found = names.iter().filter_map(|name| there.alarms.get(name.as_str()).map(|state| (name, state)));
        Ok(found.map(|(name, state)| Alarm { name: name.clone(), state: (*state).to_owned(), reason: None }).collect())
    }

    async fn points(&self, _: &Place, series: &[Series], from_ms: i64, to_ms: i64) -> Called<Vec<Vec<f64>>> {
        self.begin("points", &series.len().to_string()).await?;
        let mut there = self.lock();
        there.spans.push((from_ms, to_ms));
        let of = |one: &Series| there.points.get(&one.metric.dimensions[0].1).cloned().unwrap_or_default();
        Ok(series.iter().map(of).collect())
    }

    async fn depth(&self, _: &Place, queue: &str) -> Called<Option<Depth>> {
        self.begin("depth", queue).await?;
        Ok(self.lock().queues.get(queue).map(|messages| Depth { messages: *messages }))
    }
}

#[async_trait]
impl Probes for World {
    async fn run(
        &self,
        program: &[String],
        environment: &BTreeMap<String, String>,
        _: Duration,
    ) -> Result<Ran, NoAnswer> {
        let last = program.last().expect("a word").clone();
        self.begin("run", &last).await.map_err(|error| NoAnswer::Failed(error.to_string()))?;
        let ran = self.lock().commands.get(&last).cloned();
        self.lock().environments.push(environment.clone());
        match ran {
            Some(ran) => Ok(ran),
            None => std::future::pending().await,
        }
    }

    async fn get(&self, url: &str, _: Duration) -> Result<u16, NoAnswer> {
        self.begin("get", url).await.map_err(|error| NoAnswer::Failed(error.to_string()))?;
        let status = self.lock().addresses.get(url).copied();
        match status {
            Some(status) => Ok(status),
            None => std::future::pending().await,
        }
    }
}

fn summary(name: &str, (status, changed_at_ms): (&str, i64)) -> StackSummary {
    StackSummary {
        name: name.parse().expect("valid"),
        id: format!("arn:{name}"),
        status: StackStatus::new(status),
        reason: None,
        changed_at_ms,
    }
}

/// Looking does nothing but look.
fn not_for_a_look<T>() -> Called<T> {
    Err(error(CallErrorKind::Denied))
}

#[async_trait]
impl Stacks for World {
    async fn list(&self, _: &Place) -> Called<Vec<StackSummary>> {
        self.begin("list", "").await?;
        Ok(self.lock().stacks.iter().map(|(name, stack)| summary(name, *stack)).collect())
    }

    async fn describe(&self, _: &Place, stack: &str) -> Called<Option<StackDetail>> {
        self.begin("describe", stack).await?;
        let found = self.lock().stacks.get(stack).map(|found| summary(stack, *found));
        Ok(found.map(|summary| StackDetail {
            summary,
            tags: BTreeMap::new(),
            outputs: BTreeMap::new(),
            parameters: BTreeMap::new(),
            protected: true,
        }))
    }

    async fn resources(&self, _: &Place, stack: &str) -> Called<Vec<StackResource>> {
        self.begin("resources", stack).await?;
        let there = self.lock();
        let alarms = there.alarms_of.get(stack).into_iter().flatten();
        let resource = |physical_id: &str, resource_type: &str| StackResource {
            logical_id: physical_id.to_owned(),
            physical_id: physical_id.to_owned(),
            resource_type: resource_type.to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
        };
        let mut found: Vec<_> = alarms.map(|name| resource(name, "AWS::CloudWatch::Alarm")).collect();
        found.push(resource("orders", "AWS::SQS::Queue"));
        Ok(found)
    }

    async fn template(&self, _: &Place, _: &str) -> Called<String> {
        not_for_a_look()
    }

    async fn create(&self, _: &Place, _: &StackRequest) -> Called<String> {
        not_for_a_look()
    }

    async fn create_change_set(&self, _: &Place, _: &str, _: &str, _: &StackRequest) -> Called<()> {
        not_for_a_look()
    }

    async fn change_set(&self, _: &Place, _: &str, _: &str) -> Called<ChangeSetState> {
        not_for_a_look()
    }

    async fn execute_change_set(&self, _: &Place, _: &str, _: &str, _: &str) -> Called<()> {
        not_for_a_look()
    }

    async fn delete_change_set(&self, _: &Place, _: &str, _: &str) -> Called<()> {
        not_for_a_look()
    }

    async fn events(&self, _: &Place, _: &str, _: i64) -> Called<Vec<StackEvent>> {
        not_for_a_look()
    }

    async fn delete(&self, _: &Place, _: &str, _: &[String], _: &str) -> Called<()> {
        not_for_a_look()
    }

    async fn continue_rollback(&self, _: &Place, _: &str, _: &[String], _: &str) -> Called<()> {
        not_for_a_look()
    }

    async fn rollback(&self, _: &Place, _: &str, _: &str) -> Called<()> {
        not_for_a_look()
    }

    async fn protect(&self, _: &Place, _: &str, _: bool) -> Called<()> {
        not_for_a_look()
    }

    async fn detect_drift(&self, _: &Place, _: &str) -> Called<String> {
        not_for_a_look()
    }

    async fn drift_state(&self, _: &Place, _: &str) -> Called<DriftState> {
        not_for_a_look()
    }

    async fn drifted(&self, _: &Place, _: &str) -> Called<Vec<DriftedResource>> {
        not_for_a_look()
    }
}
