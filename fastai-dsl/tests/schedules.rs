//! Schedules against an independent implementation (`tools/reference_schedules.py`), to the last digits.

use fastai_dsl::schedule::{epochs, sweep};
use fastai_dsl::source::RecipeText;
use fastai_dsl::{Anneal, Facts, Fall, FitCourse, LrFind, Plan, Schedule, Suggest};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/schedules.json")).unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * b.abs().max(1e-3)
}

#[test]
fn cosine_cycles_agree() {
    let golden = golden();
    let mut compared = 0;
    for case in golden["cosine"].as_array().unwrap() {
        // The original never restarts after a cycle of one batch; ours does.
        if case["compat"] == true {
            continue;
        }
        let number = |key: &str| case[key].as_u64().unwrap();
        let (len, mult) = (number("cycle_len") as u32, number("cycle_mult") as u32);
        let schedule = Schedule::Cycles { anneal: Anneal::Cosine, cycle_len: len, cycle_mult: mult };
        let want: Vec<f64> = case["factors"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let got: Vec<f64> = schedule.settings(number("nb")).take(want.len()).map(|setting| setting.rate).collect();
        for (k, (g, w)) in got.iter().zip(&want).enumerate() {
            assert!(close(*g, *w), "{case:.80}: batch {k}: {g} instead of {w}");
        }
        assert_eq!(epochs(number("n_cycle") as u32, Some(len), mult), number("epochs"));
        assert_eq!(want.len() as u64, number("epochs") * number("nb"));
        compared += 1;
    }
    assert!(compared >= 9, "{compared} cases");
}

#[test]
fn sweeps_agree() {
    let mut compared = 0;
    for case in golden()["lr_find"].as_array().unwrap() {
        if case["linear"] == true {
            continue;
        }
        // A list of starts scales all groups alike; the language has one start.
        let (Some(start), Some(end)) = (case["start"].as_f64(), case["end"].as_f64()) else { continue };
        let n = case["nb"].as_u64().unwrap() as u32;
        let find =
            LrFind { index: 0, suggest: Suggest::Valley, or: None, start, end, iters: Some(n), ratio: Vec::new() };
        let want = case["lrs"].as_array().unwrap();
        let got: Vec<f64> = sweep(&find, n).collect();
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(g, w)| close(*g, w.as_f64().unwrap())), "{case:.80}");
        compared += 1;
    }
    assert!(compared >= 2, "{compared} cases");
}

#[test]
fn a_cycle_of_one_batch_restarts() {
    let schedule = Schedule::Cycles { anneal: Anneal::Cosine, cycle_len: 1, cycle_mult: 1 };
    assert_eq!(schedule.settings(1).take(4).map(|s| s.rate).collect::<Vec<_>>(), [0.01, 1.0, 1.0, 1.0]);
}

/// The schedules of PyTorch, fastai v2 and fastai 0.7 (`tools/reference_courses.py`).
#[test]
fn courses_agree() {
    let golden: Value = serde_json::from_str(include_str!("golden/courses.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 27);
    for case in cases {
        let number = |key: &str| case[key].as_f64().unwrap();
        let list = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
        let moms = || case["moms"].is_array().then(|| list("moms").try_into().unwrap());
        let shaped = |course, epochs: &str| Schedule::Shaped { course, epochs: number(epochs) as u32 };
        let schedule = match case["what"].as_str().unwrap() {
            "one_cycle" => {
                let moms = list("moms").try_into().unwrap();
                let (pct_start, div, div_final) = (number("pct_start"), number("div"), number("div_final"));
                shaped(FitCourse::OneCycle { pct_start, div, div_final, moms }, "epochs")
            }
            "fall" => {
                let fall = Fall::parse(case["kind"].as_str().unwrap()).unwrap();
                let (warmup, every, by) = (number("warmup"), number("every") as u32, number("by"));
                shaped(FitCourse::Fall { fall, warmup, every, by }, "epochs")
            }
            "cycles" => Schedule::Cycles {
                anneal: Anneal::parse(case["anneal"].as_str().unwrap()).unwrap(),
                cycle_len: number("cycle_len") as u32,
                cycle_mult: number("cycle_mult") as u32,
            },
            "use_clr" => {
                shaped(FitCourse::UseClr { div: number("div"), cut_div: number("cut_div"), moms: moms() }, "cycle_len")
            }
            "use_clr_beta" => {
                shaped(FitCourse::UseClrBeta { div: number("div"), pct: number("pct"), moms: moms() }, "cycle_len")
            }
            other => panic!("{other}"),
        };
        let rates = list("rates");
        let got: Vec<_> = schedule.settings(number("nb") as u64).take(rates.len()).collect();
        for (k, (got, want)) in got.iter().zip(&rates).enumerate() {
            // PyTorch multiplies from batch to batch; fastai v2 computes parts of a cycle in 32 bits.
            let tolerance = if case["what"] == "one_cycle" { 1e-7 } else { 1e-9 };
            assert!((got.rate - want).abs() < tolerance, "{case:.200}: batch {k}: {} instead of {want}", got.rate);
        }
        let momenta: Option<Vec<f64>> = serde_json::from_value(case["momenta"].clone()).unwrap();
        for (k, got) in got.iter().enumerate() {
            match (&momenta, got.momentum) {
                (None, None) => {}
                // fastai v2 computes parts of a cycle in 32 bits.
                (Some(want), Some(got)) => assert!((got - want[k]).abs() < 1e-7, "{case:.200}: momentum of {k}"),
                _ => panic!("{case:.200}: momentum of batch {k}: {got:?}"),
            }
        }
    }
}

/// That optimizers receive what is drawn is a test of the engine (`fastai-runtime/src/engine/drawn.rs`).
#[test]
fn a_plan_draws_a_part_of_the_rate_for_every_batch() {
    let fits = [
        "fit(1e-2, 4)",
        "fit(1e-2, 3, cycle_len = 1, cycle_mult = 2)",
        "fit(1e-2, 2, cycle_len = 2, anneal = linear)",
        "fit(1e-2, 2, cycle_len = 3, use_clr = [20, 8])",
        "fit(1e-2, 1, cycle_len = 3, use_clr_beta = [10, 13.68, 0.95, 0.85])",
        "fit(1e-2, 6, schedule = cosine, warmup = 1)",
        "fit(1e-2, 6, schedule = step, every = 2, by = 0.5)",
        "fit(1e-2, 5, schedule = linear)",
        "fit(1e-2, 5, warmup = 0.5)",
        "fit_one_cycle(1e-2, 5)",
        "fit_one_cycle(1e-2, 3, pct_start = 0.4, div = 10)",
    ];
    for fit in fits {
        for images in [2u64, 64, 65, 700] {
            let text = format!(
                "A {{ task: single_label, data: folders {{ root: \"d\", batch: 64 }}, transforms: none {{ size: 64 }}, \
                 model: squeezenet1_1, metrics: [accuracy], train: {{ {fit}; }} }}"
            );
            let source = RecipeText::new("x", &text, &[]);
            let recipe = &source.result.as_ref().unwrap_or_else(|_| panic!("{}", source.render(false))).recipe;
            let plan = Plan::new(recipe, &Facts { train: Some(images), ..Facts::default() });
            let stage = &plan.stages[0];
            let drawn: Vec<f64> = stage.factors().collect();
            assert_eq!(drawn.len() as u64, stage.iterations.unwrap(), "{fit}");
            assert!(drawn.iter().all(|rate| (0.0..=1.0).contains(rate)), "{fit}: {drawn:?}");
        }
    }
}
