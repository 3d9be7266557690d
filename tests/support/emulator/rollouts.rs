//! The control table of a fleet, and the program's adapter of rollouts over it.

use std::sync::Arc;

use cellctl::aws::call::Caller;
use cellctl::aws::clients::{Clients, Target};
use cellctl::aws::rollout::{AwsSignals, RolloutTable};
use cellctl::domain::definition::Rollback;
use cellctl::domain::fleet::control_table;
use cellctl::domain::ids::Digest;
use cellctl::domain::lock::Lease;
use cellctl::domain::rollout::event::{Entry, Event};
use cellctl::domain::rollout::machine::Stage;
use cellctl::domain::rollout::{Plan, ROLLOUT_FORMAT, RolloutId};
use cellctl::ports::moves::Appended;
use cellctl::ports::rollout::{Rollouts, Summary};
use cellctl::wire::SystemClock;

use super::aws::Aws;
use super::proxy::Proxy;
use super::tables::{LOCAL_KEY, Tables};

/// A fleet in which changes can be rolled out.
pub(crate) struct Rolling {
    /// Its control state.
    pub(crate) tables: Tables,
    /// Past the adapters.
    pub(crate) aws: Aws,
    /// The adapter.
    pub(crate) rollouts: RolloutTable,
}

impl Rolling {
    /// Makes the control stack of a fleet. `test` is unique in the suite.
    pub(crate) async fn make(test: &str) -> Self {
        let tables = Tables::make(test).await;
        let aws = Aws::new(&tables.url, LOCAL_KEY);
        let rollouts = adapter(&tables, &tables.url);
        Self { tables, aws, rollouts }
    }

    /// Another adapter, as another machine has it.
    pub(crate) fn again(&self) -> RolloutTable {
        adapter(&self.tables, &self.tables.url)
    }

    /// An adapter through a proxy.
    pub(crate) fn through(&self, proxy: &Proxy) -> RolloutTable {
        adapter(&self.tables, &proxy.url())
    }

    /// Name of the control table.
    pub(crate) fn table(&self) -> String {
        control_table(&self.tables.fleet)
    }

    /// A rollout whose lease is held; it is not begun yet.
    pub(crate) async fn held(&self, number: u64) -> (RolloutId, Lease) {
        let (id, lease) = (RolloutId(number), lease(1, number));
        self.rollouts.swap_lease(id, None, &lease).await.expect("taken");
        (id, lease)
    }

    /// A rollout that is open.
    pub(crate) async fn open(&self, number: u64) -> (RolloutId, Lease) {
        let (id, lease) = self.held(number).await;
        let begun = self.rollouts.append(id, &planned(id), &summary(id, Stage::Ready), &lease).await;
        assert_eq!(begun, Ok(Appended::Done));
        (id, lease)
    }
}

/// Clients of an endpoint, as the program makes them.
pub(crate) fn clients(url: &str) -> Arc<Clients> {
    Arc::new(Clients::new(Target::Local { endpoint: url.to_owned() }))
}

fn caller() -> Caller {
    Caller::new(Arc::new(SystemClock::default()))
}

fn adapter(tables: &Tables, url: &str) -> RolloutTable {
    RolloutTable::new(clients(url), caller(), Tables::place(), &tables.fleet)
}

/// The adapter of what tells whether cells are well.
pub(crate) fn signals(url: &str) -> AwsSignals {
    AwsSignals::new(clients(url), caller())
}

/// A lease.
pub(crate) fn lease(token: u64, nonce: u64) -> Lease {
    Lease {
        holder: "ann@bench".to_owned(),
        purpose: "a test".to_owned(),
        ci_url: None,
        nonce,
        token,
        acquired_at_ms: 1,
        expires_at_ms: 2,
        unsettled_until_ms: 0,
        process: None,
    }
}

/// An entry of a journal.
pub(crate) fn entry(seq: u64, event: Event) -> Entry {
    Entry { seq, at_ms: 1_700_000_000_000 + i64::try_from(seq).expect("small"), by: "ann".to_owned(), token: 1, event }
}

/// The first entry.
pub(crate) fn planned(id: RolloutId) -> Entry {
    planned_in(id, ROLLOUT_FORMAT)
}

/// The same of some format.
pub(crate) fn planned_in(id: RolloutId, format: u32) -> Entry {
    let plan = Plan {
        format,
        id,
        fleet: "shop".to_owned(),
        at_ms: 1,
        change: Digest::of(b"change"),
        selection: None,
        commit: None,
        rollback: Rollback::All,
        gate_dry_run: false,
        waves: Vec::new(),
        tenants: 0,
    };
    entry(1, Event::Planned { plan: Box::new(plan) })
}

/// A rollout in the list.
pub(crate) fn summary(id: RolloutId, stage: Stage) -> Summary {
    Summary {
        id,
        change: Digest::of(b"change"),
        commit: None,
        stage,
        wave: 0,
        waves: 1,
        wave_name: Some("canary".to_owned()),
        cells: 1,
        paused: false,
        why: None,
        planned_at_ms: 1,
        at_ms: 2,
    }
}
