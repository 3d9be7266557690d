//! `cellctl init`: the control stack, and an artifact bucket in every other account and Region of the fleet.
//!
//! Constraint kept: idempotent; a second run finds everything as it should be and writes nothing. There is no lock yet
//! to hold, so that two runs at once rely on the service: tokens are derived from what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::domain::fleet::{Fleet, Place};
pub use crate::domain::fleet::{control_table, tenants_table};
use crate::domain::ids::{StackName, request_token};
use crate::domain::stack::{CHANGE_STARTS, Phase, StackDetail, first_cause};
use crate::ports::{CallErrorKind, ChangeSetState, StackRequest, TemplateText};

use super::World;
use super::error::{ErrorKind, OpError};
use super::observe::FLEET_TAG;
use super::plan::accounts;
use super::poll::{Before, CLOCK_SLACK_MS, Poller, Wanted};

/// The template of the control stack and of the artifact stacks.
pub const CONTROL_TEMPLATE: &str = include_str!("control_stack.yaml");

/// Waits for a change set, in milliseconds, and how many of them.
const CHANGE_SET_POLL: (u64, u32) = (500, 240);

/// What a fleet's artifact buckets are called, without the account and the Region.
pub fn bucket_prefix(fleet: &str) -> String {
    format!("cellctl-{fleet}")
}

/// What was done about one stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitAction {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was as it should be.
    Unchanged,
}

/// One stack of the control state.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InitStack {
    /// Name of the stack.
    pub stack: String,
    /// Its Region.
    pub region: String,
    /// What was done.
    pub action: InitAction,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
}

/// Makes the control state, or brings it up to date.
pub async fn init(world: &World, fleet: &Fleet) -> Result<Vec<InitStack>, OpError> {
    let mut done = vec![bring(world, fleet, &fleet.control, StackName::of_control(&fleet.name), true).await?];
    let places: BTreeSet<Place> = fleet.cells.iter().map(|c| c.place.clone()).chain([fleet.control.clone()]).collect();
    let accounts = accounts(world, places.clone()).await?;
    // Buckets go by account and Region: two places of one account and Region share one.
    let bucket = |place: &Place| (accounts.get(&place.key()).cloned(), place.region.clone());
    let mut made = BTreeSet::from([bucket(&fleet.control)]);
    let others: Vec<&Place> = places.iter().filter(|place| made.insert(bucket(place))).collect();
    for place in others {
        done.push(bring(world, fleet, place, StackName::of_artifacts(&fleet.name), false).await?);
    }
    Ok(done)
}

async fn bring(
    world: &World,
    fleet: &Fleet,
    place: &Place,
    stack: StackName,
    control: bool,
) -> Result<InitStack, OpError> {
    let there = look(world, place, &stack).await?;
    let there = match there {
        Some(detail) if detail.summary.status.phase() == Phase::Moving => {
            // Another run, perhaps one that was killed, is at it: how it ends decides what is left to do.
            settle(world, place, &stack, &detail.summary.id, None, None).await?;
            look(world, place, &stack).await?
        }
        other => other,
    };
    let (action, id, before) = match &there {
        None => {
            refuse_tables(world, fleet, place, control).await?;
            let request = request(fleet, &stack, control, 0);
            (InitAction::Created, create(world, place, &request).await?, None)
        }
        Some(detail) => {
            refuse_stuck(detail, &stack)?;
            let request = request(fleet, &stack, control, detail.summary.changed_at_ms);
            let action = update(world, place, detail, &request).await?;
            (action, detail.summary.id.clone(), Some((Before::from(&detail.summary), request.token)))
        }
    };
    match (action, before) {
        (InitAction::Unchanged, _) => {}
        (_, None) => settle(world, place, &stack, &id, None, None).await?,
        (_, Some((before, token))) => settle(world, place, &stack, &id, Some(before), Some(token)).await?,
    }
    let outputs = world.stacks.describe(place, &id).await?.map(|d| d.outputs).unwrap_or_default();
    Ok(InitStack { stack: stack.to_string(), region: place.region.to_string(), action, outputs })
}

async fn look(world: &World, place: &Place, stack: &StackName) -> Result<Option<StackDetail>, OpError> {
    let detail = world.stacks.describe(place, stack.as_str()).await?;
    Ok(detail.filter(|d| d.summary.status.phase() != Phase::Gone))
}

/// What the stack is to be. `changed_at_ms` tells attempts from different states apart.
fn request(fleet: &Fleet, stack: &StackName, control: bool, changed_at_ms: i64) -> StackRequest {
    let word = if control { "yes" } else { "no" };
    let mut tags = fleet.tags.clone();
    tags.insert(FLEET_TAG.to_owned(), fleet.name.to_string());
    let seed = format!("{stack} {word} {tags:?} {changed_at_ms}");
    StackRequest {
        stack: stack.clone(),
        template: TemplateText::Inline(CONTROL_TEMPLATE.to_owned()),
        parameters: BTreeMap::from([
            ("Fleet".to_owned(), fleet.name.to_string()),
            ("Control".to_owned(), word.to_owned()),
        ]),
        tags,
        capabilities: Vec::new(),
        token: request_token([CONTROL_TEMPLATE, seed.as_str()]),
    }
}

async fn create(world: &World, place: &Place, request: &StackRequest) -> Result<String, OpError> {
    match world.stacks.create(place, request).await {
        Err(error) if matches!(error.kind, CallErrorKind::AlreadyExists | CallErrorKind::InDoubt) => {
            let there = world.stacks.describe(place, request.stack.as_str()).await?;
            there.map(|d| d.summary.id).ok_or_else(|| error.into())
        }
        other => Ok(other?),
    }
}

/// Tables of the control state that exist without their stack are somebody's data.
async fn refuse_tables(world: &World, fleet: &Fleet, place: &Place, control: bool) -> Result<(), OpError> {
    if !control {
        return Ok(());
    }
    for table in [control_table(fleet.name.as_str()), tenants_table(fleet.name.as_str())] {
        if world.atoms.table_exists(place, &table).await? {
            let message = format!(
                "table {table} exists in {} without the control stack: making it would fail or overwrite it",
                place.region
            );
            return Err(OpError::new(ErrorKind::Refused, message).hint(
                "import it into a stack of the same template, or delete it if the fleet's state is not needed any more",
            ));
        }
    }
    Ok(())
}

fn refuse_stuck(detail: &StackDetail, stack: &StackName) -> Result<(), OpError> {
    let Phase::Stuck(stuck) = detail.summary.status.phase() else { return Ok(()) };
    let message = format!("stack {stack} is stuck in {}: {}", detail.summary.status, stuck.meaning());
    Err(OpError::new(ErrorKind::RollbackFailed, message)
        .hint("look at its events in the console, mend or delete the stack, then run `cellctl init` again"))
}

async fn update(
    world: &World,
    place: &Place,
    detail: &StackDetail,
    request: &StackRequest,
) -> Result<InitAction, OpError> {
    let stack = request.stack.as_str();
    let same = world.stacks.template(place, stack).await? == CONTROL_TEMPLATE
        && request.parameters.iter().all(|(k, v)| detail.parameters.get(k) == Some(v))
        && request.tags.iter().all(|(k, v)| detail.tags.get(k) == Some(v));
    if same {
        return Ok(InitAction::Unchanged);
    }
    let name = request.token.clone();
    world.stacks.create_change_set(place, stack, &name, request).await?;
    for _ in 0..CHANGE_SET_POLL.1 {
        match world.stacks.change_set(place, stack, &name).await? {
            ChangeSetState::Pending => world.clock.sleep(Duration::from_millis(CHANGE_SET_POLL.0)).await,
            ChangeSetState::Empty => {
                world.stacks.delete_change_set(place, stack, &name).await?;
                return Ok(InitAction::Unchanged);
            }
            ChangeSetState::Failed(reason) => {
                world.stacks.delete_change_set(place, stack, &name).await?;
                return Err(OpError::new(
                    ErrorKind::Failed,
                    format!("the change of stack {stack} was refused: {reason}"),
                ));
            }
            ChangeSetState::Spent => {
                world.stacks.delete_change_set(place, stack, &name).await?;
                world.stacks.create_change_set(place, stack, &name, request).await?;
            }
            ChangeSetState::Ready(_) => {
                world.stacks.execute_change_set(place, stack, &name, &request.token).await?;
                return Ok(InitAction::Updated);
            }
        }
    }
    Err(OpError::new(ErrorKind::Failed, format!("change set {name} of stack {stack} was not worked out in time")))
}

async fn settle(
    world: &World,
    place: &Place,
    stack: &StackName,
    id: &str,
    before: Option<Before>,
    token: Option<String>,
) -> Result<(), OpError> {
    let cell = "control".parse().map_err(|e| OpError::new(ErrorKind::Failed, format!("{e}")))?;
    let since_ms = world.clock.now_ms() - CLOCK_SLACK_MS;
    let wanted =
        Wanted { cell, place: place.clone(), stack: stack.clone(), stack_id: id.to_owned(), before, token, since_ms };
    let summary = Poller::new(world.clone()).settled(wanted).await?;
    if summary.status.phase() == Phase::Complete {
        return Ok(());
    }
    let events = world.stacks.events(place, id, since_ms).await.unwrap_or_default();
    let cause = first_cause(&summary.name, &events, &CHANGE_STARTS);
    let why = summary.why(cause);
    let kind = if summary.status.is_rollback() { ErrorKind::RolledBack } else { ErrorKind::Failed };
    Err(OpError::new(kind, format!("stack {stack} ended in {}: {why}", summary.status))
        .hint("mend the cause, delete the stack if it is an empty shell, then run `cellctl init` again"))
}
