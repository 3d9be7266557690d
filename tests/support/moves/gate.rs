//! The gate that every call of a mover passes: it decides what goes wrong.
//!
//! Constraints kept: chance comes from the schedule's seed alone; a request without an answer may have happened, not, or
//! may happen later, though no later than its signature is good for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use cellctl::ops::event::Silent;
use cellctl::ops::moves::MoveWorld;
use cellctl::ports::{CallError, CallErrorKind, Called};
use tokio::sync::Notify;

use super::state::{Sim, State};

/// For how long a signature is good, in milliseconds.
pub(crate) const SIGNED_MS: i64 = 300_000;
/// For how long a request of a process that is gone is under way at the most, in milliseconds.
const UNDER_WAY_MS: u64 = 2_900;

/// Most calls of a schedule: more are a mover that runs in circles.
const CALLS_MAX: u64 = 100_000;

/// What goes wrong at one chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    /// The mover dies before it.
    CrashBefore,
    /// The mover dies after it.
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
}

/// A call, as the gate sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    name: &'static str,
    writes: bool,
    control: bool,
}

/// A call that reads.
pub(crate) fn read(name: &'static str) -> Call {
    Call { name, writes: false, control: false }
}

/// A call that writes.
pub(crate) fn write(name: &'static str) -> Call {
    Call { name, writes: true, control: false }
}

impl Call {
    /// The same at the control table.
    pub(crate) fn control(self) -> Self {
        Self { control: true, ..self }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Slow(u64),
    Struck(Strike),
    Unreachable,
    Late(u64),
}

/// A mover's place in the world: its ports, its clock, its life.
pub(crate) struct Seat {
    pub(crate) sim: Arc<Sim>,
    /// Number of the process.
    pub(crate) number: u32,
    pub(crate) one_machine: bool,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) ahead_ms: AtomicI64,
    /// Until when it stands still.
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
            one_machine: sim.with(|state| state.drawn.seed.is_multiple_of(2)),
            ahead_ms: AtomicI64::new(0),
            frozen_until_ms: AtomicI64::new(0),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// The ports of this process.
    pub(crate) fn world(self: &Arc<Self>) -> MoveWorld {
        MoveWorld {
            map: self.clone(),
            moves: self.clone(),
            data: self.clone(),
            streams: self.clone(),
            fences: self.clone(),
            queues: self.clone(),
            processes: self.clone(),
            clock: self.clone(),
            reporter: Arc::new(Silent),
        }
    }

    /// Ends when the process has died.
    pub(crate) async fn death(&self) {
        self.died.notified().await;
    }

    /// Ends the process from outside.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.sim.with(|state| state.dead.insert(self.number));
        self.died.notify_one();
    }

    async fn die(&self) -> ! {
        self.kill();
        std::future::pending::<()>().await;
        unreachable!("it is dead")
    }

    /// Waits until the process runs: for ever where it is dead.
    pub(crate) async fn awake(&self) {
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let left_ms = self.frozen_until_ms.load(Ordering::SeqCst) - self.sim.now_ms();
        if left_ms > 0 {
            tokio::time::sleep(Duration::from_millis(left_ms.unsigned_abs())).await;
        }
    }

    /// Carries out a call, as fate has it.
    pub(crate) async fn call<T, F>(&self, call: Call, effect: F) -> Called<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut State) -> Called<T> + Send + 'static,
    {
        self.awake().await;
        let (fate, before_ms, after_ms) = self.sim.with(|state| self.draw(state, call));
        pause(before_ms).await;
        self.awake().await;
        let doubt = || Err(error(doubt_of(call), call.name, "no answer came"));
        let outcome = match fate {
            Fate::Unreachable => Err(error(CallErrorKind::Unreachable, call.name, "no way there")),
            Fate::Struck(Strike::Throttled) => Err(error(CallErrorKind::Throttled, call.name, "slow down")),
            Fate::Struck(Strike::CrashBefore) => self.die().await,
            Fate::Struck(Strike::LostRequest) => doubt(),
            Fate::Struck(Strike::LostAnswer) => self.sim.with(effect).and_then(|_| doubt()),
            Fate::Struck(Strike::CrashAfter) => {
                let _ = self.sim.with(effect);
                self.die().await
            }
            Fate::Struck(Strike::Late) => self.later(2_000, effect, doubt),
            Fate::Late(late_ms) => self.later(late_ms, effect, doubt),
            Fate::Slow(slow_ms) => {
                pause(slow_ms).await;
                self.sim.with(effect)
            }
            Fate::Fine | Fate::Struck(Strike::Freeze) => self.sim.with(effect),
        };
        pause(after_ms).await;
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

    fn draw(&self, state: &mut State, call: Call) -> (Fate, u64, u64) {
        state.counts.calls += 1;
        assert!(state.counts.calls < CALLS_MAX, "movers run in circles: {}", call.name);
        let fate = self.fate(state, call);
        let (now_ms, code) = (state.now_ms, fate.code());
        state.trace.note(now_ms, call.name, fate.name(), u64::from(self.number) << 32 | code);
        if fate != Fate::Fine {
            state.counts.fault(fate.name());
        }
        (fate, state.rng.u64(0..3), state.rng.u64(0..3))
    }

    fn fate(&self, state: &mut State, call: Call) -> Fate {
        if let Some((at, strike)) = state.strike {
            let struck = state.counts.calls == at;
            if struck && strike == Strike::Freeze {
                self.freeze(state.now_ms + 400_000);
            }
            return if struck { Fate::Struck(strike) } else { Fate::Fine };
        }
        if call.control && state.now_ms < state.cut_off_until_ms {
            return Fate::Unreachable;
        }
        let faults = state.faults;
        let mut left = state.rng.u32(0..1_000);
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
            self.doubt(state, call)
        } else if is(faults.crash) {
            Self::crash(state)
        } else if is(faults.freeze) {
            self.freeze(state.now_ms + [1_000, 10_000, 70_000, 400_000][state.rng.usize(..4)]);
            state.counts.fault("frozen");
            Fate::Fine
        } else if is(faults.jump) {
            let jump_ms = [-400_000, -20_000, -1_000, 1_000, 20_000, 400_000][state.rng.usize(..6)];
            self.ahead_ms.store(jump_ms, Ordering::SeqCst);
            state.counts.fault("clock jumped");
            Fate::Fine
        } else if is(faults.cut_off) {
            state.cut_off_until_ms = state.now_ms + [2_000, 20_000, 90_000][state.rng.usize(..3)];
            state.counts.fault("control table cut off");
            Fate::Fine
        } else if is(faults.slow) {
            Fate::Slow(state.rng.u64(50..4_000))
        } else {
            Fate::Fine
        }
    }

    fn doubt(&self, state: &mut State, call: Call) -> Fate {
        let late_ms = if self.one_machine { UNDER_WAY_MS } else { SIGNED_MS.unsigned_abs() - 10_000 };
        match state.rng.u8(..4) {
            0 => Fate::Struck(Strike::LostRequest),
            1 | 2 => Fate::Struck(Strike::LostAnswer),
            _ if call.writes && state.rng.bool() => Fate::Late(state.rng.u64(1..2_000)),
            _ if call.writes => Fate::Late(state.rng.u64(1..late_ms)),
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

    fn freeze(&self, until_ms: i64) {
        self.frozen_until_ms.store(until_ms, Ordering::SeqCst);
    }
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Slow(_) => "slow",
            Self::Unreachable => "unreachable",
            Self::Late(_) | Self::Struck(Strike::Late) => "late effect",
            Self::Struck(Strike::CrashBefore) => "crash before",
            Self::Struck(Strike::CrashAfter) => "crash after",
            Self::Struck(Strike::LostAnswer) => "lost answer",
            Self::Struck(Strike::LostRequest) => "lost request",
            Self::Struck(Strike::Throttled) => "throttled",
            Self::Struck(Strike::Freeze) => "frozen",
        }
    }

    fn code(self) -> u64 {
        match self {
            Self::Slow(ms) | Self::Late(ms) => ms,
            _ => 0,
        }
    }
}

/// A read without an answer did nothing.
fn doubt_of(call: Call) -> CallErrorKind {
    if call.writes { CallErrorKind::InDoubt } else { CallErrorKind::Unreachable }
}

/// Waits; at nothing, lets the others have their turn.
pub(crate) async fn pause(ms: u64) {
    if ms == 0 {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
