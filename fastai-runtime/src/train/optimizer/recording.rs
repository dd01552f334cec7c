//! What optimizers receive, for tests.

use std::cell::RefCell;

use super::GroupRates;

thread_local! {
    /// The settings of the steps on this thread so far, while somebody collects them.
    static COLLECTED: RefCell<Option<Vec<GroupRates>>> = const { RefCell::new(None) };
}

/// Calls `work`, and returns with its result the settings of every step that an optimizer took on this thread meanwhile.
pub(crate) fn received<T>(work: impl FnOnce() -> T) -> (T, Vec<GroupRates>) {
    COLLECTED.set(Some(Vec::new()));
    let result = work();
    (result, COLLECTED.take().unwrap_or_default())
}

/// Notes the settings of a step, if somebody collects them.
pub(super) fn note(rates: &GroupRates) {
    COLLECTED.with_borrow_mut(|collected| {
        if let Some(steps) = collected {
            steps.push(rates.clone());
        }
    });
}
