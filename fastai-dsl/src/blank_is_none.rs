//! `None` in files that state it as an empty text, for serde's `with`.

use serde::{Deserialize, Deserializer, Serializer};

/// Writes `None` as an empty text, as every stored recipe does.
///
/// # Errors
/// Those of the format.
pub fn serialize<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text.as_deref().unwrap_or_default())
}

/// Reads an empty text, or nothing, as `None`.
///
/// # Errors
/// Those of the format.
pub fn deserialize<'de, D: Deserializer<'de>, T: From<String>>(from: D) -> Result<Option<T>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    Ok(text.filter(|text| !text.is_empty()).map(T::from))
}
