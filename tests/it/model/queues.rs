//! Step 12, QUEUES, as a model of its own: one message of the tenant, queues that deliver more than once, consumers and a
//! carrier that may stop anywhere.
//!
//! A consumer that stops drops what it has in hand; the message stays in the queue until somebody deletes it.

use stateright::{Model, Property};

pub(super) const ONCE: &str = "I9 a message takes effect once at most";
pub(super) const KEPT: &str = "I9 a message that had no effect is in a queue";
pub(super) const AFTER: &str = "I9 a message leaves the source after FLIP only";

/// Copies of the message in one queue at the most.
const COPIES_MAX: u8 = 2;

/// A guard that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// The target's consumer looks for no note.
    NoNoteAtTarget,
    /// The source's consumer leaves no note.
    NoNoteAtSource,
    /// A consumer deletes the message before it has sent it on.
    DeleteFirst,
    /// The carrier does.
    CarrierDeletesFirst,
    /// A consumer sends a message on that meets a sealed fence.
    ForwardSealed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fence {
    Open,
    Sealed,
    Out,
}

/// What somebody does with a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Hand {
    Free,
    Received,
    /// It is done with: the message is to be deleted.
    Done,
    /// It was deleted before it was sent on: with the guard away alone.
    Unsent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Queues {
    fence: Fence,
    source: bool,
    moved: u8,
    target: u8,
    consumers: [Hand; 2],
    carrier: Hand,
    landed: [Hand; 2],
    /// Notes of the origin's id, among the tenant's items of either cell.
    noted: [bool; 2],
    effects: u8,
    reopens: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Forwarding {
    pub(super) mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Seal,
    Reopen,
    Flip,
    Consume(usize),
    Carry,
    ConsumeAtTarget(usize),
    /// A consumer stops, or the message's time in its hand is over.
    DropAt(usize),
    DropCarried,
    DropAtTarget(usize),
}

impl Forwarding {
    fn has(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn consume(self, s: &mut Queues, who: usize) -> Option<()> {
        let next = match s.consumers[who] {
            Hand::Free if s.source => Hand::Received,
            Hand::Received if s.fence == Fence::Open => {
                s.effects = 2.min(s.effects + u8::from(!s.noted[0]));
                s.noted[0] = !self.has(Mutant::NoNoteAtSource);
                Hand::Done
            }
            Hand::Received if s.fence == Fence::Sealed && !self.has(Mutant::ForwardSealed) => Hand::Free,
            Hand::Received if self.has(Mutant::DeleteFirst) => {
                s.source = false;
                Hand::Unsent
            }
            Hand::Received | Hand::Unsent if s.moved < COPIES_MAX => {
                s.moved += 1;
                Hand::Done
            }
            Hand::Done => {
                s.source = false;
                Hand::Free
            }
            _ => return None,
        };
        s.consumers[who] = next;
        Some(())
    }

    fn carry(self, s: &mut Queues) -> Option<()> {
        s.carrier = match s.carrier {
            Hand::Free if s.moved > 0 => Hand::Received,
            Hand::Received if self.has(Mutant::CarrierDeletesFirst) => {
                s.moved = s.moved.saturating_sub(1);
                Hand::Unsent
            }
            Hand::Received | Hand::Unsent if s.target < COPIES_MAX => {
                s.target += 1;
                if s.carrier == Hand::Unsent { Hand::Free } else { Hand::Done }
            }
            Hand::Done => {
                s.moved = s.moved.saturating_sub(1);
                Hand::Free
            }
            _ => return None,
        };
        Some(())
    }

    fn consume_at_target(self, s: &mut Queues, who: usize) -> Option<()> {
        s.landed[who] = match s.landed[who] {
            Hand::Free if s.target > 0 => Hand::Received,
            Hand::Received if s.fence == Fence::Out => {
                s.effects = 2.min(s.effects + u8::from(!s.noted[1] || self.has(Mutant::NoNoteAtTarget)));
                s.noted[1] = true;
                Hand::Done
            }
            Hand::Done => {
                s.target = s.target.saturating_sub(1);
                Hand::Free
            }
            _ => return None,
        };
        Some(())
    }

    fn act(self, s: &mut Queues, action: Action) -> Option<()> {
        match action {
            Action::Seal if s.fence == Fence::Open => s.fence = Fence::Sealed,
            Action::Reopen if s.fence == Fence::Sealed && s.reopens == 0 => (s.fence, s.reopens) = (Fence::Open, 1),
            // The notes are items of the tenant: the move has brought them along.
            Action::Flip if s.fence == Fence::Sealed => (s.fence, s.noted[1]) = (Fence::Out, s.noted[0]),
            Action::Consume(who) => self.consume(s, who)?,
            Action::Carry => self.carry(s)?,
            Action::ConsumeAtTarget(who) => self.consume_at_target(s, who)?,
            Action::DropAt(who) => s.consumers[who] = Hand::Free,
            Action::DropCarried => s.carrier = Hand::Free,
            Action::DropAtTarget(who) => s.landed[who] = Hand::Free,
            _ => return None,
        }
        s.consumers.sort_unstable();
        s.landed.sort_unstable();
        Some(())
    }

    pub(super) fn is_settled(s: &Queues) -> bool {
        s.effects == 1 && !s.source && s.moved == 0 && s.target == 0
    }
}

impl Model for Forwarding {
    type State = Queues;
    type Action = Action;

    fn init_states(&self) -> Vec<Queues> {
        vec![Queues {
            fence: Fence::Open,
            source: true,
            moved: 0,
            target: 0,
            consumers: [Hand::Free; 2],
            carrier: Hand::Free,
            landed: [Hand::Free; 2],
            noted: [false; 2],
            effects: 0,
            reopens: 0,
        }]
    }

    fn actions(&self, _: &Queues, actions: &mut Vec<Action>) {
        actions.extend([Action::Seal, Action::Reopen, Action::Flip, Action::Carry, Action::DropCarried]);
        for who in 0..2 {
            actions.extend([Action::Consume(who), Action::DropAt(who)]);
            actions.extend([Action::ConsumeAtTarget(who), Action::DropAtTarget(who)]);
        }
    }

    fn next_state(&self, before: &Queues, action: Action) -> Option<Queues> {
        let mut next = *before;
        self.act(&mut next, action)?;
        (next != *before).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, s: &Queues| s.effects <= 1),
            Property::always(KEPT, |_, s: &Queues| s.effects > 0 || s.source || s.moved > 0 || s.target > 0),
            Property::always(AFTER, |_, s: &Queues| s.fence == Fence::Out || (s.moved == 0 && s.target == 0)),
            Property::sometimes("it takes effect in the target", |_, s: &Queues| {
                s.noted == [false, true] && Self::is_settled(s)
            }),
            Property::sometimes(
                "it is delivered to the target after it had its effect in the source",
                |_, s: &Queues| s.noted[0] && s.target > 0,
            ),
            Property::sometimes("two copies reach the target", |_, s: &Queues| s.target == COPIES_MAX),
        ]
    }
}
