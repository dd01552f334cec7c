//! When a snapshot was taken, and the names of its files.

/// The ending of the names of states.
const STATE: &str = "cbor";

/// When a snapshot was taken: after so many finished stages and batches of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SnapshotMoment {
    pub(super) finished: usize,
    pub(super) batches: u64,
}

impl SnapshotMoment {
    /// The start of the names of its files.
    pub(super) fn stem(self) -> String {
        match self.batches {
            0 => format!("after-{}", self.finished),
            batches => format!("after-{}-batch-{batches}", self.finished),
        }
    }

    /// The name of the state.
    pub(super) fn state(self) -> String {
        format!("{}.{STATE}", self.stem())
    }

    /// The place of the state with this name.
    pub(super) fn of_state(name: &str) -> Option<Self> {
        let stem = name.strip_prefix("after-")?.strip_suffix(STATE)?.strip_suffix('.')?;
        let (finished, batches) = match stem.split_once("-batch-") {
            Some((finished, batches)) => (finished, batches.parse().ok().filter(|batches| *batches > 0)?),
            None => (stem, 0),
        };
        Some(SnapshotMoment { finished: finished.parse().ok()?, batches })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_moment() {
        let stage = |finished| SnapshotMoment { finished, batches: 0 };
        let within = SnapshotMoment { finished: 2, batches: 31 };
        for (moment, name) in [(stage(2), "after-2.cbor"), (within, "after-2-batch-31.cbor")] {
            assert_eq!((moment.state().as_str(), SnapshotMoment::of_state(name)), (name, Some(moment)));
        }
        assert!(stage(2) < within && within < stage(3));
        for name in
            ["after-.cbor", "after-2-batch-0.cbor", "after-2-batch-.cbor", "after-2.safetensors", "before-2.cbor"]
        {
            assert_eq!(SnapshotMoment::of_state(name), None, "{name}");
        }
    }
}
