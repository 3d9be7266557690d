//! What a mover hears of changes: records of the stream and notes, each of which only marks a key.

use super::mover::token_of;
use super::mutants::Mutant;
use super::protocol::{Level, Protocol};
use super::state::{Mode, Pc, Stage, State};

impl Protocol {
    fn captures(&self, s: &State, m: usize) -> bool {
        let stage = s.journal.stage;
        self.leads(s, m) && (Stage::Capturing..=Stage::CuttingOver).contains(&stage)
    }

    /// A record is read: its key goes to the ledger, then, if `forward`, the position behind it does. Without: the record
    /// comes again.
    pub(super) fn hear(&self, s: &mut State, m: usize, at: usize, forward: bool) -> Option<()> {
        let record = s.stream[at]?;
        if !self.captures(s, m) || (record.lost && !forward) {
            return None;
        }
        if forward {
            s.stream[at] = None;
        }
        if record.lost {
            return self.find_gap(s, m);
        }
        if self.has(Mutant::PositionFirst) {
            s.movers[m].heard = Some(record.key);
            return Some(());
        }
        s.image[usize::from(record.key)] = record.image;
        s.mark(usize::from(record.key));
        Some(())
    }

    /// A gap is journalled; a comparison under way begins anew.
    fn find_gap(&self, s: &mut State, m: usize) -> Option<()> {
        if self.has(Mutant::GapIgnored) {
            return Some(());
        }
        s.journal.owes = true;
        if matches!(s.movers[m].pc, Pc::Verify { .. } | Pc::Append(Stage::Verified)) && !self.has(Mutant::GapInVerify) {
            s.movers[m].pc = Pc::Verify { key: 0, read: None };
        }
        Some(())
    }

    /// What was read goes to the ledger after the position did.
    pub(super) fn persist(&self, s: &mut State, m: usize) -> Option<()> {
        let key = s.movers[m].heard?;
        if s.lease == token_of(m) {
            s.mark(usize::from(key));
        }
        s.movers[m].heard = None;
        Some(())
    }

    /// A note is read, its key goes to the ledger, and the note is deleted, by its number.
    pub(super) fn hear_note(&self, s: &mut State, m: usize, key: usize) -> Option<()> {
        let sealed = s.source[0].mode == Mode::Sealed && self.has(Mutant::NoNotes);
        if self.bounds.level == Level::Lease || !s.notes[key] || !self.captures(s, m) || sealed {
            return None;
        }
        s.notes[key] = false;
        s.mark(key);
        Some(())
    }
}
