//! Which numbers there are: a bit for each.
//!
//! Constraint kept: the next one is found by words, so that an empty table of a million costs nothing to read.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers below a bound.
pub(crate) struct Numbers {
    words: Mutex<Vec<u64>>,
}

impl Numbers {
    /// None of those below `bound`.
    pub(crate) fn none(bound: usize) -> Self {
        Self { words: Mutex::new(vec![0; bound.div_ceil(64)]) }
    }

    /// All of those below `bound`.
    pub(crate) fn all(bound: usize) -> Self {
        let all = Self::none(bound);
        (0..bound).for_each(|n| all.put(n, true));
        all
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is there.
    pub(crate) fn has(&self, n: usize) -> bool {
        self.lock().get(n / 64).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    /// From now on it is there, or not. The caller has seen to it that it is below the bound.
    pub(crate) fn put(&self, n: usize, there: bool) {
        let bit = 1 << (n % 64);
        let word = &mut self.lock()[n / 64];
        *word = if there { *word | bit } else { *word & !bit };
    }

    /// The first `max` of them from `from` on.
    pub(crate) fn from(&self, from: usize, max: usize) -> Vec<usize> {
        let words = self.lock();
        let there = words.iter().enumerate().skip(from / 64).filter(|(_, word)| **word != 0);
        let each = there.flat_map(|(at, word)| (0..64).filter(move |n| word >> n & 1 == 1).map(move |n| at * 64 + n));
        each.filter(|n| *n >= from).take(max).collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.lock().iter().map(|word| u64::from(word.count_ones())).sum()
    }
}
