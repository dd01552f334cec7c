//! Checks and lowers the section `loss`.

use super::{TaskAt, bind};
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Entry, Name, Value, ValueKind};
use crate::habits;
use crate::recipe::{LossSpec, TaskKind};
use crate::schema::{Construct, LOSSES};
use crate::suggest::list;

pub(super) fn loss(value: &Value, task: Option<TaskAt>, out: &mut Diagnostics) -> Option<LossSpec> {
    let nothing: &[Entry] = &[];
    let (word, entries) = match &value.kind {
        ValueKind::Word(word) => (Name { text: word.clone(), site: value.site }, nothing),
        ValueKind::Block(word, entries) if word.text != LossSpec::GIVEN => (word.clone(), entries.as_slice()),
        ValueKind::Broken => return None,
        other => {
            let help = match other {
                ValueKind::Block(..) => "`loss: given`; the program supplies the loss and its parameters".to_string(),
                ValueKind::Call(name, _) => format!("parameters in braces: `{} {{ .. }}`", name.text.to_lowercase()),
                _ => "`loss: focal`, or `loss: focal { gamma: 1.5 }`".to_string(),
            };
            let text = format!("`loss` expects a loss, got {}", value.kind_name());
            out.push(Diagnostic::error(&c::WRONG_TYPE, value.site, text).help(help));
            return None;
        }
    };
    let construct = LOSSES.iter().copied().find(|known| known.name == word.text);
    if construct.is_none() && word.text != LossSpec::GIVEN {
        let all: Vec<&str> = LOSSES.iter().map(|known| known.name).chain([LossSpec::GIVEN]).collect();
        let words = task.map_or(all.as_slice(), |(task, _)| LossSpec::words(task));
        let error = Diagnostic::error(&c::UNKNOWN_WORD, word.site, format!("unknown loss `{}`", word.text));
        out.push(error.help(habits::word_help(&word.text, words)));
        return None;
    }
    if let Some((task, set)) = task.filter(|(task, _)| !LossSpec::words(*task).contains(&word.text.as_str())) {
        let text = format!("`{}` is no loss of `{}` data", word.text, task.word());
        out.push(
            Diagnostic::error(&c::TASK_OPTION, word.site, text)
                .help(format!("one of {}", list(LossSpec::words(task).iter().copied())))
                .also(set, "the task is set here"),
        );
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
    match construct.name {
        "cross_entropy" => Some(LossSpec::CrossEntropy),
        "bce" => Some(LossSpec::Bce),
        "l1" => Some(LossSpec::L1),
        "mse" => Some(LossSpec::Mse),
        "huber" => Some(LossSpec::Huber { delta: bound.read("delta")? }),
        "asymmetric" => Some(LossSpec::Asymmetric {
            gamma_neg: bound.read("gamma_neg")?,
            gamma_pos: bound.read("gamma_pos")?,
            clip: bound.read("clip")?,
        }),
        _ => {
            if let Some((TaskKind::SingleLabel, set)) = task
                && bound.given("alpha")
            {
                let text =
                    "`alpha` weighs the tags that an image has against the others; an image with one label has none";
                out.push(
                    Diagnostic::error(&c::TASK_OPTION, bound.site("alpha", word.site), text)
                        .help("remove `alpha`; `class_weights: balanced` weighs the classes")
                        .also(set, "the task is set here"),
                );
                return None;
            }
            let alpha = bound.read("alpha");
            // A refused value is no value.
            (bound.given("alpha") == alpha.is_some()).then_some(())?;
            Some(LossSpec::Focal { gamma: bound.read("gamma")?, alpha })
        }
    }
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
    out.push(Diagnostic::error(&c::LOSS_OPTION, site, text).help(help).also(set, "the loss is set here"));
}
