//! Making a plan: observe, fetch the templates that are needed for diffs, decide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, Digest};
use crate::domain::plan::make::{self, Diffs};
use crate::domain::plan::{Desired, Inputs, Observation, Plan};
use crate::domain::template::diff;
use crate::ports::Called;

use super::World;
use super::error::{ErrorKind, OpError};
use super::observe::observe;

/// What is asked for.
pub struct Request {
    /// Name of the fleet.
    pub fleet: String,
    /// The selector, as typed.
    pub selection: Option<String>,
    /// The selected cells as they should be.
    pub desired: Vec<Desired>,
    /// Names of all cells that have a definition.
    pub defined: BTreeSet<CellId>,
    /// Bodies of the desired templates.
    pub bodies: BTreeMap<Digest, Arc<str>>,
    /// Atoms that may be replaced or removed, as `cell/atom`.
    pub allowed: BTreeSet<String>,
}

/// Makes a plan from what there is now.
pub async fn plan(world: &World, request: Request) -> Result<Plan, OpError> {
    require_control(world, &request.fleet).await?;
    let places = request.desired.iter().map(|d| d.place.clone()).collect();
    let accounts = accounts(world, places).await?;
    let mut observed = observe(world, &request.fleet, &request.desired).await?;
    observed.tenants = tenants(world).await?;
    let diffs = diffs(world, &request, &observed).await?;
    Ok(decide(world, request, &observed, diffs, Some(accounts)))
}

/// Makes a plan without looking: against an observation that was stored, or against nothing.
pub fn plan_offline(world: &World, request: Request, observed: &Observation) -> Plan {
    decide(world, request, observed, Diffs::new(), None)
}

fn decide(
    world: &World,
    request: Request,
    observed: &Observation,
    diffs: Diffs,
    accounts: Option<BTreeMap<String, String>>,
) -> Plan {
    make::make(Inputs {
        fleet: &request.fleet,
        accounts,
        selection: request.selection,
        desired: request.desired,
        defined: request.defined,
        observed,
        diffs,
        bodies: &request.bodies,
        allowed: &request.allowed,
        now_ms: world.clock.now_ms(),
    })
}

/// Refuses to go on without the control table.
pub async fn require_control(world: &World, fleet: &str) -> Result<(), OpError> {
    if world.control.ready().await? {
        return Ok(());
    }
    let message = format!("fleet {fleet} has no control table yet in this account and Region");
    Err(OpError::new(ErrorKind::Failed, message)
        .hint("run `cellctl init` first; check AWS_PROFILE and the Region if you did"))
}

/// The account behind the credentials of each place, by `Place::key`. Refuses to work in another account than the
/// definitions name.
pub async fn accounts(world: &World, places: BTreeSet<Place>) -> Result<BTreeMap<String, String>, OpError> {
    let mut of_role: HashMap<Option<String>, String> = HashMap::new();
    let mut accounts = BTreeMap::new();
    for place in places {
        // Credentials do not depend on the Region: one question for each role is enough.
        let account = match of_role.get(&place.role_arn) {
            Some(account) => account.clone(),
            None => world.identities.identity(&place).await?.account,
        };
        if let Some(wanted) = place.account.as_ref().filter(|wanted| wanted.as_str() != account) {
            let message = format!("the credentials are of account {account}; the definitions name account {wanted}");
            return Err(OpError::new(ErrorKind::Refused, message)
                .hint("choose the right AWS_PROFILE, or give the cell a roleArn of that account"));
        }
        of_role.insert(place.role_arn.clone(), account.clone());
        accounts.insert(place.key(), account);
    }
    Ok(accounts)
}

/// Tenants in each cell, by one query: what a plan puts at risk. Counters that have drifted below zero count as none.
async fn tenants(world: &World) -> Called<BTreeMap<CellId, u64>> {
    let loads = world.map.loads().await?;
    Ok(loads.into_iter().map(|load| (load.cell, u64::try_from(load.tenants).unwrap_or(0))).collect())
}

/// Fetches each template that is needed for a diff once, from one stack that has it.
async fn diffs(world: &World, request: &Request, observed: &Observation) -> Result<Diffs, OpError> {
    let mut diffs = Diffs::new();
    let mut documents = HashMap::new();
    for item in &request.desired {
        let Some((from, to)) = make::needs_diff(item, observed) else { continue };
        if diffs.contains_key(&(from.clone(), to.clone())) || from == to {
            continue;
        }
        if !documents.contains_key(&from) {
            let text = world.stacks.template(&item.place, item.stack.as_str()).await?;
            documents.insert(from.clone(), (world.parse)(&text).ok());
        }
        if !documents.contains_key(&to) {
            let body = request.bodies.get(&to).map_or("", |b| b);
            documents.insert(to.clone(), (world.parse)(body).ok());
        }
        if let (Some(Some(old)), Some(Some(new))) = (documents.get(&from), documents.get(&to)) {
            let changes = diff::diff(old, new);
            diffs.insert((from, to), changes);
        }
    }
    Ok(diffs)
}
