//! A direction as files state it: `lower_is_better`, true or false.

use fastai_dsl::Direction;
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(direction: &Direction, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bool(*direction == Direction::Lower)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Direction, D::Error> {
    Ok(if bool::deserialize(from)? { Direction::Lower } else { Direction::Higher })
}

/// The direction in files that state none.
pub(crate) fn unstated() -> Direction {
    Direction::Higher
}
