//! Whether every state that can be reached has a way to a good end: what no property of a single state can say.

use std::collections::HashMap;
use std::hash::Hash;

use stateright::Model;

/// All states, and those from which no good end can be reached.
pub(super) struct Ends<S> {
    pub(super) states: usize,
    pub(super) lost: Vec<S>,
}

/// Follows every step from the first states, then every step backwards from the good ends.
pub(super) fn ends<M>(model: &M, is_end: impl Fn(&M::State) -> bool) -> Ends<M::State>
where
    M: Model,
    M::State: Clone + Eq + Hash,
{
    let mut places: HashMap<M::State, usize> = HashMap::new();
    let mut states = model.init_states();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); states.len()];
    places.extend(states.iter().cloned().enumerate().map(|(place, state)| (state, place)));
    let mut at = 0;
    while at < states.len() {
        let from = states[at].clone();
        for next in model.next_states(&from) {
            let place = *places.entry(next.clone()).or_insert_with(|| {
                states.push(next);
                before.push(Vec::new());
                states.len() - 1
            });
            before[place].push(at);
        }
        at += 1;
    }
    let good = backwards(&before, states.iter().map(is_end).collect());
    let lost = states.iter().zip(&good).filter(|(_, good)| !**good).map(|(state, _)| state.clone()).collect();
    Ends { states: states.len(), lost }
}

fn backwards(before: &[Vec<usize>], mut good: Vec<bool>) -> Vec<bool> {
    let mut left: Vec<usize> = (0..good.len()).filter(|place| good[*place]).collect();
    while let Some(place) = left.pop() {
        for from in &before[place] {
            if !good[*from] {
                good[*from] = true;
                left.push(*from);
            }
        }
    }
    good
}
