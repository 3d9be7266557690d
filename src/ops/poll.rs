//! Waiting for stacks, all of them together.
//!
//! Owns: the one poller of the fleet. Constraint kept: its cost grows with listing pages, not with stacks; a poll that
//! fails or is throttled never decides how an operation ended; a status from before an operation is never taken for
//! its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, StackName};
use crate::domain::stack::{Phase, StackEvent, StackStatus, StackSummary};
use crate::ports::{CallError, CallErrorKind, Called};

use super::World;
use super::event::Event;

/// Shortest and longest time between two polls, in milliseconds.
const INTERVAL_MS: (u64, u64) = (200, 2_000);
/// The interval is this part of the time that a stack takes.
const INTERVAL_PART: u64 = 15;
/// Stacks that are looked at one by one instead of by a listing.
const SINGLY_MAX: usize = 2;
/// For how long polls of a place may fail before whoever waits is told, in milliseconds.
const BLIND_MS_MAX: u64 = 900_000;
/// The same where credentials are refused: long enough for a renewal, no longer.
const REFUSED_MS_MAX: u64 = 120_000;
/// Polls with an unchanged stack after which its events are asked whether the operation has ended.
const UNCHANGED_POLLS: u32 = 5;
/// For how long an operation may leave no trace at all, in milliseconds.
const TRACELESS_MS_MAX: u64 = 120_000;
/// Polls in a row that do not find a stack, after which it is gone.
const MISSING_POLLS: u32 = 3;

/// Clocks of the caller and of the service may differ by this much, in milliseconds, when events are looked at.
pub const CLOCK_SLACK_MS: i64 = 5_000;

/// A stack as it was before an operation.
#[derive(Debug, Clone)]
pub struct Before {
    /// Its status.
    pub status: StackStatus,
    /// Its time of last change, in milliseconds since 1970.
    pub changed_at_ms: i64,
}

impl From<&StackSummary> for Before {
    fn from(summary: &StackSummary) -> Self {
        Self { status: summary.status.clone(), changed_at_ms: summary.changed_at_ms }
    }
}

/// A stack whose operation is awaited.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The cell, for events.
    pub cell: CellId,
    /// Where it lives.
    pub place: Place,
    /// Name of the stack.
    pub stack: StackName,
    /// Id of the stack.
    pub stack_id: String,
    /// The stack before the operation; none where it was made by it, or where the operation is under way already.
    pub before: Option<Before>,
    /// Token of the request that began the operation.
    pub token: Option<String>,
    /// Events before this time are of earlier operations, in milliseconds since 1970.
    pub since_ms: i64,
}

struct Watch {
    wanted: Wanted,
    unchanged: u32,
    missing: u32,
    began_ms: u64,
    seen_events_ms: i64,
    done: Option<oneshot::Sender<Called<StackSummary>>>,
}

/// The poller: one for each operation.
#[derive(Clone)]
pub struct Poller {
    world: World,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    watches: Vec<Watch>,
    running: bool,
    /// How long finished operations took; the median guides the interval.
    durations_ms: Vec<u64>,
    blind_since_ms: HashMap<Place, u64>,
    turn: usize,
}

/// What one look at a place gave, by stack id; none for a stack that was not found.
type Seen = HashMap<String, Option<StackSummary>>;

impl Poller {
    /// A poller that watches nothing yet.
    pub fn new(world: World) -> Self {
        Self { world, shared: Arc::default() }
    }

    /// Waits until the operation on a stack has ended; gives the stack as it is then.
    pub async fn settled(&self, wanted: Wanted) -> Called<StackSummary> {
        let (done, ended) = oneshot::channel();
        let lost = in_doubt(&wanted, "the poller ended before the operation did");
        let start = {
            let mut shared = self.lock();
            let began_ms = self.world.clock.monotonic_ms();
            let seen_events_ms = wanted.since_ms;
            shared.watches.push(Watch { wanted, unchanged: 0, missing: 0, began_ms, seen_events_ms, done: Some(done) });
            !std::mem::replace(&mut shared.running, true)
        };
        if start {
            tokio::spawn(self.clone().run());
        }
        ended.await.unwrap_or(Err(lost))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self) {
        loop {
            let pause = self.interval();
            self.world.clock.sleep(pause).await;
            let this = &self;
            let looks = this.places().into_iter().map(|(place, ids)| async move {
                let seen = this.look(&place, &ids).await;
                this.take(&place, seen);
            });
            join_all(looks).await;
            self.prove().await;
            self.show_events().await;
            let mut shared = self.lock();
            if shared.watches.is_empty() {
                shared.running = false;
                return;
            }
        }
    }

    /// A part of what a stack takes: of the median so far, or of how long the oldest has been under way.
    fn interval(&self) -> Duration {
        let shared = self.lock();
        let now_ms = self.world.clock.monotonic_ms();
        let mut past = shared.durations_ms.clone();
        past.sort_unstable();
        let oldest = shared.watches.iter().map(|w| now_ms - w.began_ms).max().unwrap_or(0);
        let typical = past.get(past.len() / 2).copied().unwrap_or(oldest);
        Duration::from_millis((typical / INTERVAL_PART).clamp(INTERVAL_MS.0, INTERVAL_MS.1))
    }

    fn places(&self) -> HashMap<Place, Vec<String>> {
        let mut places: HashMap<Place, Vec<String>> = HashMap::new();
        for watch in &self.lock().watches {
            places.entry(watch.wanted.place.clone()).or_default().push(watch.wanted.stack_id.clone());
        }
        places
    }

    /// Looks at a few stacks one by one, at many by a listing; whatever the listing lacks is looked at by its id.
    async fn look(&self, place: &Place, ids: &[String]) -> Called<Seen> {
        let mut seen = Seen::new();
        if ids.len() > SINGLY_MAX {
            seen.extend(self.world.stacks.list(place).await?.into_iter().map(|s| (s.id.clone(), Some(s))));
        }
        for id in ids {
            if !seen.contains_key(id) {
                let detail = self.world.stacks.describe(place, id).await?;
                seen.insert(id.clone(), detail.map(|d| d.summary));
            }
        }
        Ok(seen)
    }

    fn take(&self, place: &Place, seen: Called<Seen>) {
        let now_ms = self.world.clock.monotonic_ms();
        let mut shared = self.lock();
        match seen {
            Ok(seen) => {
                shared.blind_since_ms.remove(place);
                shared.settle(place, &seen, now_ms);
            }
            Err(error) => shared.endure(place, &error, now_ms),
        }
    }

    /// Asks the events of a stack that looks as it did before whether its operation has ended nevertheless.
    async fn prove(&self) {
        let doubtful: Option<Wanted> = {
            let shared = self.lock();
            shared.watches.iter().find(|w| w.unchanged >= UNCHANGED_POLLS).map(|w| w.wanted.clone())
        };
        let Some(wanted) = doubtful else { return };
        let Ok(events) = self.world.stacks.events(&wanted.place, &wanted.stack_id, wanted.since_ms).await else {
            return;
        };
        let ended = events.iter().any(|event| is_end(event, &wanted, &events));
        let detail = if ended { self.world.stacks.describe(&wanted.place, &wanted.stack_id).await.ok() } else { None };
        let now_ms = self.world.clock.monotonic_ms();
        self.lock().proven(&wanted, detail.flatten().map(|d| d.summary), now_ms);
    }

    /// Reports what has happened to the resources of one stack; each poll it is the turn of another one.
    async fn show_events(&self) {
        let Some((wanted, since_ms)) = self.lock().next_turn() else { return };
        let Ok(events) = self.world.stacks.events(&wanted.place, &wanted.stack_id, since_ms).await else { return };
        let newest = events.iter().map(|e| e.at_ms).max().unwrap_or(since_ms - 1) + 1;
        if let Some(watch) = self.lock().watches.iter_mut().find(|w| w.wanted.stack_id == wanted.stack_id) {
            watch.seen_events_ms = watch.seen_events_ms.max(newest);
        }
        for event in events.into_iter().filter(|e| !e.is_of_stack(&wanted.stack)) {
            self.world.reporter.report(&Event::ResourceChanged {
                cell: wanted.cell.clone(),
                logical_id: event.logical_id,
                resource_type: event.resource_type,
                status: event.status,
                reason: event.reason,
            });
        }
    }
}

/// Whether an event says that this operation has ended. Where the endpoint echoes no tokens at all, the time decides.
fn is_end(event: &StackEvent, wanted: &Wanted, all: &[StackEvent]) -> bool {
    let ours = match (&event.token, &wanted.token) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => all.iter().all(|e| e.token.is_none()),
    };
    ours && event.is_of_stack(&wanted.stack) && StackStatus::new(&event.status).phase() != Phase::Moving
}

impl Shared {
    fn settle(&mut self, place: &Place, seen: &Seen, now_ms: u64) {
        let mut durations = Vec::new();
        for watch in self.watches.iter_mut().filter(|w| w.wanted.place == *place) {
            let Some(found) = seen.get(&watch.wanted.stack_id) else { continue };
            if let Some(summary) = watch.end(found.as_ref()) {
                durations.push(now_ms - watch.began_ms);
                watch.tell(Ok(summary));
            }
        }
        self.durations_ms.extend(durations);
        self.watches.retain(|w| w.done.is_some());
    }

    /// A failed poll says nothing about the stacks. Only when none has succeeded for long are those who wait told that
    /// the end was not seen.
    fn endure(&mut self, place: &Place, error: &CallError, now_ms: u64) {
        let since_ms = *self.blind_since_ms.entry(place.clone()).or_insert(now_ms);
        let refused = matches!(error.kind, CallErrorKind::Credentials | CallErrorKind::Denied);
        let patience_ms = if refused { REFUSED_MS_MAX } else { BLIND_MS_MAX };
        if now_ms - since_ms < patience_ms {
            tracing::debug!(%error, "a poll failed; the stacks go on");
            return;
        }
        for watch in self.watches.iter_mut().filter(|w| w.wanted.place == *place) {
            watch.tell(Err(error.clone()));
        }
        self.watches.retain(|w| w.done.is_some());
    }

    fn proven(&mut self, wanted: &Wanted, summary: Option<StackSummary>, now_ms: u64) {
        let Some(watch) = self.watches.iter_mut().find(|w| w.wanted.stack_id == wanted.stack_id) else { return };
        match summary {
            Some(summary) if summary.status.phase() != Phase::Moving => watch.tell(Ok(summary)),
            None if now_ms - watch.began_ms >= TRACELESS_MS_MAX => {
                watch.tell(Err(in_doubt(wanted, "the operation has left no trace; it may not have begun")));
            }
            _ => watch.unchanged = 0,
        }
        self.watches.retain(|w| w.done.is_some());
    }

    fn next_turn(&mut self) -> Option<(Wanted, i64)> {
        if self.watches.is_empty() {
            return None;
        }
        self.turn = (self.turn + 1) % self.watches.len();
        let watch = &self.watches[self.turn];
        Some((watch.wanted.clone(), watch.seen_events_ms))
    }
}

impl Watch {
    /// The stack as it ended; none while it goes on, or while it looks as it did before the operation.
    fn end(&mut self, found: Option<&StackSummary>) -> Option<StackSummary> {
        let Some(summary) = found else {
            self.missing += 1;
            return (self.missing >= MISSING_POLLS).then(|| self.gone());
        };
        self.missing = 0;
        if summary.status.phase() == Phase::Moving {
            return None;
        }
        let before = self.wanted.before.as_ref();
        if before.is_some_and(|b| b.status == summary.status && b.changed_at_ms == summary.changed_at_ms) {
            self.unchanged += 1;
            return None;
        }
        Some(summary.clone())
    }

    /// A stack that is not found any more, even by its id.
    fn gone(&self) -> StackSummary {
        StackSummary {
            name: self.wanted.stack.clone(),
            id: self.wanted.stack_id.clone(),
            status: StackStatus::new("DELETE_COMPLETE"),
            reason: None,
            changed_at_ms: self.wanted.since_ms,
        }
    }

    fn tell(&mut self, outcome: Called<StackSummary>) {
        if let Some(done) = self.done.take() {
            // Whoever waited may have been cancelled; then nobody wants to know.
            let _ = done.send(outcome);
        }
    }
}

fn in_doubt(wanted: &Wanted, message: &str) -> CallError {
    CallError {
        kind: CallErrorKind::InDoubt,
        operation: "cloudformation:DescribeStacks",
        subject: format!("{} in {}", wanted.stack, wanted.place.region),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(status: &str, changed_at_ms: i64) -> StackSummary {
        StackSummary {
            name: "shop-cell-1".parse().expect("valid"),
            id: "id".to_owned(),
            status: StackStatus::new(status),
            reason: None,
            changed_at_ms,
        }
    }

    fn watch(before: Option<Before>) -> Watch {
        let place = Place { region: "eu-central-1".parse().expect("valid"), account: None, role_arn: None };
        let wanted = Wanted {
            cell: "cell-1".parse().expect("valid"),
            place,
            stack: "shop-cell-1".parse().expect("valid"),
            stack_id: "id".to_owned(),
            before,
            token: Some("ours".to_owned()),
            since_ms: 0,
        };
        Watch { wanted, unchanged: 0, missing: 0, began_ms: 0, seen_events_ms: 0, done: None }
    }

    #[test]
    fn the_old_status_is_never_the_end_however_often_it_is_seen() {
        let old = summary("UPDATE_COMPLETE", 1);
        let mut watch = watch(Some(Before::from(&old)));
        for _ in 0..100 {
            assert_eq!(watch.end(Some(&old)), None);
        }
        assert_eq!(watch.end(Some(&summary("UPDATE_IN_PROGRESS", 2))), None);
        let end = watch.end(Some(&summary("UPDATE_ROLLBACK_COMPLETE", 2))).expect("the end");
        assert!(end.status.is_rollback());
    }

    #[test]
    fn a_stack_is_gone_only_when_it_was_missed_several_times() {
        let mut watch = watch(None);
        assert_eq!(watch.end(None), None);
        assert_eq!(watch.end(Some(&summary("DELETE_IN_PROGRESS", 1))), None);
        assert_eq!(watch.end(None), None);
        assert_eq!(watch.end(None), None);
        assert_eq!(watch.end(None).map(|s| s.status.phase()), Some(Phase::Gone));
    }

    #[test]
    fn only_our_own_token_proves_an_end() {
        let wanted = watch(None).wanted;
        let event = |token: Option<&str>, status: &str| StackEvent {
            id: String::new(),
            at_ms: 1,
            logical_id: "shop-cell-1".to_owned(),
            resource_type: "AWS::CloudFormation::Stack".to_owned(),
            status: status.to_owned(),
            reason: None,
            token: token.map(str::to_owned),
        };
        let others = [event(Some("theirs"), "UPDATE_COMPLETE"), event(None, "UPDATE_COMPLETE")];
        assert!(!others.iter().any(|e| is_end(e, &wanted, &others)));
        let ours = [event(Some("ours"), "UPDATE_IN_PROGRESS"), event(Some("ours"), "UPDATE_COMPLETE")];
        assert!(!is_end(&ours[0], &wanted, &ours));
        assert!(is_end(&ours[1], &wanted, &ours));
        let silent = [event(None, "UPDATE_COMPLETE")];
        assert!(is_end(&silent[0], &wanted, &silent));
    }
}
