//! Storages, and what torch calls the types of their numbers.

use super::NumberType;

/// A block of numbers in the file.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) key: Box<str>,
    pub(super) element: NumberType,
    /// How many.
    pub(super) length: u64,
}

/// The type of the numbers in one of torch's storage classes.
pub(super) fn number_type(class: &str) -> Option<NumberType> {
    Some(match class {
        "DoubleStorage" => NumberType::F64,
        "FloatStorage" => NumberType::F32,
        "HalfStorage" => NumberType::F16,
        "BFloat16Storage" => NumberType::Bf16,
        "LongStorage" => NumberType::Integer(8),
        "IntStorage" => NumberType::Integer(4),
        "ShortStorage" => NumberType::Integer(2),
        "CharStorage" | "ByteStorage" | "BoolStorage" => NumberType::Integer(1),
        _ => return None,
    })
}
