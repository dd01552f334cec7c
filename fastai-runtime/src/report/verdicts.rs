//! Plain statements about the gain of each stage.

use fastai_dsl::{BodyState, Direction, StepKind};
use maud::{Markup, html};

use super::fit_setting::{Finder, FitSetting};
use super::numbers::metric;
use super::{Baseline, Evaluation, StageSummary, Summary};
use crate::data::figures::figure;
use crate::metrics::Paired;
use crate::train::{Course, Judgement};

/// A figure before and after, by the first metric of the recipe or by the loss.
pub(super) struct Change<'a> {
    pub(super) name: &'a str,
    direction: Direction,
    before: f64,
    after: f64,
    intervals: Option<([f64; 2], [f64; 2])>,
}

impl<'a> Change<'a> {
    pub(super) fn between(before: &Evaluation, after: &'a Evaluation) -> Option<Self> {
        let Some(first) = after.metrics.first() else {
            let (before, after) = (before.val_loss, after.val_loss);
            return Some(Change { name: "loss", direction: Direction::Lower, before, after, intervals: None });
        };
        let old = before.metrics.iter().find(|m| m.name == first.name)?;
        let intervals = old.interval.zip(first.interval);
        let direction = first.direction;
        Some(Change { name: &first.name, direction, before: old.value, after: first.value, intervals })
    }

    /// The improvement; negative if the figure became worse.
    fn gain(&self) -> f64 {
        self.direction.gain(self.before, self.after)
    }

    /// Both figures as text, if the second is worse and looks so.
    pub(super) fn fall(&self) -> Option<[String; 2]> {
        let (old, new) = (metric(self.before), metric(self.after));
        (self.gain() < 0.0 && old != new).then_some([old, new])
    }

    /// Whether the two intervals are disjoint; false without intervals.
    fn is_clear(&self) -> bool {
        self.intervals.is_some_and(|([a, b], [c, d])| b < c || d < a)
    }
}

/// The advice if training the body lowered the score.
const BODY_LOST: &str =
    "training the body cost more than it brought. Lower rates for it, fewer epochs, or no unfreezing";

/// What makes the batch norms of a head unfit for new images.
const NORMS: &str =
    "some inputs of the head hardly vary in the training images, so its batch norms magnify them in others";
/// The advice on that.
const FIT_NORMS: &str =
    "train on more images, on larger ones (`size` in `transforms`), or in larger batches (`batch` in `data`)";

/// A change of predictions is not due to chance if its p value is below this.
const LEAST_PROBABLE: f64 = 0.05;

/// States by how much training the body made the metric `name` worse, where that is certain: the 95 % interval of the difference on
/// the same images lies on the worse side of 0, and exchanging the two predictions of an image seldom makes one as large.
pub fn body_lost(name: &str, direction: Direction, change: &Paired) -> Option<String> {
    let is_worse = change.interval?.iter().all(|&difference| direction.gain(0.0, difference) < 0.0);
    let (old, new) = (metric(change.first), metric(change.second));
    (is_worse && change.p < LEAST_PROBABLE).then(|| format!("{name} {old} became {new}: {BODY_LOST}"))
}

/// States the course of a fit in the words of the course, with what it would do next.
pub fn course(judgement: &Judgement, setting: &FitSetting) -> String {
    let Judgement { course, epoch, trn_loss, val_loss, before, end, bounded } = *judgement;
    // A failure leads somewhere, and a rise is told of every course: `val_loss 0.3000 -> 3.0e18 -> 2.0e18`.
    let before = before.filter(|before| course.is_failure() || *before < val_loss);
    let loss = |value: f64| figure(value, 4);
    let led: Vec<String> = before.into_iter().chain([val_loss]).chain(end).map(loss).collect();
    let losses = format!("trn_loss {}, val_loss {}", loss(trn_loss), led.join(" -> "));
    let since = if end.is_some() { format!("from epoch {epoch} on") } else { format!("in epoch {epoch}") };
    match course {
        Course::Diverged => format!("diverged {since} ({losses}): the learning rate is too high; {}", lower(setting)),
        Course::SameAnswer => {
            let [cause, of_it] = if setting.strong_decay {
                ["rates too high or so strong a weight decay (`wds`) cause", " or of `wds`"]
            } else {
                ["rates too high cause", ""]
            };
            format!(
                "the same answer for every image from epoch {epoch} on ({losses}): units of the network died, which {cause}, and \
                 more epochs do not wake them; go back to a model from before, or start anew, with a tenth of the rates{of_it}"
            )
        }
        Course::Collapsed => format!(
            "collapsed {since} ({losses}): the losses fell back to those of a constant answer; the learning rate is too high, \
             take a tenth of it"
        ),
        Course::UnfitNorms => format!(
            "unfit batch norms {since} ({losses}): {NORMS}, whatever the learning rate{}; {FIT_NORMS}",
            without(bounded)
        ),
        Course::Damaged => {
            let or = if setting.batch_norm { ", or write `bn_freeze(on);` before it" } else { "" };
            format!(
                "damaged the body from epoch {epoch} on ({losses}): its rates are too high; take a tenth of them{or}"
            )
        }
        Course::NothingLearned => {
            let next = other_rate(setting);
            format!(
                "nothing learned from epoch {epoch} on ({losses}): the losses stay at those of a constant answer; the learning \
                 rate is too high or too low, {next}"
            )
        }
        Course::FarOff => format!(
            "far above a constant answer in epoch {epoch} ({losses}): the learning rate is too high, of this fit or of one before \
             it, and more epochs are no remedy; {}",
            lower(setting)
        ),
        Course::Worsened if bounded.is_some() => {
            format!("getting worse from epoch {epoch} on ({losses}): {NORMS}{}; {FIT_NORMS}", without(bounded))
        }
        Course::Worsened => {
            let [cause, next] = match setting.body {
                BodyState::Unfrozen => [String::new(), String::new()],
                BodyState::Precomputed | BodyState::Frozen => [format!(", or {NORMS}"), format!(", or {FIT_NORMS}")],
            };
            format!(
                "getting worse from epoch {epoch} on ({losses}): the validation loss rises, and the training loss falls too \
                 little to explain it; more epochs are no remedy, and the learning rate may be too high{cause}; {}{next}",
                lower(setting)
            )
        }
        Course::Overfitting => {
            let next = match setting.body {
                BodyState::Precomputed => {
                    "Fewer epochs, more dropout, or augmented images: `precompute(off);` before further fits"
                }
                BodyState::Frozen | BodyState::Unfrozen => {
                    "Fewer epochs, more augmentation (`max_zoom: 1.1`), more dropout, or larger images (`resize(299);`); a \
                     run that has reached this point may end with `tta();`"
                }
            };
            format!(
                "overfitting from epoch {epoch} on ({losses}): the network learns its training images by heart, and its \
                 training loss falls below what holds for new images. {next}"
            )
        }
        Course::Stalled => {
            let [cause, next] = if judgement.is_held_up() {
                let cause = "the training loss is far above the validation loss, as much dropout or strong augmentation leaves it";
                [cause, "take less of that"]
            } else {
                let cause = "the learning rate may be too low or too high, or the fit too short to show it";
                [cause, other_rate(setting)]
            };
            format!(
                "standing still in epoch {epoch} ({losses}): the losses of the batches fell by no more than chance explains; \
                 {cause}; {next}"
            )
        }
        Course::Underfitting => {
            format!("underfitting in epoch {epoch} ({losses}): both losses are still high; {}", more(setting))
        }
    }
}

/// How much of the validation loss the batch norms of the head explain, in a clause.
fn without(bounded: Option<f64>) -> String {
    bounded.map_or_else(String::new, |loss| format!(" (without that, val_loss would be {})", figure(loss, 4)))
}

/// The advice on a rate of which it is not known whether it is too high or too low.
fn other_rate(setting: &FitSetting) -> &'static str {
    match setting.finder {
        Finder::Absent => "look for one with `let lr = lr_find(or = 1e-3);`",
        Finder::OfOthers => "take that of the recipe's `lr_find`",
        Finder::OfItsRates => "try a tenth of it, and ten times it",
    }
}

/// The advice on a rate that is too high.
fn lower(setting: &FitSetting) -> String {
    let look = match setting.finder {
        Finder::Absent => "look for one with `let lr = lr_find(or = 1e-3);`, or ",
        Finder::OfItsRates | Finder::OfOthers => "",
    };
    format!("{look}take a tenth of it")
}

/// The advice on a fit that trained too little.
fn more(setting: &FitSetting) -> String {
    let call = setting.longer.as_ref().map_or_else(String::new, |call| format!(", `{call};`"));
    let or_rate = match setting.finder {
        Finder::Absent => ", or at the rate that `lr_find` suggests",
        Finder::OfOthers => ", or at the rate of the recipe's `lr_find`",
        Finder::OfItsRates => "",
    };
    match setting.body {
        BodyState::Precomputed => format!("train the head longer{call}{or_rate}, then go on with `precompute(off);`"),
        BodyState::Frozen => format!("train longer{call}, or the whole network: `unfreeze();`"),
        BodyState::Unfrozen => format!("train longer{call}{or_rate}"),
    }
}

/// Compares the figures after `stage` with those before it.
pub fn verdict(stage: &StageSummary, before: &Evaluation, after: &Evaluation) -> Markup {
    let Some(change) = Change::between(before, after) else { return html! {} };
    let gain = change.gain();
    // A difference below four decimals counts as no change.
    let shown = metric(gain.abs());
    let size = before.n != after.n;
    html! {
        @if !gain.is_finite() {
        } @else if shown == "0.0000" {
            div.soft { "no change" }
        } @else if gain > 0.0 {
            div.gain { "brought " (shown) @if change.is_clear() { ", clearly" } }
        } @else {
            div.note {
                strong { "lost " (shown) } @if change.is_clear() { ", clearly" }
                // The course of a fit that failed says why.
                @if stage.body_lost && stage.failure().is_none() && !stage.stays_lost { ": " (BODY_LOST) "." }
            }
        }
        @if size { div.soft { small { "on other images than before" } } }
    }
}

/// Whether a stage is worth keeping: its fit did no harm, and a constant answer is not as good, where the two can be compared.
fn is_worth_keeping(summary: &Summary, stage: &StageSummary, reached: &Evaluation) -> bool {
    let beats = |constant: &Baseline| {
        let same = reached.metrics.iter().find(|metric| metric.name == constant.metric.word());
        same.is_none_or(|metric| metric.direction.gain(constant.value, metric.value) > 0.0)
    };
    stage.failure().is_none() && !stage.stays_lost && summary.baseline.as_ref().is_none_or(beats)
}

/// Notes that the run did not end with its best stage, if that is worth keeping.
pub fn hindsight(summary: &Summary) -> Markup {
    let last = summary.tta.as_ref().or(summary.r#final.as_ref());
    let measured = summary.stages.iter().filter_map(|stage| Some((stage, stage.evaluation.as_ref()?)));
    let best = measured.filter(|(stage, reached)| is_worth_keeping(summary, stage, reached)).max_by(|a, b| {
        let gain = Change::between(a.1, b.1).map_or(0.0, |change| change.gain());
        0.0f64.partial_cmp(&gain).unwrap_or(std::cmp::Ordering::Equal)
    });
    let Some((last, (stage, best))) = last.zip(best) else { return html! {} };
    let Some(change) = Change::between(best, last) else { return html! {} };
    let shown = metric(change.gain().abs());
    // Nothing changed the weights or the images after the best stage: only the averaging over augmented views made it worse.
    let changes = |later: &StageSummary| later.kind.changes_weights() || later.kind == StepKind::Resize;
    let mut later = summary.stages.iter().filter(|later| later.step > stage.step);
    let averaged_it = summary.tta.is_some() && !later.any(changes);
    html! {
        @if change.gain() < 0.0 && shown != "0.0000" {
            // A difference within the intervals is no reason to worry.
            p class=(if change.is_clear() { "note" } else { "soft" }) {
                "The run did not end with its best stage: step " (stage.step + 1) " " code { (stage.text) } " had reached "
                (change.name) " " (metric(change.before)) ", " (shown) " better than the end"
                @if !change.is_clear() { " (the 95 % intervals overlap)" } ". "
                "That is known by hindsight, from these very images; "
                @if averaged_it {
                    "its network is the final one, which " code { "predict" } " uses without " code { "--tta" } " and "
                    code { "submit" } " with " code { "--no-tta" } "."
                } @else {
                    code { "save" } " after that step keeps its network; " code { "keep_best" } " chooses among the epochs of one " code { "fit" } " only."
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use fastai_dsl::MetricKind;

    use super::*;
    use crate::metrics::MetricValue;

    pub(in crate::report) fn evaluation(name: &str, value: f64, interval: [f64; 2]) -> Evaluation {
        let direction = if name == "log_loss" { Direction::Lower } else { Direction::Higher };
        let (name, interval) = (name.into(), Some(interval));
        let metric = MetricValue { name, direction, value, interval, n: 100, chosen_here: None };
        Evaluation { n: 100, metrics: vec![metric], ..Evaluation::default() }
    }

    /// A fit of the body, of which it is certain or not that it lowered the metric.
    pub(in crate::report) fn stage(body_lost: bool) -> StageSummary {
        StageSummary { kind: StepKind::Fit, trains_body: true, body_lost, ..StageSummary::default() }
    }

    pub(in crate::report) fn judged(course: Course, epoch: u64) -> Judgement {
        Judgement { course, epoch, trn_loss: 0.21, val_loss: 0.26, before: None, end: None, bounded: None }
    }

    /// The fit of the body at `step`, which took this course in its first epoch.
    pub(in crate::report) fn fit(step: usize, course: Option<Course>) -> StageSummary {
        let judgement = course.map(|course| judged(course, 0));
        StageSummary { step, text: format!("fit(1, {step})"), judgement, ..stage(true) }
    }

    #[test]
    fn a_stage_that_lost_says_so_in_words() {
        let (high, low) = (evaluation("accuracy", 0.9, [0.85, 0.94]), evaluation("accuracy", 0.8, [0.75, 0.84]));
        let lost = verdict(&stage(true), &high, &low).into_string();
        assert!(
            lost.contains("lost 0.1000") && lost.contains(", clearly") && lost.contains("cost more than"),
            "{lost}"
        );
        let diverged = StageSummary { judgement: Some(judged(Course::Diverged, 0)), ..stage(true) };
        for stage in [stage(false), diverged] {
            let lost = verdict(&stage, &high, &low).into_string();
            assert!(lost.contains("lost 0.1000") && !lost.contains("the body"), "{lost}");
        }
        let brought = verdict(&stage(false), &low, &high).into_string();
        assert!(brought.contains("brought 0.1000, clearly"), "{brought}");
        let near = evaluation("accuracy", 0.91, [0.86, 0.95]);
        assert!(!verdict(&stage(false), &high, &near).into_string().contains("clearly"));
        assert!(verdict(&stage(false), &high, &high).into_string().contains("no change"));
    }

    #[test]
    fn a_body_costs_more_than_it_brought_where_chance_does_not_explain_it() {
        let said = |direction, interval, p| {
            body_lost("f2", direction, &Paired { first: 0.9, second: 0.8, interval, p, exchanges: 1000 })
        };
        let fell = said(Direction::Higher, Some([-0.15, -0.04]), 0.002).unwrap();
        assert!(fell.starts_with("f2 0.9000 became 0.8000: training the body cost more"), "{fell}");
        assert_eq!(said(Direction::Higher, Some([-0.2, 0.01]), 0.04), None, "the interval holds 0");
        assert_eq!(said(Direction::Higher, Some([-0.2, 0.0]), 0.04), None);
        assert_eq!(said(Direction::Higher, Some([-0.15, -0.04]), 0.25), None, "three images");
        assert_eq!(said(Direction::Higher, None, 0.002), None);
        assert_eq!(said(Direction::Lower, Some([-0.15, -0.04]), 0.002), None, "it became better");
        assert!(said(Direction::Lower, Some([0.04, 0.15]), 0.002).is_some());
    }

    #[test]
    fn advice_fits_the_step() {
        let said = |course, setting: &FitSetting| super::course(&judged(course, 0), setting);
        let absent = FitSetting::default();
        let found = FitSetting {
            finder: Finder::OfItsRates,
            longer: Some("fit(lr, 3, cycle_len = 1, cycle_mult = 2)".into()),
            ..absent.clone()
        };
        let beside = FitSetting { finder: Finder::OfOthers, ..absent.clone() };
        assert!(
            said(Course::Diverged, &absent)
                .ends_with("too high; look for one with `let lr = lr_find(or = 1e-3);`, or take a tenth of it")
        );
        for setting in [&found, &beside] {
            assert!(said(Course::Diverged, setting).ends_with("too high; take a tenth of it"));
            assert!(!said(Course::NothingLearned, setting).contains("let lr"));
        }
        let far_off = said(Course::FarOff, &absent);
        assert!(far_off.contains("the learning rate is too high") && !far_off.contains("train longer"), "{far_off}");
        let worse = said(Course::Worsened, &found);
        assert!(worse.ends_with("and the learning rate may be too high; take a tenth of it"), "{worse}");
        let head = said(Course::Worsened, &FitSetting { body: BodyState::Frozen, ..found.clone() });
        assert!(
            head.contains("too high, or some inputs of the head hardly vary")
                && head.contains("; take a tenth of it, or ")
        );
        let unfit = said(Course::UnfitNorms, &absent);
        assert!(
            unfit.contains("whatever the learning rate; train on more images") && !unfit.contains("a tenth"),
            "{unfit}"
        );
        // What the norms magnify, and how far a loss rose, is told of every course.
        let of = |course, before, end, bounded| Judgement { before, end, bounded, ..judged(course, 7) };
        let unfit = super::course(&of(Course::UnfitNorms, Some(0.21), Some(3.812), Some(0.975)), &absent);
        assert!(unfit.contains("val_loss 0.2100 -> 0.2600 -> 3.8120)"), "{unfit}");
        assert!(unfit.contains("(without that, val_loss would be 0.9750)"), "{unfit}");
        let worse = super::course(&of(Course::Worsened, Some(0.3), Some(2.578), Some(0.504)), &absent);
        assert!(worse.contains("val_loss 0.2600 -> 2.5780): some inputs of the head hardly vary"), "{worse}");
        assert!(worse.contains("would be 0.5040") && !worse.contains("rate"), "{worse}");
        let by_heart = super::course(&of(Course::Overfitting, None, Some(3.454), None), &absent);
        assert!(by_heart.contains("val_loss 0.2600 -> 3.4540): the network learns"), "{by_heart}");
        let still = super::course(&of(Course::Stalled, Some(0.2), None, None), &absent);
        assert!(still.contains("in epoch 7 (trn_loss 0.2100, val_loss 0.2000 -> 0.2600)"), "{still}");
        let stalled = said(Course::Stalled, &found);
        assert!(stalled.ends_with("or the fit too short to show it; try a tenth of it, and ten times it"), "{stalled}");
        let held_up = Judgement { trn_loss: 4.759, val_loss: 0.729, ..judged(Course::Stalled, 29) };
        let held_up = super::course(&held_up, &absent);
        assert!(held_up.contains("as much dropout") && !held_up.contains("rate"), "{held_up}");
        let decayed = FitSetting { strong_decay: true, ..absent.clone() };
        assert!(said(Course::SameAnswer, &absent).ends_with(" with a tenth of the rates"));
        let died = said(Course::SameAnswer, &decayed);
        assert!(
            died.contains("so strong a weight decay (`wds`)") && died.ends_with("of the rates or of `wds`"),
            "{died}"
        );
        let longer = said(Course::Underfitting, &found);
        assert!(longer.ends_with("; train longer, `fit(lr, 3, cycle_len = 1, cycle_mult = 2);`"), "{longer}");
        assert!(
            said(Course::Underfitting, &absent).ends_with("; train longer, or at the rate that `lr_find` suggests")
        );
        assert!(said(Course::Underfitting, &beside).ends_with("at the rate of the recipe's `lr_find`"));
    }

    #[test]
    fn hindsight_names_no_stage_that_is_not_worth_keeping() {
        let with = |value| StageSummary { evaluation: Some(evaluation("accuracy", value, [0.0, 1.0])), ..stage(false) };
        let better = StageSummary { step: 3, text: "fit(10.0, 1)".into(), ..with(0.6) };
        let said = |better: StageSummary, constant: f64| {
            let baseline = Some(Baseline::new("a".into(), MetricKind::Accuracy, constant));
            let stages = vec![better, StageSummary { step: 4, ..with(0.5) }];
            let r#final = Some(evaluation("accuracy", 0.5, [0.0, 1.0]));
            hindsight(&Summary { stages, r#final, baseline, ..Summary::default() }).into_string()
        };
        assert!(said(better.clone(), 0.55).contains("step 4 <code>fit(10.0, 1)</code>"));
        assert_eq!(said(better.clone(), 0.7), "", "a constant answer is better");
        let diverged = StageSummary { judgement: Some(judged(Course::Diverged, 0)), ..better.clone() };
        assert_eq!(said(diverged, 0.3), "");
        assert_eq!(said(StageSummary { stays_lost: true, ..better }, 0.3), "");
    }

    #[test]
    fn a_falling_loss_is_a_gain() {
        let (high, low) = (evaluation("log_loss", 0.9, [0.8, 1.0]), evaluation("log_loss", 0.5, [0.4, 0.6]));
        assert!(verdict(&stage(false), &high, &low).into_string().contains("brought 0.4000"));
        assert!(verdict(&stage(false), &low, &high).into_string().contains("lost 0.4000"));
    }

    #[test]
    fn hindsight_names_the_better_stage() {
        let with = |value| StageSummary { evaluation: Some(evaluation("f2", value, [0.0, 1.0])), ..stage(false) };
        let mut summary = Summary {
            stages: vec![
                with(0.8),
                StageSummary { step: 3, text: "fit(0.1, 1)".into(), ..with(0.9) },
                StageSummary { step: 4, ..with(0.85) },
            ],
            r#final: Some(evaluation("f2", 0.85, [0.0, 1.0])),
            ..Summary::default()
        };
        let text = hindsight(&summary).into_string();
        assert!(text.contains("step 4 <code>fit(0.1, 1)</code> had reached f2 0.9000, 0.0500 better"), "{text}");
        assert!(
            text.contains(" after that step keeps its network") && text.contains("of one <code>fit</code>"),
            "{text}"
        );
        assert!(text.contains("class=\"soft\"") && text.contains("overlap"), "{text}");
        summary.stages[1].evaluation = Some(evaluation("f2", 0.9, [0.89, 0.91]));
        summary.r#final = Some(evaluation("f2", 0.85, [0.84, 0.86]));
        let text = hindsight(&summary).into_string();
        assert!(text.contains("class=\"note\"") && !text.contains("overlap"), "{text}");
        // The last fit is the best stage, and the averaging after it is worse; the final measurement tells more than a stage's.
        summary.stages[2].kind = StepKind::Tta;
        summary.r#final = Some(Evaluation { n: 7, ..evaluation("f2", 0.9, [0.89, 0.91]) });
        summary.tta = Some(evaluation("f2", 0.89, [0.88, 0.91]));
        let text = hindsight(&summary).into_string();
        assert!(text.contains("--tta") && !text.contains("keep_best"), "{text}");
        summary.tta = Some(evaluation("f2", 0.91, [0.0, 1.0]));
        assert_eq!(hindsight(&summary).into_string(), "");
        assert_eq!(hindsight(&Summary::default()).into_string(), "");
    }
}
