//! Checks the steps of `train`: each against its construct, then the states that they lead through.

mod rates;
mod saved;

use rates::{decays, lr_find, rates};
use saved::{Saved, average, cycle_saves, load, save};

use super::{bind, course, data, model};
use crate::arch::{ArchFacts, GROUPS};
use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Arg, Draft, Entry, StepCall, Stmt, ValueKind};
use crate::help;
use crate::plan::BodyState;
use crate::recipe::{Fit, HeadSpec, Step, StepKind, TaskKind};
use crate::schedule;

/// The most epochs of a recipe. At one second each they take eleven days.
const MAX_EPOCHS: u64 = 1_000_000;

/// Facts from the other sections that the steps depend on; `None` where a section is broken.
pub(super) struct Context {
    pub(super) task: Option<TaskKind>,
    pub(super) facts: Option<&'static ArchFacts>,
    /// Whether the body's weights are random, and where the recipe says so.
    pub(super) random: Option<(bool, Site)>,
    /// Whether images are held out, and where the recipe says so.
    pub(super) valid: Option<(bool, Site)>,
    pub(super) head: Option<HeadSpec>,
    /// Side of the images' scaled copies, and where the recipe sets it.
    pub(super) copies: Option<(u32, Site)>,
    /// Where the recipe averages the weights of every fit.
    pub(super) ema: Option<Site>,
}

/// The state between two steps, as far as it decides which steps are legal.
struct Walk<'a> {
    /// `None` after a broken step or section, about whose consequences the checks stay silent.
    body: Option<BodyState>,
    /// The step that led to `body`.
    since: Site,
    context: &'a Context,
    head: Option<HeadSpec>,
    saved: Vec<Saved>,
    /// Whether a `save` could not be parsed; its name may be any.
    saved_something: bool,
    finders: u16,
    /// Epochs so far.
    epochs: u64,
}

pub(super) fn steps(flat: &Draft, context: &Context, out: &mut Diagnostics) -> Option<(Vec<Step>, Vec<Site>)> {
    let Some(train) = &flat.train else {
        let meant = |e: &Entry| e.key.text.is_empty() || help::meant_section(&e.key.text) == Some("train");
        if flat.sections.iter().any(meant) {
            return None;
        }
        let help = "`train: { fit(1e-2, 3); },`";
        out.error(&c::MISSING_SECTION, flat.name.site, format!("`{}` has no section `train`", flat.name.text), help);
        return None;
    };
    if train.body.is_empty() {
        if train.broken {
            return None;
        }
        out.error(&c::NO_STEPS, train.key.site, "`train` holds no step", "`train: { fit(1e-2, 3); }`");
        return None;
    }
    let mut state = Walk {
        body: context.random.map(|(random, _)| if random { BodyState::Unfrozen } else { BodyState::Frozen }),
        since: context.random.map_or(Site::NONE, |(_, site)| site),
        context,
        head: context.head.clone(),
        saved: Vec::new(),
        saved_something: false,
        finders: 0,
        epochs: 0,
    };
    let mut steps = Vec::new();
    let mut trace = Vec::new();
    let mut whole = true;
    for stmt in &train.body {
        let Stmt::Step(call) = stmt else { continue };
        let mut found = Diagnostics::default();
        let step = step(call, &mut state, &mut found);
        // A loop's body is checked in every round, with other numbers in the messages: only the first failure is reported.
        let new = |d: &&Diagnostic| call.rounds.is_empty() || !out.has(d.code, d.site);
        let found: Vec<Diagnostic> = found.iter().filter(new).cloned().collect();
        for mut diagnostic in found {
            if !call.rounds.is_empty() && diagnostic.note.is_none() {
                diagnostic.note = Some(format!("when {}", call.rounds.join(", ")));
            }
            out.push(diagnostic);
        }
        match step {
            Some(step) => {
                steps.push(step);
                trace.push(call.word.site);
            }
            None => whole = false,
        }
    }
    whole.then_some((steps, trace))
}

fn step(call: &StepCall, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    let word = call.word.text.as_str();
    let Some(kind) = StepKind::parse(word) else {
        let help = help::step_help(word, &call.args, state.context.task);
        out.error(&c::UNKNOWN_STEP, call.word.site, format!("unknown step `{word}`"), help);
        return None;
    };
    let mut found = Diagnostics::default();
    let bound = bind::args(kind.construct(), &call.word, call.word.site, &call.args, &mut found);
    let of_second = |error: &Diagnostic| call.args.get(1).is_some_and(|second| second.value.site == error.site);
    out.extend_with(found, |error| rate_first(call).filter(|_| of_second(error)));
    let site = call.word.site;
    match kind {
        StepKind::Precompute => precompute(bound.read("state"), site, state, out),
        StepKind::Unfreeze => Some(unfreeze(Step::Unfreeze, site, state, out)),
        StepKind::Freeze => {
            if state.body == Some(BodyState::Unfrozen) {
                (state.body, state.since) = (Some(BodyState::Frozen), site);
            }
            Some(Step::Freeze)
        }
        StepKind::FreezeTo => freeze_to(&bound, site, state, out),
        StepKind::BnFreeze => Some(Step::BnFreeze { on: bound.read("state")? }),
        StepKind::Fit => fit(&bound, site, state, out),
        StepKind::FitOneCycle => fit_one_cycle(&bound, site, state, out),
        StepKind::LrFind => lr_find(&bound, site, state, out),
        StepKind::Head => {
            state.head = model::head(&bound, site, out);
            state.head.clone().map(Step::Head)
        }
        StepKind::Resize => {
            // The second number of `resize(224, 224)` is hardly meant as a batch size.
            if let Some(second) = call.args.iter().filter(|arg| arg.name.is_none()).nth(1) {
                let help = format!("another batch size is named: `batch = {}`", second.value);
                out.error(&c::TOO_MANY, second.value.site, "images are square: `resize` takes one side", help);
                return None;
            }
            let size = bound.read("size")?;
            let at = bound.site("size", site);
            model::size_fits(size, state.context.facts, at, out);
            if let Some((side, copies)) = state.context.copies
                && bound.known(&["size"])
            {
                data::copies_fit(size, side, copies, at, out);
            }
            Some(Step::Resize { size, batch: bound.read("batch") })
        }
        StepKind::Tta => tta(&bound, site, state, out),
        StepKind::Save => save(&bound, site, state, out),
        StepKind::Load => load(&bound, site, state, out),
        StepKind::Average => average(&bound, site, state, out),
    }
}

/// The help for a `fit` with its first two arguments in the original's order, first the epochs.
fn rate_first(call: &StepCall) -> Option<String> {
    let [Arg { name: None, value: epochs }, Arg { name: None, value: rate }, ..] = call.args.as_slice() else {
        return None;
    };
    let rate = match (&epochs.kind, &rate.kind) {
        (ValueKind::Number(n), ValueKind::Number(x)) if n.fract() == 0.0 && x.fract() != 0.0 => rate.to_string(),
        (ValueKind::Number(n), ValueKind::Rate(_)) if n.fract() == 0.0 => "lr".to_string(),
        _ => return None,
    };
    let trains = matches!(call.word.text.as_str(), "fit" | "fit_one_cycle");
    trains.then(|| format!("the rate comes first: `{}({rate}, {epochs});`", call.word.text))
}

fn precompute(on: Option<bool>, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    let Some(on) = on else {
        state.body = None;
        return None;
    };
    match (on, state.body) {
        (true, Some(BodyState::Unfrozen)) => {
            if state.context.random.is_some_and(|(random, place)| random && place == state.since) {
                let text = "activations of a random body are of no use";
                let help = "`weights: pretrained` in `model`, or remove this step";
                out.error_beside(&c::PRECOMPUTE_RANDOM, site, text, help, (state.since, "random weights"));
            } else {
                let text = "the body trains, so its activations will change";
                let since = (state.since, "the body trains since here");
                out.error_beside(&c::PRECOMPUTE_UNFROZEN, site, text, "freeze it first: `freeze();`", since);
            }
            (state.body, state.since) = (Some(BodyState::Precomputed), site);
        }
        (true, Some(BodyState::Frozen)) | (true, None) => {
            (state.body, state.since) = (Some(BodyState::Precomputed), site)
        }
        (false, Some(BodyState::Precomputed)) => (state.body, state.since) = (Some(BodyState::Frozen), site),
        _ => {}
    }
    Some(Step::Precompute { on })
}

fn unfreeze(step: Step, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Step {
    if state.body == Some(BodyState::Precomputed) {
        let text = format!("`{}` needs images, but `precompute` is on", step.word());
        let help = "`precompute(off);` before it";
        out.error_beside(&c::UNFREEZE_PRECOMPUTED, site, text, help, (state.since, "switched on here"));
    }
    (state.body, state.since) = (Some(BodyState::Unfrozen), site);
    step
}

fn freeze_to(bound: &Bound, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    const GROUP_COUNT: i32 = GROUPS as i32;
    let group: Option<i32> = bound.read("group");
    let known = group.filter(|_| bound.known(&["group"]));
    if known.is_some_and(|group| group == -1 || group == GROUP_COUNT - 1) {
        // Only the head trains: what `freeze()` says.
        if state.body == Some(BodyState::Unfrozen) {
            (state.body, state.since) = (Some(BodyState::Frozen), site);
        }
        return Some(Step::Freeze);
    }
    // The body trains from here on, whichever group it is.
    let step = unfreeze(Step::FreezeTo { group: group.unwrap_or(0) }, site, state, out);
    if let Some(group) = known.filter(|group| !(-GROUP_COUNT..GROUP_COUNT).contains(group)) {
        let text = format!("there is no layer group {group}: the network has {GROUPS}");
        let (before, last) = (GROUPS - 2, GROUPS - 1);
        let help = format!("`freeze_to({before})`, the group before the head; 0 to {last}, or -1 for the last");
        out.error(&c::NO_GROUP, bound.site("group", site), text, help);
        return None;
    }
    group.map(|_| step)
}

fn fit(bound: &Bound, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    if !bound.given("cycle_len") {
        if bound.given("cycle_mult") {
            let text = "`cycle_mult` needs `cycle_len`: without it there are no cycles that could grow";
            out.error(&c::MULT_WITHOUT_LEN, bound.site("cycle_mult", site), text, "`cycle_len = 1`");
        }
        if bound.given("anneal") {
            let text = "`anneal` needs `cycle_len`: without it the rate is constant";
            out.error(&c::ANNEAL_WITHOUT_LEN, bound.site("anneal", site), text, "`cycle_len = 1`");
        }
    }
    let mut good = true;
    if let (Some(cycles), Some(mult)) = (bound.read::<u32>("cycles"), bound.read::<u32>("cycle_mult"))
        && bound.known(&["cycles", "cycle_len", "cycle_mult"])
    {
        let epochs = schedule::epochs(cycles, bound.read("cycle_len"), mult);
        let key = if mult > 1 { "cycle_mult" } else { "cycles" };
        good = epochs_count(epochs, key, bound.site(key, site), state, out);
    }
    let course = course::of_fit(bound, site, out);
    let (lrs, wds) = (rates(bound, site, state, out), decays(bound, site, out));
    let fit = Fit {
        lrs: lrs?,
        cycles: bound.read("cycles")?,
        cycle_len: bound.read("cycle_len"),
        cycle_mult: bound.read("cycle_mult")?,
        wds: wds?,
        anneal: bound.read("anneal")?,
        course: course?,
        stop_early: bound.read("stop_early"),
        cycle_save_name: cycle_saves(bound, site, state, out)?,
        swa: bound.read("swa"),
    };
    let good = stops_early(bound, &fit, site, state, out) && good;
    (averages(bound, &fit, site, state, out) && good).then_some(Step::Fit(fit))
}

/// Checks that the fit has the ends that `swa` averages, and averages nothing else.
fn averages(bound: &Bound, fit: &Fit, site: Site, state: &Walk, out: &mut Diagnostics) -> bool {
    let Some(ends) = fit.swa else { return !bound.given("swa") };
    let at = bound.site("swa", site);
    let mut good = true;
    if bound.known(&["swa", "cycles"]) && ends > fit.cycles {
        let what = if fit.cycle_len.is_some() { "cycles" } else { "epochs" };
        let text = format!("`swa = {ends}` averages more {what} than the {} of the fit", fit.cycles);
        let help = match fit.cycles {
            1 => format!("remove `swa`, or train for more {what}"),
            cycles => format!("at most `swa = {cycles}`, or train for more {what}"),
        };
        out.error(&c::OUT_OF_RANGE, at, text, help);
        good = false;
    }
    let mut excludes = |text: &str, help: &str, other: Site, what: &str| {
        out.error_beside(&c::SWA_EXCLUDES, at, text, help, (other, what));
        good = false;
    };
    if let Some(ema) = state.context.ema {
        let help = "remove `swa`, or the section `ema`";
        excludes("`swa` and `ema` are two averages of the same weights", help, ema, "the other average");
    }
    if bound.given("stop_early") {
        let (text, stop) =
            ("`stop_early` may end the fit before the epochs that `swa` averages", bound.site("stop_early", site));
        excludes(text, "remove `swa` or `stop_early`", stop, "ends the fit early");
    }
    good
}

/// Checks that the fit can end early.
fn stops_early(bound: &Bound, fit: &Fit, site: Site, state: &Walk, out: &mut Diagnostics) -> bool {
    let Some(comparisons) = fit.stop_early else { return !bound.given("stop_early") };
    let at = bound.site("stop_early", site);
    let mut good = true;
    if let Some((false, place)) = state.context.valid {
        let text = "`stop_early` compares epochs on validation images, and there are none";
        let help = "hold some out: `valid: random(0.2)`, or remove `stop_early`";
        out.error_beside(&c::NEEDS_VALIDATION, at, text, help, (place, "none are held out here"));
        good = false;
    }
    // The first comparison has nothing to compare with, and the last one ends nothing.
    if bound.known(&["stop_early", "cycles"]) && u64::from(comparisons) + 2 > u64::from(fit.cycles) {
        let what = if fit.cycle_len.is_some() { "cycles" } else { "epochs" };
        let text = format!("`stop_early = {comparisons}` cannot end a fit of {} {what} early", fit.cycles);
        let help = match fit.cycles {
            0..=2 => format!("remove `stop_early`, or train for more {what}"),
            cycles => format!("at most `stop_early = {}`, or train for more {what}", cycles - 2),
        };
        out.error(&c::OUT_OF_RANGE, at, text, help);
        good = false;
    }
    good
}

fn fit_one_cycle(bound: &Bound, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    let epochs: Option<u32> = bound.read("epochs");
    let mut good = true;
    if let Some(epochs) = epochs.filter(|_| bound.known(&["epochs"])) {
        good = epochs_count(u64::from(epochs), "epochs", bound.site("epochs", site), state, out);
    }
    let course = course::one_cycle(bound, site, out);
    let (lrs, wds) = (rates(bound, site, state, out), decays(bound, site, out));
    let fit = Fit {
        lrs: lrs?,
        cycles: epochs?,
        cycle_len: None,
        cycle_mult: StepKind::Fit.construct().default("cycle_mult"),
        wds: wds?,
        anneal: StepKind::Fit.construct().default("anneal"),
        course: course?,
        stop_early: None,
        cycle_save_name: None,
        swa: None,
    };
    good.then_some(Step::Fit(fit))
}

/// Adds a step's epochs; false if there are too many.
fn epochs_count(epochs: u64, key: &str, site: Site, state: &mut Walk, out: &mut Diagnostics) -> bool {
    state.epochs = state.epochs.saturating_add(epochs);
    if state.epochs > MAX_EPOCHS {
        let help = format!("a smaller `{key}`: the lesson's cycles are `fit(lr, 3, cycle_len = 1, cycle_mult = 2)`");
        out.error(&c::OUT_OF_RANGE, site, format!("more than {MAX_EPOCHS} epochs up to here"), help);
        state.epochs = 0;
        return false;
    }
    true
}

fn tta(bound: &Bound, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    if state.body == Some(BodyState::Precomputed) {
        let text = "`tta` needs images, but `precompute` is on";
        let help = "`precompute(off);` before it";
        out.error_beside(&c::TTA_PRECOMPUTED, site, text, help, (state.since, "switched on here"));
        // Reported once; the following steps are checked as if `precompute` were off.
        (state.body, state.since) = (Some(BodyState::Frozen), site);
    }
    if let Some((false, place)) = state.context.valid {
        let text = "`tta` measures on validation images, and there are none";
        let help = "hold some out: `valid: random(0.2)`, or remove `tta`";
        out.error_beside(&c::NEEDS_VALIDATION, site, text, help, (place, "none are held out here"));
    }
    Some(Step::Tta { n_aug: bound.read("n_aug")? })
}
