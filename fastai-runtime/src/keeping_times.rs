//! When the state of unfinished work is to be kept.

use std::time::{Duration, Instant};

/// A state is kept again after so many times the time that it took to keep.
const REST: u32 = 100;

/// When a state is to be kept: after a time, and so that keeping it takes at most a hundredth of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepingTimes {
    every: Duration,
    last: Instant,
    took: Duration,
}

impl KeepingTimes {
    /// From now on. `every` is the shortest time between two states; zero keeps each, however long that takes.
    pub(crate) fn new(every: Duration) -> Self {
        KeepingTimes { every, last: Instant::now(), took: Duration::ZERO }
    }

    /// Whether it is time to keep a state.
    pub(crate) fn is_due(&self) -> bool {
        let rest = if self.every.is_zero() { Duration::ZERO } else { REST * self.took };
        self.last.elapsed() >= self.every.max(rest)
    }

    /// A state was kept just now, or could not be, since `begun`.
    pub(crate) fn kept(&mut self, begun: Instant) {
        (self.last, self.took) = (Instant::now(), begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_states_are_kept_less_often() {
        let now = Instant::now();
        let at = |every, seconds, took| KeepingTimes {
            every: Duration::from_secs(every),
            last: now.checked_sub(Duration::from_secs(seconds)).unwrap(),
            took: Duration::from_millis(took),
        };
        assert!(at(60, 61, 100).is_due() && !at(60, 59, 0).is_due());
        assert!(!at(60, 61, 700).is_due() && at(60, 71, 700).is_due());
        assert!(at(0, 0, 700).is_due(), "zero is every batch");
    }
}
