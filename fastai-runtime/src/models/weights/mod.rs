//! The body's weights: the catalogue of published weights, search, download and loading.

mod digest;
#[cfg(feature = "download")]
mod download;
mod embedded;
mod fetch;
mod known;
mod load;
mod names;
mod pip;
#[cfg(feature = "download")]
mod pip_settings;
mod search;

pub use digest::{is_published, sha256, sha256_of};
pub use embedded::bundled;
pub use fetch::{Fetched, get, import};
pub use known::{Home, PUBLISHED, Published};
pub use load::{Inspection, body_digest, check, inspect, load_body, load_classifier};
pub use search::{Found, Origin, cache_folder, installed, own_folder, resolve};
