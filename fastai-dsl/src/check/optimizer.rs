//! Checks and lowers the section `optimizer`.

use super::bind;
use crate::catalog as c;
use crate::diagnostic::Diagnostics;
use crate::draft::{Entry, Name, Value, ValueKind};
use crate::habits;
use crate::recipe::OptimizerSpec;
use crate::schema::{Construct, OPTIMIZERS};

pub(super) fn optimizer(value: &Value, out: &mut Diagnostics) -> Option<OptimizerSpec> {
    let Some((word, entries)) = value.word_and_entries() else {
        let help = match &value.kind {
            ValueKind::Broken => return None,
            ValueKind::Call(name, _) => format!("parameters in braces: `{} {{ .. }}`", name.text.to_lowercase()),
            _ => "`optimizer: adamw`, or `optimizer: adamw { betas: [0.9, 0.99] }`".to_string(),
        };
        let text = format!("`optimizer` expects an optimizer, got {}", value.kind_name());
        out.error(&c::WRONG_TYPE, value.site, text, help);
        return None;
    };
    let Some(construct) = OPTIMIZERS.iter().copied().find(|known| known.name == word.text) else {
        let words: Vec<&str> = OPTIMIZERS.iter().map(|known| known.name).collect();
        let lower = word.text.to_lowercase();
        let help = match words.iter().find(|known| **known == lower) {
            Some(known) => format!("did you mean `{known}`?"),
            None => habits::word_help(&word.text, &words),
        };
        out.error(&c::UNKNOWN_WORD, word.site, format!("unknown optimizer `{}`", word.text), help);
        return None;
    };
    lower(construct, &word, entries, out)
}

fn lower(construct: &'static Construct, word: &Name, given: &[Entry], out: &mut Diagnostics) -> Option<OptimizerSpec> {
    let bound = bind::entries(construct, word, given, out);
    if let Some(betas) = bound.written("betas")
        && !matches!(&betas.kind, ValueKind::List(both) if both.len() == 2)
    {
        let help = "for instance `[0.9, 0.999]`: of the gradients, and of their squares";
        out.error(&c::WRONG_TYPE, betas.site, "`betas` is a list of two numbers", help);
        return None;
    }
    let is_zero = bound.read::<f64>("momentum") == Some(0.0) && bound.known(&["momentum"]);
    if is_zero && bound.read("nesterov") == Some(true) {
        let site = bound.site("nesterov", word.site);
        let help = "remove `nesterov`, or give `momentum` a value such as `0.9`";
        out.error(&c::OUT_OF_RANGE, site, "`nesterov` looks ahead along the momentum, which is 0", help);
        return None;
    }
    OptimizerSpec::lower(&bound)
}
