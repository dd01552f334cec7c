//! The legal numbers of a key or a section.

use crate::draft::number;

/// Legal numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Smallest.
    pub lo: f64,
    /// Largest.
    pub hi: f64,
    /// Whether `lo` itself is legal.
    pub lo_in: bool,
    /// Whether `hi` itself is legal.
    pub hi_in: bool,
}

impl Range {
    /// Whether `x` is legal.
    pub const fn holds(&self, x: f64) -> bool {
        (x > self.lo || (self.lo_in && x == self.lo)) && (x < self.hi || (self.hi_in && x == self.hi))
    }
}

pub(crate) const fn range(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: true, hi_in: true }
}
pub(crate) const fn above(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: false, hi_in: true }
}
pub(crate) const fn open(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: false, hi_in: false }
}
pub(crate) const fn below(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: true, hi_in: false }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = number;
        match (self.lo_in, self.hi_in) {
            (true, true) => write!(f, "{} to {}", n(self.lo), n(self.hi)),
            (false, false) => write!(f, "between {} and {}, both excluded", n(self.lo), n(self.hi)),
            (true, false) => write!(f, "{} to below {}", n(self.lo), n(self.hi)),
            (false, true) => write!(f, "above {} to {}", n(self.lo), n(self.hi)),
        }
    }
}
