//! Checks and lowers the section `loss`.

use super::{TaskAt, bind};
use crate::catalog as c;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Entry, Name, Value, ValueKind};
use crate::habits;
use crate::recipe::{LossSpec, TaskKind};
use crate::schema::{Construct, LOSSES};
use crate::suggest::list;

pub(super) fn loss(value: &Value, task: Option<TaskAt>, out: &mut Diagnostics) -> Option<LossSpec> {
    let is_word = matches!(value.kind, ValueKind::Word(_));
    let with_keys = value.word_and_entries().filter(|(word, _)| is_word || word.text != LossSpec::GIVEN);
    let Some((word, entries)) = with_keys else {
        let help = match &value.kind {
            ValueKind::Broken => return None,
            ValueKind::Block(..) => "`loss: given`; the program supplies the loss and its parameters".to_string(),
            ValueKind::Call(name, _) => format!("parameters in braces: `{} {{ .. }}`", name.text.to_lowercase()),
            _ => "`loss: focal`, or `loss: focal { gamma: 1.5 }`".to_string(),
        };
        let text = format!("`loss` expects a loss, got {}", value.kind_name());
        out.error(&c::WRONG_TYPE, value.site, text, help);
        return None;
    };
    let construct = LOSSES.iter().copied().find(|known| known.name == word.text);
    if construct.is_none() && word.text != LossSpec::GIVEN {
        let all = || LOSSES.iter().map(|known| known.name).chain([LossSpec::GIVEN]).collect();
        let words: Vec<&str> = task.map_or_else(all, |(task, _)| LossSpec::words(task));
        let help = habits::word_help(&word.text, &words);
        out.error(&c::UNKNOWN_WORD, word.site, format!("unknown loss `{}`", word.text), help);
        return None;
    }
    if let Some((task, set)) = task.filter(|(task, _)| !LossSpec::words(*task).contains(&word.text.as_str())) {
        let text = format!("`{}` is no loss of `{}` data", word.text, task.word());
        let help = format!("one of {}", list(LossSpec::words(task)));
        out.error_beside(&c::TASK_OPTION, word.site, text, help, (set, "the task is set here"));
        return None;
    }
    match construct {
        Some(construct) => lower(construct, &word, entries, task, out),
        None => Some(LossSpec::Given),
    }
}

fn lower(
    construct: &'static Construct,
    word: &Name,
    given: &[Entry],
    task: Option<TaskAt>,
    out: &mut Diagnostics,
) -> Option<LossSpec> {
    let bound = bind::entries(construct, word, given, out);
    if let Some((TaskKind::SingleLabel, set)) = task
        && bound.given("alpha")
    {
        let text = "`alpha` weighs the tags that an image has against the others; an image with one label has none";
        let help = "remove `alpha`; `class_weights: balanced` weighs the classes";
        out.error_beside(&c::TASK_OPTION, bound.site("alpha", word.site), text, help, (set, "the task is set here"));
        return None;
    }
    LossSpec::lower(&bound)
}

/// Checks that a loss takes the section `key`.
pub(super) fn takes(loss: LossSpec, key: &str, site: Site, set: Site, out: &mut Diagnostics) {
    if if key == "label_smoothing" { loss.smooths() } else { loss.weighs() } {
        return;
    }
    let text = match loss {
        LossSpec::Given => format!("`{key}` does not reach a loss that the program supplies"),
        _ => format!("`{}` takes no `{key}`", loss.word()),
    };
    let help = match loss {
        LossSpec::Given => format!("remove `{key}`; the program's loss can do the same"),
        _ => format!("remove `{key}`, or `loss: cross_entropy`"),
    };
    out.error_beside(&c::LOSS_OPTION, site, text, help, (set, "the loss is set here"));
}
