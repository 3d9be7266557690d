//! Where the parts are put together: the only place that names the AWS adapters.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::aws::artifacts::S3Artifacts;
use crate::aws::atoms::AwsAtoms;
use crate::aws::call::Caller;
use crate::aws::clients::{Clients, Target};
use crate::aws::cloudformation::CloudFormation;
use crate::aws::control::ControlTable;
use crate::aws::identity::AwsIdentities;
use crate::aws::moves::MoveAdapter;
use crate::aws::rollout::{AwsSignals, RolloutTable};
use crate::aws::shop::StrictShop;
use crate::aws::tenants::TenantTables;
use crate::domain::doc::{Node, Position};
use crate::domain::fleet::Fleet;
use crate::domain::ids::Digest;
use crate::fs::functions::Packager;
use crate::fs::process::SystemProcesses;
use crate::fs::yaml;
use crate::ops::init::control_table;
use crate::ops::moves::MoveWorld;
use crate::ops::rollout::RolloutWorld;
use crate::ops::{Reporter, World};
use crate::ports::shop::ShopWriter;
use crate::ports::{Clock, Packages};
use crate::probe::SystemProbes;

/// The system's clock and chance.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> f64 {
        fastrand::f64()
    }
}

/// Function code from the folders of a fleet.
pub struct FolderPackages(pub Arc<Packager>);

impl Packages for FolderPackages {
    fn package(&self, source: &str) -> Result<(Vec<u8>, Digest), String> {
        self.0.package(source).map(|package| (package.bytes, package.digest)).map_err(|finding| finding.message)
    }
}

/// What all adapters share.
#[derive(Clone)]
struct Shared {
    clients: Arc<Clients>,
    caller: Caller,
    clock: Arc<dyn Clock>,
    map: Arc<TenantTables>,
}

impl Shared {
    /// A `local` endpoint gets dummy credentials; without one the SDK's own chain decides.
    fn new(local: Option<String>, fleet: &Fleet) -> Self {
        let target = local.map_or(Target::Chain, |endpoint| Target::Local { endpoint });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let clients = Arc::new(Clients::new(target));
        let caller = Caller::new(Arc::clone(&clock));
        let map = TenantTables::new(Arc::clone(&clients), caller.clone(), fleet.control.clone(), fleet.name.as_str());
        Self { clients, caller, clock, map: Arc::new(map) }
    }
}

/// The world of a fleet, at a `local` endpoint or where the SDK's own chain leads.
pub fn world(local: Option<String>, fleet: &Fleet, packager: Arc<Packager>, reporter: Arc<dyn Reporter>) -> World {
    world_of(Shared::new(local, fleet), fleet, packager, reporter)
}

fn world_of(shared: Shared, fleet: &Fleet, packager: Arc<Packager>, reporter: Arc<dyn Reporter>) -> World {
    let Shared { clients, caller, clock, map } = shared;
    let table = control_table(fleet.name.as_str());
    World {
        stacks: Arc::new(CloudFormation::new(Arc::clone(&clients), caller.clone())),
        identities: Arc::new(AwsIdentities::new(Arc::clone(&clients), caller.clone(), Arc::clone(&clock))),
        atoms: Arc::new(AwsAtoms::new(Arc::clone(&clients), caller.clone(), Arc::clone(&clock))),
        artifacts: Arc::new(S3Artifacts::new(Arc::clone(&clients), caller.clone())),
        control: Arc::new(ControlTable::new(clients, caller, fleet.control.clone(), table)),
        map: map.clone(),
        fences: map.clone(),
        audit: map,
        packages: Arc::new(FolderPackages(packager)),
        clock,
        reporter,
        parse: parse_document,
    }
}

/// What moves of a fleet's tenants may reach, at the same places as `world`.
pub fn move_world(local: Option<String>, fleet: &Fleet, reporter: Arc<dyn Reporter>) -> MoveWorld {
    let Shared { clients, caller, clock, map } = Shared::new(local, fleet);
    let adapter = Arc::new(MoveAdapter::new(clients, caller, fleet.control.clone(), fleet.name.as_str()));
    MoveWorld {
        map,
        moves: adapter.clone(),
        data: adapter.clone(),
        streams: adapter.clone(),
        fences: adapter.clone(),
        queues: adapter,
        processes: Arc::new(SystemProcesses),
        clock,
        reporter,
    }
}

/// What rollouts in a fleet may reach, at the same places as `world`. Commands of gates run in `directory`.
pub fn rollout_world(
    local: Option<String>,
    fleet: &Fleet,
    packager: Arc<Packager>,
    reporter: Arc<dyn Reporter>,
    directory: PathBuf,
) -> RolloutWorld {
    let shared = Shared::new(local, fleet);
    let Shared { clients, caller, .. } = shared.clone();
    let (control, name) = (fleet.control.clone(), fleet.name.as_str());
    let moves = MoveAdapter::new(Arc::clone(&clients), caller.clone(), control.clone(), name);
    RolloutWorld {
        rollouts: Arc::new(RolloutTable::new(Arc::clone(&clients), caller.clone(), control, name)),
        signals: Arc::new(AwsSignals::new(clients, caller)),
        probes: Arc::new(SystemProbes::new(directory)),
        moves: Arc::new(moves),
        processes: Arc::new(SystemProcesses),
        world: world_of(shared, fleet, packager, reporter),
    }
}

/// The made-up application of the demo, at a local endpoint only.
pub fn shop_writer(endpoint: String, fleet: &Fleet) -> Arc<dyn ShopWriter> {
    let Shared { clients, caller, .. } = Shared::new(Some(endpoint), fleet);
    Arc::new(StrictShop::new(clients, caller, fleet.control.clone()))
}

/// Reads YAML or JSON for the domain.
pub fn parse_document(text: &str) -> Result<Node, (Position, String)> {
    yaml::parse(text).map_err(|error| (error.at, error.message))
}
