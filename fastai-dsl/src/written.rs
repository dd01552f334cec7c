//! Parameters of metrics and optimizers as text.

use crate::draft::number;
use crate::word::switch;

/// A parameter, as a recipe writes it.
pub(crate) trait Written {
    /// Its text.
    fn written(&self) -> String;
}

impl Written for u32 {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl Written for f64 {
    fn written(&self) -> String {
        number(*self)
    }
}

impl Written for bool {
    fn written(&self) -> String {
        switch(*self).to_string()
    }
}

impl Written for [f64; 2] {
    fn written(&self) -> String {
        let [a, b] = self.map(number);
        format!("[{a}, {b}]")
    }
}
