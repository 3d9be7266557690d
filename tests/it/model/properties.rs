//! The invariants of `docs/move-protocol.md` as properties, and what must be reachable so that they say something.

use stateright::Property;

use super::protocol::{Bounds, Level, Protocol, has_zombie_write};
use super::state::{Cell, KEYS_MAX, Mode, Stage, State};

pub(super) const I1: &str = "I1 at most one cell accepts writes";
pub(super) const I2: &str = "I2 the cell that serves has every acknowledged write";
pub(super) const I3: &str = "I3 no write commits by a fence that is sealed or out";
pub(super) const I4: &str = "I4 a key that differs is dirty, or about to be";
pub(super) const I5: &str = "I5 a deleted item does not come back";
pub(super) const I6: &str = "I6 nothing of a mover that lost its lease counts";
pub(super) const I7: &str = "I7 before FLIP the source is unharmed";
pub(super) const I8: &str = "I8 anybody can reopen a sealed source";
pub(super) const I11: &str = "I11 after FLIP there is no way back";

pub(super) fn always() -> Vec<Property<Protocol>> {
    vec![
        Property::always(I1, one_cell_accepts),
        Property::always(I2, serves_all_writes),
        Property::always(I3, |_, s: &State| !s.late),
        Property::always(I4, changes_are_known),
        Property::always(I5, nothing_comes_back),
        Property::always(I6, |_, s: &State| !s.foul),
        Property::always(I7, source_is_unharmed),
        Property::always(I8, can_be_reopened),
        Property::always(I11, no_way_back),
    ]
}

fn one_cell_accepts(model: &Protocol, s: &State) -> bool {
    let source = s.source[..model.bounds.shards].iter().any(|shard| shard.accepts());
    !(source && s.target.accepts())
}

/// The items of the cell that serves the tenant; none between the first and the second write of a FLIP in three.
fn served(s: &State) -> Option<&[u8; KEYS_MAX]> {
    if s.target.mode == Mode::Open {
        return Some(&s.dst);
    }
    (!s.flipped).then_some(&s.src)
}

fn serves_all_writes(model: &Protocol, s: &State) -> bool {
    let Some(items) = served(s) else { return true };
    (0..model.bounds.keys).all(|key| s.truth[key] == 0 || items[key] == s.truth[key])
}

fn nothing_comes_back(model: &Protocol, s: &State) -> bool {
    let Some(items) = served(s) else { return true };
    (0..model.bounds.keys).all(|key| s.truth[key] != 0 || items[key] == 0)
}

/// From the barrier to FLIP. Before, a request under way may differ from what is known; it is waited for.
fn changes_are_known(model: &Protocol, s: &State) -> bool {
    if s.flipped || !(Stage::Barred..=Stage::CuttingOver).contains(&s.journal.stage) {
        return true;
    }
    let in_stream = |key: usize| s.stream.iter().flatten().any(|record| usize::from(record.key) == key);
    let is_known = |key: usize| s.dirty[key] || s.notes[key] || s.journal.owes || in_stream(key);
    (0..model.bounds.keys).all(|key| s.src[key] == s.dst[key] || is_known(key))
}

fn source_is_unharmed(model: &Protocol, s: &State) -> bool {
    let shards = &s.source[..model.bounds.shards];
    if s.journal.stage == Stage::Aborted {
        let is_open = shards.iter().all(|shard| shard.mode == Mode::Open && shard.epoch == s.entry.epoch);
        let is_clean = s.dst == [0; KEYS_MAX] && !matches!(s.target.mode, Mode::Incoming | Mode::Open);
        return is_open && is_clean && s.entry.cell == Cell::Source && !s.entry.moving;
    }
    s.flipped || shards.iter().all(|shard| shard.accepts() || shard.mode == Mode::Sealed)
}

/// Without a mover: every sealed shard is reopened by whoever comes by, and then all accept writes.
fn can_be_reopened(model: &Protocol, s: &State) -> bool {
    if s.flipped {
        return true;
    }
    let mut then = *s;
    for shard in 0..model.bounds.shards {
        let _ = model.reopen(&mut then, shard);
    }
    then.source[..model.bounds.shards].iter().all(|shard| shard.accepts())
}

fn no_way_back(model: &Protocol, s: &State) -> bool {
    !s.flipped || s.source[..model.bounds.shards].iter().all(|shard| shard.mode == Mode::Out)
}

/// What must be reachable within these bounds.
pub(super) fn sometimes(bounds: &Bounds) -> Vec<Property<Protocol>> {
    let mut properties = vec![
        Property::sometimes("a move completes after writes", |model: &Protocol, s: &State| {
            s.journal.stage == Stage::Completed && s.writes == model.bounds.writes
        }),
        Property::sometimes("a sealed source is reopened", |_, s: &State| s.source[0].epoch == 3 && !s.flipped),
    ];
    if bounds.cutovers > 1 {
        properties.push(Property::sometimes("a move completes at the second cutover", |_, s: &State| {
            s.journal.stage == Stage::Completed && s.journal.cutovers == 2
        }));
    }
    if bounds.movers > 1 {
        properties.push(Property::sometimes("a move is completed by another mover", |_, s: &State| {
            s.journal.stage == Stage::Completed && s.journal.by == 2
        }));
        properties.push(Property::sometimes("a zombie's write arrives late", |_, s: &State| has_zombie_write(s)));
    }
    if bounds.aborts {
        properties.push(Property::sometimes("a move is given up", |_, s: &State| s.journal.stage == Stage::Aborted));
    }
    if bounds.moves > 1 {
        properties.push(Property::sometimes("a move completes after one was given up", |_, s: &State| {
            s.journal.stage == Stage::Completed && s.journal.id == 2
        }));
    }
    if bounds.level != Level::Lease {
        properties.push(Property::sometimes("a writer leaves a note", |_, s: &State| s.notes != [false; KEYS_MAX]));
    }
    if bounds.gaps {
        properties.push(Property::sometimes("a comparison is owed", |_, s: &State| s.journal.owes));
    }
    if bounds.shards > 1 {
        properties.push(Property::sometimes("a shard is reopened, another still sealed", |_, s: &State| {
            s.source[0].mode == Mode::Open && s.source[0].epoch == 3 && s.source[1].mode == Mode::Sealed
        }));
    }
    if bounds.three {
        properties.push(Property::sometimes("the source is out, the target not open yet", |_, s: &State| {
            s.flipped && s.target.mode == Mode::Incoming
        }));
    }
    if bounds.back {
        properties.push(Property::sometimes("the tenant comes back", |_, s: &State| {
            s.journal.stage == Stage::Completed && s.entry.cell == Cell::Source
        }));
    }
    properties
}
