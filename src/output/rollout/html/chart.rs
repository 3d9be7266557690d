//! The timeline of a rollout: where each stretch of time begins and ends, in per cent of the width.
//!
//! Constraint kept: the order of time is never changed, but waiting is drawn short, so that a night before an approval does
//! not squeeze everything else into a line.

use serde::Serialize;

use crate::domain::rollout::event::{Entry, Event};
use crate::domain::rollout::machine::{Rollout, Stage};
use crate::ops::rollout::Shown;
use crate::output::moves::units::millis;
use crate::output::rollout::words;

/// Waiting takes this share of the time in which something was done, at the most: one part in so many.
const IDLE_PART: u64 = 12;
/// Work is as wide as one part in so many of the whole, at the least.
const BUSY_PART: u64 = 120;
/// Labels below the timeline.
const TICKS: u64 = 4;

/// A timeline.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    lanes: Vec<Lane>,
    ticks: Vec<Tick>,
    /// Whether some waiting is drawn shorter than it was.
    cut: bool,
}

/// What happened to a wave.
#[derive(Debug, Serialize)]
struct Lane {
    name: String,
    bars: Vec<Bar>,
    marks: Vec<Mark>,
}

#[derive(Debug, Serialize)]
struct Bar {
    class: &'static str,
    x: String,
    width: String,
    /// Whether there is room for a word in it.
    says: String,
}

#[derive(Debug, Serialize)]
struct Mark {
    class: &'static str,
    x: String,
    says: String,
}

#[derive(Debug, Serialize)]
struct Tick {
    x: String,
    anchor: &'static str,
    text: String,
}

/// A stretch of time in which stage and wave stayed the same.
struct Stretch {
    stage: Stage,
    wave: usize,
    from_ms: i64,
    to_ms: i64,
    /// Whether a failure ended it.
    failed: bool,
}

impl Stretch {
    fn length(&self) -> u64 {
        u64::try_from(self.to_ms.saturating_sub(self.from_ms)).unwrap_or(0)
    }

    fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Changing | Stage::Baking | Stage::TakingBack | Stage::TakenBack)
    }

    fn class(&self) -> &'static str {
        match (self.stage, self.failed) {
            (Stage::Changing, false) => "change",
            (Stage::Changing, true) => "change bad",
            (Stage::Baking, false) => "bake",
            (Stage::Baking, true) => "bake bad",
            (Stage::TakingBack, false) => "back",
            (Stage::TakingBack, true) => "back bad",
            _ => "idle",
        }
    }

    fn says(&self) -> String {
        let what = match self.stage {
            Stage::Changing => "changed",
            Stage::Baking => "baked",
            Stage::TakingBack => "taken back",
            Stage::TakenBack => "waited for late calls",
            _ => "waited",
        };
        let failed = if self.failed { ", failed" } else { "" };
        format!("{what} for {}{failed}", millis(self.length()))
    }
}

/// The timeline of a rollout.
pub(super) fn chart(shown: &Shown) -> Chart {
    let stretches = stretches(shown);
    let scale = Scale::of(&stretches);
    let lane = |(wave, name): (usize, &str)| Lane {
        name: name.to_owned(),
        bars: bars(&stretches, &scale, wave),
        marks: marks(shown, &scale, wave),
    };
    let names = shown.state.plan.waves.iter().map(|wave| wave.name.as_str());
    Chart { lanes: names.enumerate().map(lane).collect(), ticks: scale.ticks(), cut: scale.cut }
}

/// Folds the journal again, and notes when stage or wave changed. They leave no gap.
fn stretches(shown: &Shown) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut state: Option<Rollout> = None;
    for entry in &shown.journal {
        let next = match state.take() {
            None => Rollout::begin(entry),
            Some(before) => before.apply(entry),
        };
        // Who made `shown` has folded this journal before.
        let Ok(next) = next else { break };
        let is_other = found.last().is_none_or(|last| (last.stage, last.wave) != (next.stage, next.wave));
        if is_other {
            close(&mut found, entry.at_ms, next.stage);
            let (stage, wave) = (next.stage, next.wave);
            found.push(Stretch { stage, wave, from_ms: entry.at_ms, to_ms: entry.at_ms, failed: false });
        }
        state = Some(next);
    }
    let end_ms = shown.progress.as_ref().map_or(0, |progress| progress.at_ms).max(shown.state.at_ms);
    if !shown.state.stage.is_over() {
        close(&mut found, end_ms, shown.state.stage);
    }
    found
}

fn close(found: &mut [Stretch], at_ms: i64, next: Stage) {
    if let Some(last) = found.last_mut() {
        // A clock that was put back makes no negative time.
        last.to_ms = at_ms.max(last.from_ms);
        last.failed = matches!(next, Stage::Failed | Stage::BackFailed) && last.stage != next;
    }
}

fn bars(stretches: &[Stretch], scale: &Scale, wave: usize) -> Vec<Bar> {
    let of_wave = stretches.iter().filter(|one| one.wave == wave && one.length() > 0);
    let bar = |one: &Stretch| {
        let (from, to) = (scale.at(one.from_ms), scale.at(one.to_ms));
        Bar { class: one.class(), x: percent(from), width: percent(to - from), says: one.says() }
    };
    of_wave.map(bar).collect()
}

/// What somebody did, and what failed.
fn marks(shown: &Shown, scale: &Scale, wave: usize) -> Vec<Mark> {
    let plan = &shown.state.plan;
    let mark = |entry: &Entry| {
        let class = match &entry.event {
            Event::GatesFailed { wave: of, .. } if *of == wave => "bad",
            Event::Approved { wave: of, .. } if *of == wave => "word",
            Event::WavePassed { wave: of, promoted_by: Some(_), .. } if *of == wave => "word",
            _ => return None,
        };
        let says = format!("{} {}", entry.event.name(), words::detail(&entry.event, plan));
        Some(Mark { class, x: percent(scale.at(entry.at_ms)), says })
    };
    shown.journal.iter().filter_map(mark).collect()
}

/// From times to parts of 10,000 of the width.
struct Scale {
    /// Beginning of each stretch, its length, and where it is drawn from and to.
    pieces: Vec<Piece>,
    cut: bool,
}

struct Piece {
    from_ms: i64,
    length: u64,
    from: u64,
    to: u64,
}

/// The whole width.
const WIDTH: u64 = 10_000;

impl Scale {
    fn of(stretches: &[Stretch]) -> Self {
        let busy: u64 = stretches.iter().filter(|one| one.is_busy()).map(Stretch::length).sum();
        let all: u64 = stretches.iter().map(Stretch::length).sum();
        let idle_max = if busy == 0 { all } else { busy / IDLE_PART };
        let weight = |one: &Stretch| match (one.is_busy(), one.length()) {
            (_, 0) => 0,
            (true, length) => length.max(busy / BUSY_PART),
            (false, length) => length.min(idle_max),
        };
        let whole = stretches.iter().map(weight).sum::<u64>().max(1);
        let mut used = 0;
        let mut pieces = Vec::with_capacity(stretches.len());
        for one in stretches {
            let from = drawn(used, whole);
            used += weight(one);
            pieces.push(Piece { from_ms: one.from_ms, length: one.length(), from, to: drawn(used, whole) });
        }
        Self { pieces, cut: stretches.iter().any(|one| !one.is_busy() && one.length() > idle_max) }
    }

    fn at(&self, ms: i64) -> u64 {
        let Some(piece) = self.pieces.iter().rev().find(|piece| piece.from_ms <= ms) else { return 0 };
        let into = u64::try_from(ms.saturating_sub(piece.from_ms)).unwrap_or(0).min(piece.length);
        piece.from + scaled(into, piece.to - piece.from, piece.length)
    }

    /// Times at even distances, as how long after the beginning they are.
    fn ticks(&self) -> Vec<Tick> {
        let Some(begin) = self.pieces.first() else { return Vec::new() };
        let tick = |number: u64| {
            let at = WIDTH * number / TICKS;
            let anchor = if number == 0 {
                "start"
            } else if number == TICKS {
                "end"
            } else {
                "middle"
            };
            let after = u64::try_from(self.time(at).saturating_sub(begin.from_ms)).unwrap_or(0);
            Tick { x: percent(at), anchor, text: if number == 0 { "0".to_owned() } else { short(after) } }
        };
        (0..=TICKS).map(tick).collect()
    }

    fn time(&self, at: u64) -> i64 {
        let Some(piece) = self.pieces.iter().rev().find(|piece| piece.from < at) else { return 0 };
        let into = scaled(at - piece.from, piece.length, piece.to - piece.from).min(piece.length);
        piece.from_ms.saturating_add(i64::try_from(into).unwrap_or(i64::MAX))
    }
}

fn drawn(used: u64, whole: u64) -> u64 {
    scaled(used, WIDTH, whole)
}

/// `part` of `whole` as a part of `of`; nothing of nothing.
fn scaled(part: u64, of: u64, whole: u64) -> u64 {
    let product = u128::from(part) * u128::from(of);
    product.checked_div(u128::from(whole)).and_then(|scaled| u64::try_from(scaled).ok()).unwrap_or(0)
}

fn percent(at: u64) -> String {
    format!("{}.{:02}%", at / 100, at % 100)
}

/// A time that fits below the timeline: "40s", "12m", "3h 5m".
fn short(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..120 => format!("{s}s"),
        120..7200 => format!("{}m", s / 60),
        7200..172_800 => format!("{}h {}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
    }
}
