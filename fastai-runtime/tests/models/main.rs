//! Networks against the numbers of their references.

mod folding;
mod parity;
mod reference;
mod squeezenet;
