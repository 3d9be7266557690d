//! Waiting for stacks, all of them together.
//!
//! Owns: the one poller of the fleet. Constraint kept: its cost grows with listing pages, not with stacks; a poll that
//! fails or is throttled never decides how an operation ended; a status from before an operation is not taken for its
//! end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::fleet::Place;
use crate::domain::ids::CellId;
use crate::domain::stack::{Phase, StackSummary};
use crate::ports::{CallError, CallErrorKind, Called};

use super::World;
use super::event::Event;

/// Shortest and longest time between two polls, in milliseconds.
const INTERVAL_MS: (i64, i64) = (200, 2_000);
/// The interval is this part of the time that a stack takes.
const INTERVAL_PART: i64 = 15;
/// For how long polls may fail before whoever waits is told, in milliseconds: a quarter of an hour.
const BLIND_MS_MAX: i64 = 900_000;
/// Polls after which an unchanged time of last change is no longer taken for a stale answer.
const STALE_POLLS: u32 = 5;

/// A stack whose operation is awaited.
pub struct Wanted {
    /// The cell, for events.
    pub cell: CellId,
    /// Where it lives.
    pub place: Place,
    /// Id of the stack.
    pub stack_id: String,
    /// The stack's time of last change before the operation, in milliseconds since 1970; none for a new stack.
    pub changed_from_ms: Option<i64>,
    /// When the operation began, by the service's clock or ours.
    pub since_ms: i64,
}

struct Watch {
    wanted: Wanted,
    polls: u32,
    began_ms: i64,
    seen_events: i64,
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
    durations_ms: Vec<i64>,
    blind_since_ms: Option<i64>,
    turn: usize,
}

impl Poller {
    /// A poller that watches nothing yet.
    pub fn new(world: World) -> Self {
        Self { world, shared: Arc::default() }
    }

    /// Waits until the operation on a stack has ended; gives the stack as it is then.
    pub async fn settled(&self, wanted: Wanted) -> Called<StackSummary> {
        let (done, ended) = oneshot::channel();
        let subject = wanted.stack_id.clone();
        let start = {
            let mut shared = self.lock();
            let began_ms = self.world.clock.now_ms();
            let seen_events = wanted.since_ms;
            shared.watches.push(Watch { wanted, polls: 0, began_ms, seen_events, done: Some(done) });
            !std::mem::replace(&mut shared.running, true)
        };
        if start {
            tokio::spawn(self.clone().run());
        }
        ended.await.unwrap_or_else(|_| Err(gone(subject)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self) {
        loop {
            let pause = self.interval();
            self.world.clock.sleep(pause).await;
            let places = self.places();
            for (place, ids) in places {
                let seen = self.look(&place, &ids).await;
                self.take(&place, seen);
            }
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
        let now_ms = self.world.clock.now_ms();
        let mut past = shared.durations_ms.clone();
        past.sort_unstable();
        let oldest = shared.watches.iter().map(|w| now_ms - w.began_ms).max().unwrap_or(0);
        let typical = past.get(past.len() / 2).copied().unwrap_or(oldest);
        let interval = (typical / INTERVAL_PART).clamp(INTERVAL_MS.0, INTERVAL_MS.1);
        Duration::from_millis(u64::try_from(interval).unwrap_or(1_000))
    }

    fn places(&self) -> HashMap<Place, Vec<String>> {
        let mut places: HashMap<Place, Vec<String>> = HashMap::new();
        for watch in &self.lock().watches {
            places.entry(watch.wanted.place.clone()).or_default().push(watch.wanted.stack_id.clone());
        }
        places
    }

    /// Looks at a few stacks one by one, at many by a listing; whatever the listing lacks is looked at by its id.
    async fn look(&self, place: &Place, ids: &[String]) -> Called<HashMap<String, StackSummary>> {
        const SINGLY_MAX: usize = 2;
        let mut seen = HashMap::new();
        if ids.len() > SINGLY_MAX {
            seen.extend(self.world.stacks.list(place).await?.into_iter().map(|s| (s.id.clone(), s)));
        }
        for id in ids {
            if !seen.contains_key(id)
                && let Some(detail) = self.world.stacks.describe(place, id).await?
            {
                seen.insert(id.clone(), detail.summary);
            }
        }
        Ok(seen)
    }

    fn take(&self, place: &Place, seen: Called<HashMap<String, StackSummary>>) {
        let now_ms = self.world.clock.now_ms();
        let mut shared = self.lock();
        match seen {
            Ok(seen) => {
                shared.blind_since_ms = None;
                shared.settle(place, &seen, now_ms);
            }
            Err(error) => shared.endure(place, &error, now_ms),
        }
    }

    /// Reports what has happened to the resources of one stack; each poll it is the turn of another one.
    async fn show_events(&self) {
        let Some((place, id, cell, since_ms)) = self.lock().next_turn() else { return };
        let Ok(events) = self.world.stacks.events(&place, &id, since_ms).await else { return };
        let newest = events.iter().map(|e| e.at_ms).max().unwrap_or(since_ms - 1) + 1;
        if let Some(watch) = self.lock().watches.iter_mut().find(|w| w.wanted.stack_id == id) {
            watch.seen_events = watch.seen_events.max(newest);
        }
        for event in events.into_iter().filter(|e| !e.is_stack()) {
            self.world.reporter.report(&Event::ResourceChanged {
                cell: cell.clone(),
                logical_id: event.logical_id,
                resource_type: event.resource_type,
                status: event.status,
                reason: event.reason,
            });
        }
    }
}

impl Shared {
    fn settle(&mut self, place: &Place, seen: &HashMap<String, StackSummary>, now_ms: i64) {
        let mut durations = Vec::new();
        for watch in self.watches.iter_mut().filter(|w| w.wanted.place == *place) {
            let Some(summary) = seen.get(&watch.wanted.stack_id) else { continue };
            watch.polls += 1;
            if watch.has_ended(summary)
                && let Some(done) = watch.done.take()
            {
                durations.push(now_ms - watch.began_ms);
                // Whoever waited may have been cancelled; then nobody wants to know.
                let _ = done.send(Ok(summary.clone()));
            }
        }
        self.durations_ms.extend(durations);
        self.watches.retain(|w| w.done.is_some());
    }

    /// A failed poll says nothing about the stacks. Only when it is certain that no poll will succeed, or none has for
    /// long, are those who wait told that the end was not seen.
    fn endure(&mut self, place: &Place, error: &CallError, now_ms: i64) {
        let since_ms = *self.blind_since_ms.get_or_insert(now_ms);
        let hopeless = matches!(error.kind, CallErrorKind::Credentials | CallErrorKind::Denied);
        if !hopeless && now_ms - since_ms < BLIND_MS_MAX {
            tracing::debug!(%error, "a poll failed; the stacks go on");
            return;
        }
        for watch in self.watches.iter_mut().filter(|w| w.wanted.place == *place) {
            if let Some(done) = watch.done.take() {
                let _ = done.send(Err(error.clone()));
            }
        }
        self.watches.retain(|w| w.done.is_some());
    }

    fn next_turn(&mut self) -> Option<(Place, String, CellId, i64)> {
        if self.watches.is_empty() {
            return None;
        }
        self.turn = (self.turn + 1) % self.watches.len();
        let watch = &self.watches[self.turn];
        let wanted = &watch.wanted;
        Some((wanted.place.clone(), wanted.stack_id.clone(), wanted.cell.clone(), watch.seen_events))
    }
}

impl Watch {
    fn has_ended(&self, summary: &StackSummary) -> bool {
        if summary.status.phase() == Phase::Moving {
            return false;
        }
        let same_as_before = self.wanted.changed_from_ms == Some(summary.changed_at_ms);
        !same_as_before || self.polls >= STALE_POLLS
    }
}

fn gone(subject: String) -> CallError {
    CallError {
        kind: CallErrorKind::InDoubt,
        operation: "cloudformation:DescribeStacks",
        subject,
        message: "the poller ended before the operation did".to_owned(),
    }
}
