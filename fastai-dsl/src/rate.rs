//! Learning rates: fixed numbers, or rates that `lr_find` suggests while the recipe runs.

use std::fmt;
use std::ops::{Div, Mul};

use serde::{Deserialize, Serialize};

use crate::rate_names::RateNames;

/// Where a [`Rate`] starts from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// A number that is known at compile time.
    Fixed(f64),
    /// The suggestion of the recipe's n-th `lr_find` (0-based), known when that step has run.
    Found(u16),
}

/// A learning rate, `base * num / den`.
///
/// A rate that is yet to be found can only be scaled by positive constants, so that every rate of a recipe is meaningful
/// before the run: `lr / 9`, `lr * 0.1`.
///
/// ```
/// use fastai_dsl::Rate;
/// let lr = Rate::found(0);
/// assert_eq!((lr / 9.0).resolve(&[0.2]), Some(0.2 / 9.0));
/// assert_eq!(lr.resolve(&[]), None);
/// assert_eq!(Rate::from(0.2) / 2.0, Rate::from(0.1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    base: Base,
    num: f64,
    den: f64,
}

impl Rate {
    /// The suggestion of the `index`-th `lr_find` of the recipe.
    pub fn found(index: u16) -> Self {
        Rate { base: Base::Found(index), num: 1.0, den: 1.0 }
    }

    /// The base of the rate.
    pub fn base(&self) -> Base {
        self.base
    }

    /// The factor by which the base is multiplied.
    pub fn factor(&self) -> f64 {
        self.num / self.den
    }

    /// The numerator of the factor; 1 for a fixed rate.
    pub fn numerator(&self) -> f64 {
        self.num
    }

    /// The denominator of the factor; 1 for a fixed rate.
    pub fn denominator(&self) -> f64 {
        self.den
    }

    /// The rate as a number; `found[i]` is the suggestion of the `i`-th `lr_find`. `None` until that step has run.
    pub fn resolve(&self, found: &[f64]) -> Option<f64> {
        match self.base {
            Base::Fixed(x) => Some(x),
            Base::Found(i) => found.get(usize::from(i)).map(|x| x * self.num / self.den),
        }
    }

    /// The number, if it needs no `lr_find`.
    pub fn fixed(&self) -> Option<f64> {
        self.resolve(&[])
    }

    /// The rate with 15 significant digits, which removes the rounding of products: `lr * 0.01` for `lr` times 0.1 times 0.1.
    pub(crate) fn rounded(self) -> Rate {
        let short = |x: f64| format!("{x:.14e}").parse().unwrap_or(x);
        let base = match self.base {
            Base::Fixed(x) => Base::Fixed(short(x)),
            found @ Base::Found(_) => found,
        };
        Rate { base, num: short(self.num), den: short(self.den) }
    }

    /// The rate as text, with these names of found rates.
    pub(crate) fn text(&self, names: &RateNames) -> String {
        match self.base {
            Base::Fixed(x) => format!("{x:?}"),
            Base::Found(index) => {
                let factor = |sign: &str, x: f64| if x == 1.0 { String::new() } else { format!(" {sign} {x:?}") };
                format!("{}{}{}", names.of(index), factor("*", self.num), factor("/", self.den))
            }
        }
    }
}

impl From<f64> for Rate {
    fn from(x: f64) -> Self {
        Rate { base: Base::Fixed(x), num: 1.0, den: 1.0 }
    }
}

impl Mul<f64> for Rate {
    type Output = Rate;
    fn mul(self, k: f64) -> Rate {
        match self.base {
            Base::Fixed(x) => Rate::from(x * k),
            Base::Found(_) => Rate { num: self.num * k, ..self },
        }
    }
}

impl Div<f64> for Rate {
    type Output = Rate;
    fn div(self, k: f64) -> Rate {
        match self.base {
            Base::Fixed(x) => Rate::from(x / k),
            Base::Found(_) => Rate { den: self.den * k, ..self },
        }
    }
}

/// `0.01`, or `lr1 * 2.0 / 9.0` for a rate from `lr_find` (displayed finder numbers start at 1).
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&RateNames::default()))
    }
}
