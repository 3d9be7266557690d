//! The gate that every call of a pilot passes: it decides what goes wrong.
//!
//! Constraints kept: chance comes from the schedule's seed alone; a request without an answer may have happened, not, or
//! may happen later, though no later than its signature is good for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cellctl::domain::lock::ProcessId;
use cellctl::ops::World;
use cellctl::ops::event::Silent;
use cellctl::ops::rollout::RolloutWorld;
use cellctl::ports::{CallError, CallErrorKind, Called, Clock, Processes};
use tokio::sync::Notify;

use super::state::{Sim, State};

/// For how long a request of a process that is gone is under way at the most, in milliseconds, where its death is seen.
const UNDER_WAY_MS: u64 = 2_900;
/// The same where it is not: a signature is good for five minutes.
const SIGNED_MS: u64 = 290_000;
/// Calls of a schedule, for each cell: more are a pilot that runs in circles.
const CALLS_MAX: u64 = 200_000;

/// For how long a machine sleeps, in milliseconds.
const SLEEP_MS: i64 = 3_000_000;

/// What goes wrong at one chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    /// The pilot dies before it.
    CrashBefore,
    /// The pilot dies after it.
    CrashAfter,
    /// It happens, and its answer is lost.
    LostAnswer,
    /// It does not happen, and there is no answer.
    LostRequest,
    /// It is throttled.
    Throttled,
    /// It happens two seconds after its answer was given up.
    Late,
    /// The process stands still before it, for longer than its lease.
    Freeze,
    /// It stands still after it, for longer than anything that anybody waits for.
    Sleep,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Struck(Strike),
    Unreachable,
    Late(u64),
}

/// Whether a call reads or writes: an unanswered read did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
}

/// A pilot's place in the world: its ports, its clock, its life.
pub(crate) struct Seat {
    pub(crate) sim: Arc<Sim>,
    /// Number of the process; 0 for a person, to whom nothing happens.
    number: u32,
    one_machine: bool,
    ahead_ms: AtomicI64,
    frozen_until_ms: AtomicI64,
    dead: AtomicBool,
    died: Notify,
}

/// An error of the simulated service.
pub(crate) fn error(kind: CallErrorKind, operation: &'static str, message: &str) -> CallError {
    CallError { kind, operation, subject: "the simulation".to_owned(), message: message.to_owned() }
}

impl Seat {
    /// A new process.
    pub(crate) fn new(sim: &Arc<Sim>, number: u32) -> Arc<Self> {
        Arc::new(Self {
            sim: Arc::clone(sim),
            number,
            one_machine: sim.with(|state| state.drawn.one_machine),
            ahead_ms: AtomicI64::new(0),
            frozen_until_ms: AtomicI64::new(0),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// The ports of this process.
    pub(crate) fn world(self: &Arc<Self>) -> RolloutWorld {
        let world = World {
            stacks: self.clone(),
            identities: self.clone(),
            atoms: self.clone(),
            artifacts: self.clone(),
            control: self.clone(),
            map: self.clone(),
            fences: self.clone(),
            audit: self.clone(),
            packages: self.clone(),
            clock: self.clone(),
            reporter: Arc::new(Silent),
            parse: cellctl::wire::parse_document,
        };
        RolloutWorld {
            world,
            rollouts: self.clone(),
            signals: self.clone(),
            probes: self.clone(),
            moves: self.clone(),
            processes: self.clone(),
        }
    }

    /// Ends when the process has died.
    pub(crate) async fn death(&self) {
        self.died.notified().await;
    }

    async fn die(&self) -> ! {
        self.dead.store(true, Ordering::SeqCst);
        self.sim.with(|state| state.dead.insert(self.number));
        self.died.notify_one();
        loop {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the process runs: for ever where it is dead.
    async fn awake(&self) {
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let left_ms = self.frozen_until_ms.load(Ordering::SeqCst) - self.sim.now_ms();
        if left_ms > 0 {
            pause(left_ms.unsigned_abs()).await;
        }
    }

    /// Carries out a call, as fate has it.
    pub(crate) async fn call<T, F>(&self, kind: Kind, name: &'static str, effect: F) -> Called<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut State) -> Called<T> + Send + 'static,
    {
        self.awake().await;
        let (fate, before_ms) = self.sim.with(|state| self.draw(state, kind, name));
        pause(before_ms).await;
        self.awake().await;
        let lost = if kind == Kind::Write { CallErrorKind::InDoubt } else { CallErrorKind::Unreachable };
        let doubt = || Err(error(lost, name, "no answer came"));
        let outcome = match fate {
            Fate::Fine | Fate::Struck(Strike::Freeze) => self.sim.with(effect),
            Fate::Unreachable => Err(error(CallErrorKind::Unreachable, name, "no way there")),
            Fate::Struck(Strike::Throttled) => Err(error(CallErrorKind::Throttled, name, "slow down")),
            Fate::Struck(Strike::CrashBefore) => self.die().await,
            Fate::Struck(Strike::LostRequest) => doubt(),
            Fate::Struck(Strike::LostAnswer) => self.sim.with(effect).and_then(|_| doubt()),
            Fate::Struck(Strike::CrashAfter) => {
                let _ = self.sim.with(effect);
                self.die().await
            }
            Fate::Struck(Strike::Sleep) => {
                let outcome = self.sim.with(effect);
                self.frozen_until_ms.store(self.sim.now_ms() + SLEEP_MS, Ordering::SeqCst);
                outcome
            }
            Fate::Struck(Strike::Late) => self.later(2_000, effect, doubt),
            Fate::Late(late_ms) => self.later(late_ms, effect, doubt),
        };
        // Other tasks get their turn, as they do at every real call.
        pause(0).await;
        self.awake().await;
        outcome
    }

    /// The effect comes later than the answer would have.
    fn later<T, F>(&self, late_ms: u64, effect: F, doubt: impl FnOnce() -> Called<T>) -> Called<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut State) -> Called<T> + Send + 'static,
    {
        let sim = Arc::clone(&self.sim);
        tokio::spawn(async move {
            pause(late_ms).await;
            let _ = sim.with(effect);
        });
        doubt()
    }

    fn draw(&self, state: &mut State, kind: Kind, name: &'static str) -> (Fate, u64) {
        if self.number == 0 {
            return (Fate::Fine, 0);
        }
        state.calls += 1;
        let most = CALLS_MAX + 1_000 * state.drawn.cells() as u64;
        assert!(state.calls < most, "pilots run in circles: {name}, seed {}", state.drawn.seed);
        state.count(name);
        let fate = self.fate(state, kind);
        state.note(name, u64::from(self.number));
        if fate != Fate::Fine {
            state.count(fate.name());
            state.note(fate.name(), u64::from(self.number));
        }
        (fate, state.rng.u64(0..3))
    }

    fn fate(&self, state: &mut State, kind: Kind) -> Fate {
        if let Some((at, strike)) = state.strike {
            let struck = state.calls == at;
            if struck && strike == Strike::Freeze {
                self.frozen_until_ms.store(state.now_ms + 400_000, Ordering::SeqCst);
            }
            return if struck { Fate::Struck(strike) } else { Fate::Fine };
        }
        let faults = state.faults;
        let mut left = state.rng.u32(0..10_000);
        let mut is = |share: u32| {
            let hit = left < share;
            left = if hit { u32::MAX } else { left - share };
            hit
        };
        if is(faults.throttled) {
            Fate::Struck(Strike::Throttled)
        } else if is(faults.unreachable) {
            Fate::Unreachable
        } else if is(faults.doubt) {
            self.doubt(state, kind)
        } else if is(faults.crash) {
            Self::crash(state)
        } else if is(faults.freeze) {
            let for_ms = [1_000, 10_000, 70_000, 400_000][state.rng.usize(..4)];
            self.frozen_until_ms.store(state.now_ms + for_ms, Ordering::SeqCst);
            Fate::Struck(Strike::Freeze)
        } else if is(faults.jump) {
            let jump_ms = [-250_000, -20_000, 20_000, 250_000][state.rng.usize(..4)];
            self.ahead_ms.store(jump_ms, Ordering::SeqCst);
            state.count("clock jumped");
            Fate::Fine
        } else {
            Fate::Fine
        }
    }

    fn doubt(&self, state: &mut State, kind: Kind) -> Fate {
        match state.rng.u8(..4) {
            0 => Fate::Struck(Strike::LostRequest),
            1 if kind == Kind::Write => {
                let most = if self.one_machine { UNDER_WAY_MS } else { SIGNED_MS };
                Fate::Late(state.rng.u64(1..most))
            }
            _ => Fate::Struck(Strike::LostAnswer),
        }
    }

    fn crash(state: &mut State) -> Fate {
        if state.crashes >= state.drawn.crashes_max {
            return Fate::Fine;
        }
        state.crashes += 1;
        Fate::Struck(if state.rng.bool() { Strike::CrashBefore } else { Strike::CrashAfter })
    }
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Unreachable => "unreachable",
            Self::Late(_) | Self::Struck(Strike::Late) => "late effect",
            Self::Struck(Strike::CrashBefore) => "crash before",
            Self::Struck(Strike::CrashAfter) => "crash after",
            Self::Struck(Strike::LostAnswer) => "lost answer",
            Self::Struck(Strike::LostRequest) => "lost request",
            Self::Struck(Strike::Throttled) => "throttled",
            Self::Struck(Strike::Freeze | Strike::Sleep) => "frozen",
        }
    }
}

/// Waits; at nothing, lets the others have their turn.
pub(crate) async fn pause(ms: u64) {
    if ms == 0 {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

#[async_trait]
impl Clock for Seat {
    fn now_ms(&self) -> i64 {
        self.sim.now_ms() + self.ahead_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.sim.elapsed_ms() + 1_000_000
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        self.awake().await;
    }

    fn random(&self) -> f64 {
        self.sim.with(|state| state.rng.f64())
    }
}

impl Processes for Seat {
    fn me(&self) -> Option<ProcessId> {
        let (boot, space) = ("simulated".to_owned(), "one".to_owned());
        self.one_machine.then_some(ProcessId { boot, space, pid: self.number, started: u64::from(self.number) })
    }

    fn is_gone(&self, process: &ProcessId) -> bool {
        self.one_machine && self.sim.with(|state| state.dead.contains(&process.pid))
    }
}
