//! Checks and lowers the schedule of a `fit`.

use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::ValueKind;
use crate::recipe::{Fall, FitCourse};

/// The keys that cycles have.
const OF_CYCLES: [&str; 3] = ["cycle_len", "cycle_mult", "anneal"];

/// The course of a `fit`; `None` after an error, such as a key of another schedule.
pub(super) fn of_fit(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<FitCourse> {
    let mut good = true;
    let falls = bound.given("schedule") || bound.given("warmup");
    let clr: Vec<&str> = ["use_clr", "use_clr_beta"].into_iter().filter(|key| bound.given(key)).collect();
    if let [first, second] = clr.as_slice() {
        out.error_beside(
            &c::TWO_SCHEDULES,
            bound.site(second, site),
            format!("`{first}` and `{second}` are two schedules"),
            format!("remove `{first}` or `{second}`"),
            (bound.site(first, site), "the other one"),
        );
        good = false;
    }
    for &key in &clr {
        if !bound.given("cycle_len") {
            let text = format!("`{key}` needs `cycle_len`: without it there is no cycle");
            out.error(&c::SCHEDULE_KEY, bound.site(key, site), text, "`cycle_len = 1`");
            good = false;
        }
        for other in ["cycle_mult", "anneal"].into_iter().filter(|other| bound.given(other)) {
            out.push(two(key, other, bound, site).help(format!("remove `{other}`")));
            good = false;
        }
    }
    if falls {
        let own = if bound.given("schedule") { "schedule" } else { "warmup" };
        for other in OF_CYCLES.into_iter().chain(clr.iter().copied()).filter(|other| bound.given(other)) {
            let help = "the second number of `fit` counts the epochs: `fit(lr, 10, schedule = cosine)`";
            out.push(two(own, other, bound, site).help(help));
            good = false;
        }
    }
    let steps = bound.read::<Fall>("schedule") == Some(Fall::Step);
    for key in ["every", "by"].into_iter().filter(|key| bound.given(key) && !steps) {
        let help = format!("`schedule = step`, or remove `{key}`");
        out.error(&c::SCHEDULE_KEY, bound.site(key, site), format!("`{key}` is for `schedule = step`"), help);
        good = false;
    }
    let course = match (falls, clr.first()) {
        (true, _) => fall(bound, site, out)?,
        (false, Some(key)) => {
            let numbers = numbers(bound, key, &[2, 4], "`[div, ..]` and, if wanted, two momentums", site, out)?;
            let moms = match numbers[2..] {
                [max, min] if max < 1.0 && min < 1.0 => Some([max, min]),
                [] => None,
                _ => {
                    let help = format!("`{key} = [{}, {}, 0.95, 0.85]`", numbers[0], numbers[1]);
                    out.error(&c::OUT_OF_RANGE, bound.site(key, site), "a momentum is below 1", help);
                    return None;
                }
            };
            if *key == "use_clr" {
                FitCourse::UseClr { div: numbers[0], cut_div: numbers[1], moms }
            } else if numbers[1] >= 100.0 {
                let help = format!("`use_clr_beta = [{}, 10]`", numbers[0]);
                out.error(&c::OUT_OF_RANGE, bound.site(key, site), "the last fall takes less than 100 per cent", help);
                return None;
            } else {
                FitCourse::UseClrBeta { div: numbers[0], pct: numbers[1], moms }
            }
        }
        (false, None) => FitCourse::Cycles,
    };
    good.then_some(course)
}

fn fall(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<FitCourse> {
    let course = FitCourse::Fall {
        fall: bound.read("schedule")?,
        warmup: bound.read("warmup")?,
        every: bound.read("every")?,
        by: bound.read("by")?,
    };
    let (warmup, epochs): (f64, u32) = (bound.read("warmup")?, bound.read("cycles")?);
    if bound.known(&["warmup", "cycles"]) && warmup >= f64::from(epochs) {
        let text = format!("the warm-up takes {warmup} epochs, and there are {epochs}");
        let help = format!("fewer, such as `warmup = {}`, or more epochs", f64::from(epochs) / 10.0);
        out.error(&c::OUT_OF_RANGE, bound.site("warmup", site), text, help);
        return None;
    }
    Some(course)
}

/// The course of a `fit_one_cycle`.
pub(super) fn one_cycle(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<FitCourse> {
    let usual = format!("`{}`", bound.construct().default_text("moms").unwrap_or_default());
    let moms = numbers(bound, "moms", &[3], &usual, site, out)?;
    Some(FitCourse::OneCycle {
        pct_start: bound.read("pct_start")?,
        div: bound.read("div")?,
        div_final: bound.read("div_final")?,
        moms: moms.try_into().ok()?,
    })
}

/// The numbers of `key`, if it has one of these counts of them.
fn numbers(
    bound: &Bound,
    key: &str,
    counts: &[usize],
    expected: &str,
    site: Site,
    out: &mut Diagnostics,
) -> Option<Vec<f64>> {
    let numbers: Vec<f64> = bound.read(key)?;
    let single = bound.written(key).is_some_and(|value| !matches!(value.kind, ValueKind::List(_)));
    if single || !counts.contains(&numbers.len()) {
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        let text = format!("`{key}` is a list of {} numbers: {expected}", counts.join(" or "));
        let example = bound.construct().key(key).map(|(_, key)| key.instance());
        let help = example.map(|example| format!("`{key} = {example}`"));
        out.push(Diagnostic::error(&c::WRONG_TYPE, bound.site(key, site), text).help_if(help));
        return None;
    }
    Some(numbers)
}

/// Two keys of different schedules.
fn two(key: &str, other: &str, bound: &Bound, site: Site) -> Diagnostic {
    let text = format!("`{key}` and `{other}` belong to two schedules");
    Diagnostic::error(&c::TWO_SCHEDULES, bound.site(other, site), text).also(bound.site(key, site), "the other one")
}
