//! Schedules against an independent implementation (`tools/reference_schedules.py`), to the last digits.

use fastai_dsl::schedule::{epochs, sweep};
use fastai_dsl::{Anneal, LrFind, Schedule, Suggest};
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
        let find = LrFind { index: 0, suggest: Suggest::Valley, or: None, start, end, iters: Some(n) };
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
