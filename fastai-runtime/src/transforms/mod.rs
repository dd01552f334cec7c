//! Transform sets and their parts.
