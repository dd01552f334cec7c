//! Which losses have which course, and when it is named.

use super::*;
use crate::train::Evidence;
use crate::train::evidence::have_fallen;

/// That of batches whose losses fell.
const FELL: Evidence = Evidence { error: None, rise: None, harm: None, fell: Some(true) };

/// The epochs of `(trn_loss, val_loss)`.
fn rows(losses: &[(f64, f64)]) -> Vec<EpochRow> {
    let row = |(epoch, &(trn_loss, val_loss)): (usize, &(f64, f64))| EpochRow {
        epoch: epoch as u64,
        trn_loss,
        val_loss,
        metrics: vec![("accuracy".to_string(), 0.5)],
        evidence: FELL,
        ..EpochRow::default()
    };
    losses.iter().enumerate().map(row).collect()
}

/// The same, in which the answers to all images are alike from epoch `since` on.
fn alike(losses: &[(f64, f64)], since: usize) -> Vec<EpochRow> {
    let mut rows = rows(losses);
    rows[since..].iter_mut().for_each(|row| row.alike = true);
    rows
}

/// Two classes, whose constant answer costs 0.69.
const CLASSES: Against = Against {
    constant: 0.69,
    began: None,
    first: Some(0.8),
    before: None,
    trains_body: false,
    followed: false,
    few: false,
    falls: Some(true),
};

/// The course of `(trn_loss, val_loss)` per epoch with two classes.
fn course(losses: &[(f64, f64)], before: Option<f64>, trains_body: bool) -> Option<(Course, u64)> {
    judge(&rows(losses), Against { before, trains_body, ..CLASSES }).map(|j| (j.course, j.epoch))
}

/// The first course that is named while the fit goes on: after which epoch, and where it began.
fn named(rows: &[EpochRow], against: Against) -> Option<(u64, Course, u64)> {
    let after = |last: usize| certain(&rows[..=last], against).map(|j| (last as u64, j.course, j.epoch));
    (0..rows.len()).find_map(after)
}

#[test]
fn a_new_head_after_a_few_batches_has_not_diverged() {
    let row = EpochRow {
        trn_loss: 1.82,
        val_loss: 2.95,
        metrics: vec![("accuracy".to_string(), 0.5)],
        ..EpochRow::default()
    };
    let course = |first| judge(std::slice::from_ref(&row), Against { first, ..CLASSES }).map(|j| j.course);
    assert_eq!(course(Some(1.9)), Some(Course::Underfitting));
    assert_eq!(course(Some(0.8)), Some(Course::Diverged));
    assert_eq!(course(None), Some(Course::Diverged));
}

#[test]
fn small_batches_say_little_of_how_a_fit_began() {
    // An untrained head in batches of eight, at a rate of nearly 0: losses of batches between 0.7 and 4.4.
    let losses = [1.39, 1.44, 4.36, 0.70, 2.51, 3.04, 1.02];
    let rows = rows(&[(1.98, 3.24), (2.02, 2.75)]);
    let against = Against { constant: 1.0, ..Against::default() };
    assert_ne!(judge(&rows, against.begun_with(&losses)).map(|j| j.course), Some(Course::Diverged));
    assert_eq!(judge(&rows, against.begun_with(&losses[..1])).map(|j| j.course), Some(Course::Diverged));
    assert_eq!(judge(&rows, against.begun_with(&losses)), None, "seven batches do not tell whether they fall");
    let thrice = losses.repeat(3);
    assert_eq!(judge(&rows, against.begun_with(&thrice)).map(|j| j.course), Some(Course::Stalled));
    // A steady rise is no scatter.
    assert!(scatter_of_logs(&[0.8, 2.4, 7.2, 21.6, 64.8]) < 1e-9);
    assert!((0.4..1.2).contains(&scatter_of_logs(&losses)));
    assert_eq!(scatter_of_logs(&[0.8, 3.0]), 0.0);
}

#[test]
fn more_epochs_are_no_advice_where_no_batch_shows_a_fall() {
    // What each rate makes of the same batches, far above a constant answer's loss.
    let batches = |factor: f64| -> Vec<f64> {
        let scattered = [2.4, 1.9, 2.2, 2.6, 2.0, 2.3, 1.8, 2.5];
        (0..).zip(scattered.repeat(3)).map(|(batch, loss)| loss * factor.powi(batch)).collect()
    };
    let course = |factor, losses: &[(f64, f64)]| {
        let against = Against { constant: 0.69, ..Against::default() };
        judge(&rows(losses), against.begun_with(&batches(factor))).map(|j| j.course)
    };
    let high = [(2.3, 2.4), (2.2, 2.1)];
    assert_eq!(course(1.0, &high), Some(Course::Stalled));
    assert_eq!(course(0.95, &high), Some(Course::Underfitting), "the batches fall");
    assert_eq!(course(1.0, &[(0.5, 0.5), (0.5, 0.5)]), None, "it knows something, and does not learn more");
    assert_eq!(course(0.95, &[(2.2, 2.1), (2.3, 2.0)]), None, "it falls no more");
    assert_eq!(course(0.95, &[(2.5, 2.0), (2.4, 2.2)]), None, "the validation loss rises");
}

#[test]
fn heads_on_few_photos_get_no_advice_that_makes_them_worse() {
    // What fits of a head on 48, 80 or 120 photos recorded: the losses of batches, or what they tell, and those of the epochs.
    let of = |began, falls, losses: &[(f64, f64)], rise, fell| {
        let mut rows = rows(losses);
        rows.last_mut().unwrap().evidence = Evidence { error: Some(0.2), rise: Some(rise), harm: None, fell };
        judge(&rows, Against { began: Some(began), first: Some(30.0), falls, ..CLASSES }).map(|j| (j.course, j.epoch))
    };
    let after_six = |losses: [f64; 6], row| {
        let against = Against { constant: 0.69, ..Against::default() };
        judge(&rows(&[row]), against.begun_with(&losses)).map(|j| j.course)
    };
    // One epoch of six batches at rates of 1e-3, 1e-2 and 0.1: the first two lead to something, the last to 15 times the constant.
    assert_eq!(after_six([3.1, 1.75, 0.72, 1.18, 0.99, 2.06], (1.622, 2.324)), None);
    assert_eq!(after_six([3.1, 1.98, 0.34, 1.11, 0.83, 1.8], (1.512, 1.496)), None);
    assert_eq!(after_six([3.1, 5.49, 1.32, 4.11, 9.53, 8.04], (5.33, 10.579)), None);
    // adam at 0.1.
    let far = [(10.743, 19.468), (7.287, 17.568), (8.938, 24.969), (8.788, 21.419), (8.642, 17.713), (7.502, 20.026)];
    assert_eq!(of(1.35, Some(false), &far, 0.4, Some(false)), Some((Course::FarOff, 5)));
    assert_eq!(of(1.35, Some(false), &far[..3], 0.4, Some(false)), Some((Course::FarOff, 2)));
    // 1e-2: both rise.
    let rising = [(1.239, 1.112), (1.200, 1.550), (1.387, 1.833), (1.427, 2.314)];
    let mut follows = rows(&rising);
    let evidence = Evidence { error: Some(0.3), rise: Some(0.02), harm: None, fell: Some(false) };
    follows.iter_mut().for_each(|row| (row.follows_labels, row.evidence) = (true, evidence));
    let against = Against { began: Some(1.35), first: Some(9.0), falls: Some(false), ..CLASSES };
    assert_eq!(judge(&follows, against).map(|j| (j.course, j.epoch)), Some((Course::Worsened, 0)));
    // 1e-7: the statistics of the batch norms move, and nothing else.
    let low = [(1.385, 1.321), (1.445, 1.185), (1.352, 1.135), (1.320, 1.113)];
    assert_eq!(of(1.35, Some(false), &low, 1.0, Some(false)), Some((Course::Stalled, 3)));
    // Shuffled labels, at a training loss that is still above a constant answer's.
    let shuffled = [(1.358, 1.214), (1.279, 1.277), (1.141, 1.490), (1.036, 1.798), (0.913, 2.524)];
    assert_eq!(of(2.51, Some(true), &shuffled, 0.03, Some(true)), Some((Course::Worsened, 0)));
    // The training loss falls by two fifths, to far below the validation loss: the scatter of the batches does not matter.
    let falling = [(0.974, 1.132), (0.805, 1.395), (0.704, 1.773), (0.648, 2.296), (0.559, 3.798)];
    let found = |fell| of(1.12, Some(true), &falling, 0.001, Some(fell));
    assert_eq!([true, false].map(found), [Some((Course::Overfitting, 0)); 2]);
    // A dropout of 0.95 holds the training loss far above all.
    let held_up = [(4.775, 0.660), (4.814, 0.944), (4.459, 0.953), (4.759, 0.729)];
    let mut known = rows(&held_up);
    known.iter_mut().for_each(|row| (row.follows_labels, row.evidence.rise) = (true, Some(0.2)));
    let against = Against { began: Some(4.56), first: Some(9.0), falls: Some(false), ..CLASSES };
    let found = judge(&known, against).unwrap();
    assert!(found.course == Course::Stalled && found.is_held_up(), "{found:?}");
}

#[test]
fn a_training_loss_that_falls_has_learned_something() {
    assert_eq!(course(&[(1.9, 3.2), (1.5, 6.0), (1.0, 14.5)], None, false).map(|j| j.0), Some(Course::Worsened));
    assert_eq!(course(&[(0.9, 0.9), (0.9, 0.9)], None, false), Some((Course::NothingLearned, 0)));
}

#[test]
fn losses_out_of_any_range_have_diverged_where_it_began() {
    assert_eq!(course(&[(0.4, 0.3), (8e10, 3e18), (8e10, 2e18)], None, false), Some((Course::Diverged, 1)));
    assert_eq!(course(&[(0.9, 1.2e8), (0.6, 3e5)], None, true), Some((Course::Diverged, 0)));
    assert_eq!(course(&[(0.4, 0.3), (2.0, 3.0)], None, false), Some((Course::Diverged, 1)));
    assert_eq!(course(&[(0.4, 0.3), (0.4, f64::NAN)], None, false), Some((Course::Diverged, 1)));
    assert_eq!(course(&[(0.4, 0.3), (0.4, f64::INFINITY)], None, false), Some((Course::Diverged, 1)));
}

#[test]
fn what_recovers_has_not_diverged() {
    assert_eq!(course(&[(9.0, 30.0), (0.5, 0.2), (0.2, 0.2)], None, false), None);
    // Confident mistakes: nearly everything right in training, some wrong with certainty in validation.
    assert_eq!(course(&[(0.2, 0.5), (0.01, 1.5)], None, false), Some((Course::Overfitting, 0)));
}

#[test]
fn a_network_that_forgets_has_collapsed() {
    assert_eq!(course(&[(0.3, 0.2), (0.8, 0.7), (0.7, 0.69)], None, false), Some((Course::Collapsed, 1)));
    assert_eq!(course(&[(0.72, 0.7)], Some(0.1), true), Some((Course::Collapsed, 0)));
    assert_eq!(course(&[(0.72, 0.7)], Some(0.68), true), Some((Course::Underfitting, 0)));
    assert_eq!(course(&[(0.45, 0.66)], Some(0.5), true), None, "training longer is no remedy for a rise");
}

#[test]
fn a_network_that_answers_the_same_for_every_image_has_died() {
    let tags = Against { constant: 0.5, first: Some(0.49), trains_body: true, ..CLASSES };
    let known = Against { before: Some(0.41), ..tags };
    // The body's weights vanished; what is left are the biases of the head.
    let dead = [(0.716, 0.541), (0.736, 0.55)];
    let of = |rows: &[EpochRow], against| judge(rows, against).map(|j| (j.course, j.epoch));
    assert_eq!(of(&alike(&dead, 0), known), Some((Course::SameAnswer, 0)));
    assert_eq!(of(&alike(&dead, 0), Against { followed: true, ..tags }), Some((Course::SameAnswer, 0)));
    assert_eq!(of(&alike(&[(0.3, 0.2), (0.5, 0.6), (0.6, 0.6)], 1), tags), Some((Course::SameAnswer, 1)));
    assert_eq!(named(&alike(&dead, 0), known), Some((0, Course::SameAnswer, 0)));
    assert_eq!(named(&alike(&dead, 0), tags), Some((1, Course::SameAnswer, 0)), "a new network may wake");
    // All validation images are of one class, and it is said.
    assert_eq!(of(&alike(&[(0.02, 0.001)], 0), known), None);
    // Sure of one class, wrongly so for some images: known by heart.
    assert_eq!(of(&alike(&[(0.05, 1.2)], 0), tags), Some((Course::Overfitting, 0)));
    // A loss beyond any answer is told by that.
    assert_eq!(of(&alike(&[(8e10, 3e18)], 0), known), Some((Course::Diverged, 0)));
}

#[test]
fn a_loss_that_stays_at_a_constant_answers_is_no_want_of_epochs() {
    let followed = |losses: &[(f64, f64)]| {
        judge(&rows(losses), Against { followed: true, ..CLASSES }).map(|j| (j.course, j.epoch))
    };
    let still = [(0.71, 0.70), (0.70, 0.705), (0.70, 0.70)];
    assert_eq!(course(&still, None, false), Some((Course::NothingLearned, 0)));
    assert_eq!(followed(&still), Some((Course::NothingLearned, 0)));
    // Above where it began.
    assert_eq!(followed(&[(1.2, 0.75)]), Some((Course::NothingLearned, 0)));
    // A new head that has begun to learn, and other fits go on with it.
    assert_eq!(followed(&[(0.9, 0.8), (0.8, 0.75)]), None);
    assert_eq!(followed(&[(0.72, 0.7)]), None);
    assert_eq!(followed(&[(0.66, 0.6), (0.6, 0.5)]), None);
    assert_eq!(course(&[(0.9, 0.8), (0.8, 0.75)], None, false), Some((Course::Underfitting, 1)));
}

#[test]
fn a_network_that_is_too_sure_of_what_it_knows_has_not_forgotten_it() {
    let of = |losses: &[(f64, f64)]| {
        let mut rows = rows(losses);
        rows.iter_mut().for_each(|row| row.follows_labels = true);
        (judge(&rows, CLASSES).map(|j| (j.course, j.epoch)), named(&rows, CLASSES))
    };
    // Heads on few photos: accuracies of .75 to .85, where a constant answer has .5.
    assert_eq!(of(&[(1.18, 0.8), (1.0, 1.5), (0.9, 2.2)]), (Some((Course::Worsened, 0)), None));
    assert_eq!(of(&[(1.3, 0.5), (1.25, 0.75), (1.22, 0.72)]), (None, None), "it rose");
    // Batch norms whose statistics lag behind: eight batches an epoch, from random weights.
    assert_eq!(named(&rows(&[(0.85, 587.0), (0.82, 119.0), (0.8, 12.0)]), CLASSES), None);
    assert_eq!(course(&[(0.85, 587.0)], None, true), Some((Course::Underfitting, 0)));
}

#[test]
fn a_fit_that_lowers_a_loss_that_was_far_away_has_not_diverged() {
    assert_eq!(course(&[(30.0, 25.0)], Some(65.0), true).map(|(course, _)| course), Some(Course::Underfitting));
    assert_eq!(course(&[(30.0, 65.0)], Some(25.0), true).map(|(course, _)| course), Some(Course::Diverged));
}

#[test]
fn losses_far_above_a_constant_answers_are_no_want_of_epochs() {
    // Few images, so that the first batch tells little of how the fit began.
    let against = |before| Against { first: Some(2.4), before, ..CLASSES };
    let of = |losses: &[(f64, f64)], before| judge(&rows(losses), against(before)).map(|j| (j.course, j.epoch));
    // Heads at rates of 1 with bounded gradients: in two epochs, and in two fits of one.
    assert_eq!(of(&[(1.317, 2.26), (1.759, 4.233)], None), Some((Course::Diverged, 1)));
    assert_eq!(of(&[(1.759, 4.233)], Some(2.26)), Some((Course::Diverged, 0)));
    assert_eq!(of(&[(1.317, 2.26), (1.4, 2.3)], None), None, "it hardly rose");
    let mut by_chance = rows(&[(1.759, 4.233)]);
    by_chance[0].evidence.harm = Some(0.2);
    assert_eq!(judge(&by_chance, against(Some(2.26))), None);
    // What such a rate left goes on at a small one.
    assert_eq!(of(&[(2.506, 3.197)], Some(4.233)), Some((Course::FarOff, 0)));
    assert_eq!(of(&[(2.506, 3.197), (2.3, 2.6)], Some(4.233)).map(|j| j.0), Some(Course::Underfitting), "it falls");
    let followed = Against { followed: true, ..against(Some(4.233)) };
    assert_eq!(judge(&rows(&[(2.506, 3.197)]), followed), None);
}

/// A fit of the head, in `(trn_loss, val_loss, bounded_loss)` per epoch.
fn head(losses: &[(f64, f64, f64)]) -> Vec<EpochRow> {
    let mut rows = rows(&losses.iter().map(|(trn, val, _)| (*trn, *val)).collect::<Vec<_>>());
    rows.iter_mut().zip(losses).for_each(|(row, (_, _, bounded))| row.bounded_loss = Some(*bounded));
    rows
}

#[test]
fn a_rate_is_not_blamed_for_batch_norms_that_do_not_fit_new_images() {
    let of = |rows: &[EpochRow], against| judge(rows, against).map(|j| (j.course, j.epoch));
    // Every third epoch of PyTorch's head on the features of 60 photos, in batches of 8 at a rate of 1e-3.
    let learns = head(&[
        (1.283, 1.057, 0.824),
        (0.568, 2.309, 0.751),
        (0.366, 8.506, 0.815),
        (0.385, 31.4, 0.858),
        (0.142, 92.2, 0.899),
    ]);
    assert_eq!(of(&learns, CLASSES), Some((Course::UnfitNorms, 1)), "where it began, though the training loss is low");
    assert_eq!(judge(&learns, CLASSES).and_then(|found| found.bounded), Some(0.899));
    assert_eq!(named(&learns, CLASSES), None, "the statistics may come back");
    // An epoch in which the answers follow the labels by chance does not hide where it began.
    let mut by_chance = learns.clone();
    by_chance[3].follows_labels = true;
    assert_eq!(of(&by_chance, CLASSES), Some((Course::UnfitNorms, 1)));
    // The last epochs of heads on 60 or 300 photos, of which PyTorch's rise in the same way: at rates of 1e-3 to 1e-8.
    let few = Against { first: Some(0.14), falls: Some(false), ..CLASSES };
    for last in [(0.27, 127.627, 1.442), (1.47, 243.533, 1.243), (1.417, 177.126, 1.45), (1.517, 3.812, 0.975)] {
        assert_eq!(of(&head(&[last]), few), Some((Course::UnfitNorms, 0)), "{last:?}");
    }
    assert_eq!(of(&head(&[(1.18, 1.78, 1.1)]), few), Some((Course::Stalled, 0)), "the first batch had a loss of 0.04");
    // The statistics of a new head after a few batches, and those on their way.
    for early in [&[(1.58, 2.366, 0.9)][..], &[(1.4, 2.9, 0.9), (1.2, 2.4, 0.8)]] {
        let begun = Against { falls: None, ..CLASSES };
        assert_ne!(of(&head(early), begun).map(|found| found.0), Some(Course::UnfitNorms), "{early:?}");
    }
    // A fit that goes on with such norms, whether or not it lowers the loss.
    let goes_on = head(&[(1.288, 184.43, 1.45), (1.137, 176.42, 1.45)]);
    assert_eq!(of(&goes_on, Against { before: Some(187.7), ..few }), Some((Course::UnfitNorms, 0)));
    // A rate of 0.1 in batches of 8, at which training raises its own loss, and one of the body, whose output changes with its rate.
    assert_eq!(
        of(&head(&[(8.53, 250.893, 50.194)]), Against { first: Some(2.0), ..CLASSES }),
        Some((Course::Diverged, 0))
    );
    let body = Against { trains_body: true, ..few };
    assert_eq!(of(&head(&[(1.417, 177.126, 1.45)]), body), Some((Course::Diverged, 0)));
    // One batch of all 60 photos, which are known by heart.
    assert_eq!(of(&head(&[(0.156, 3.454, 1.724)]), CLASSES), Some((Course::Overfitting, 0)));
}

#[test]
fn nothing_is_known_by_heart_at_a_loss_above_a_constant_answers_or_by_norms_that_magnify() {
    let of = |losses: &[(f64, f64, f64)]| {
        let mut rows = head(losses);
        rows.iter_mut().for_each(|row| row.follows_labels = true);
        judge(&rows, CLASSES).map(|j| (j.course, j.epoch, j.end, j.bounded))
    };
    // 300 photos in batches of 64 at 0.1, and of 16 at 1e-3; all accuracies are above .65.
    let high = [
        (1.11, 2.04, 1.9),
        (1.08, 2.86, 2.7),
        (1.11, 3.24, 3.0),
        (1.05, 3.73, 3.4),
        (0.872, 4.17, 3.9),
        (0.847, 4.423, 4.069),
    ];
    assert_eq!(of(&high), Some((Course::Worsened, 0, Some(4.423), None)));
    let magnified =
        [(0.874, 0.585, 0.52), (0.673, 0.85, 0.51), (0.589, 1.36, 0.5), (0.489, 2.38, 0.5), (0.453, 2.578, 0.504)];
    assert_eq!(of(&magnified), Some((Course::Worsened, 0, Some(2.578), Some(0.504))));
}

#[test]
fn a_loss_that_stands_still_in_the_batches_and_rises_in_validation_is_told_with_both() {
    let mut rows = rows(&[(1.45, 1.049), (1.46, 1.028), (1.44, 1.148), (1.45, 1.3)]);
    rows.iter_mut()
        .for_each(|row| row.evidence = Evidence { rise: Some(0.2), fell: Some(false), ..Evidence::default() });
    let found = judge(&rows, Against { falls: Some(false), ..CLASSES }).unwrap();
    assert_eq!((found.course, found.before, found.val_loss), (Course::Stalled, Some(1.028), 1.3));
}

#[test]
fn a_body_spoilt_by_its_rate_is_damaged() {
    assert_eq!(course(&[(0.4, 0.35), (0.3, 0.28)], Some(0.15), true), Some((Course::Damaged, 0)));
    assert_eq!(course(&[(0.4, 0.35), (0.2, 0.16)], Some(0.15), true), None, "it recovered");
    assert_eq!(course(&[(0.0764, 0.007), (0.0753, 0.0258)], Some(0.0036), true), None, "all are right, as before");
    assert_eq!(course(&[(0.3, 0.28)], Some(0.15), false), None, "only the head trained");
    // Worse than a constant answer, although the training loss is hardly higher than before.
    assert_eq!(course(&[(0.5, 1.7)], Some(0.52), true), Some((Course::Damaged, 0)));
    assert_eq!(course(&[(0.1, 1.7)], Some(0.52), true), Some((Course::Overfitting, 0)), "known by heart");
}

#[test]
fn a_course_is_named_at_the_epoch_where_it_is_certain() {
    let body = |before| Against { before: Some(before), trains_body: true, ..CLASSES };
    // The losses of rates of ten: far from any answer in one epoch, in the training loss too or not.
    let losses = [(0.4, 0.3), (8e10, 2.99e18), (8e10, 2e18)];
    assert_eq!(named(&rows(&losses), CLASSES), Some((1, Course::Diverged, 1)));
    assert_eq!(named(&rows(&[(0.9, 1.2e8), (0.6, 3e5)]), body(0.3)), Some((0, Course::Diverged, 0)));
    assert_eq!(named(&rows(&[(0.4, f64::NAN), (0.4, 0.3)]), CLASSES), Some((0, Course::Diverged, 0)));
    // Less has to last.
    assert_eq!(named(&rows(&[(0.4, 0.3), (2.0, 3.0), (2.0, 3.0)]), CLASSES), Some((2, Course::Diverged, 1)));
    assert_eq!(named(&rows(&[(0.4, 0.3), (0.5, 30.0), (0.5, 60.0)]), CLASSES), None, "statistics that lag behind");
    assert_eq!(named(&rows(&[(0.3, 0.2), (0.8, 0.7), (0.7, 0.69)]), CLASSES), Some((2, Course::Collapsed, 1)));
    assert_eq!(named(&rows(&[(1.2, 0.75), (1.3, 0.8)]), CLASSES), Some((1, Course::NothingLearned, 0)));
    assert_eq!(named(&rows(&[(0.4, 0.5), (0.4, 0.45)]), body(0.15)), Some((1, Course::Damaged, 0)));
    assert_eq!(named(&rows(&[(0.4, 0.35), (0.3, 0.28)]), body(0.15)), None, "it is on its way back");
    // A SqueezeNet at a rate of 0.3, whose validation loss jumps and comes back, but not to where it was.
    let jumps = [(0.4996, 1.86), (0.5514, 48.96), (0.5601, 1.035)];
    let tags = Against { constant: 0.511, first: Some(0.36), ..body(0.4918) };
    assert_eq!(named(&rows(&jumps), tags), Some((2, Course::Damaged, 0)));
    // Without a validation set.
    let row = EpochRow { trn_loss: 1e9, val_loss: f64::NAN, ..EpochRow::default() };
    assert_eq!(named(&[row], CLASSES), Some((0, Course::Diverged, 0)));
}

#[test]
fn what_is_named_while_a_fit_goes_on_is_not_taken_back() {
    // A restart, a schedule that falls, statistics that lag behind, a new head: each ends well.
    for (losses, before) in [
        (&[(9.0, 30.0), (0.5, 0.2), (0.2, 0.2)][..], None),
        (&[(0.9, 655.0), (0.5, 0.3)][..], None),
        (&[(0.8, 0.75), (0.7, 0.69), (0.6, 0.5), (0.4, 0.3)][..], None),
        (&[(0.4, 0.35), (0.3, 0.3), (0.2, 0.16)][..], Some(0.15)),
        (&[(0.75, 0.72), (0.4, 0.3), (0.2, 0.16)][..], Some(0.15)),
        (&[(0.3, 0.2), (0.8, 0.7), (0.4, 0.2)][..], None),
    ] {
        let against = Against { before, trains_body: before.is_some(), ..CLASSES };
        assert_eq!(named(&rows(losses), against), None, "{losses:?}");
    }
}

#[test]
fn an_epoch_that_is_kept_may_lie_before_the_course() {
    let verdict = |losses: &[(f64, f64)], kept| Verdict::of(&rows(losses), Some(kept), CLASSES);
    let holds = |losses: &[(f64, f64)], kept| match verdict(losses, kept) {
        Some(Verdict::Holds(found)) => Some((found.course, found.epoch)),
        _ => None,
    };
    let escaped = |losses: &[(f64, f64)], kept| match verdict(losses, kept) {
        Some(Verdict::Escaped { later, kept }) => Some((kept, later.course, later.epoch)),
        _ => None,
    };
    let diverges = [(0.4, 0.3), (0.3, 0.2), (8e10, 2.99e18), (8e10, 2e18)];
    assert_eq!(escaped(&diverges, 1), Some((1, Course::Diverged, 2)));
    assert_eq!(holds(&diverges, 2), Some((Course::Diverged, 2)), "the best by another measure");
    assert_eq!(holds(&diverges[2..], 1), holds(&diverges[2..], 0));
    // The epoch where the validation loss turns is the last good one.
    let turns = [(0.3, 0.25), (0.2, 0.2), (0.15, 0.22), (0.1, 0.25)];
    assert_eq!(escaped(&turns, 1), Some((1, Course::Overfitting, 1)));
    assert_eq!(holds(&turns, 2), Some((Course::Overfitting, 1)));
    // High losses are said of the kept weights alone.
    assert_eq!(holds(&[(0.66, 0.59), (0.6, 0.6)], 0), Some((Course::Underfitting, 0)));
    assert_eq!(verdict(&[(0.3, 0.3), (0.6, 0.6)], 0), None);
}

#[test]
fn fitting_too_little_and_too_much() {
    assert_eq!(course(&[(0.66, 0.6), (0.6, 0.5)], None, false), Some((Course::Underfitting, 1)));
    assert_eq!(course(&[(0.3, 0.25), (0.2, 0.2), (0.1, 0.25)], None, false), Some((Course::Overfitting, 1)));
    // Dropout holds the training loss above the validation loss, which wavers.
    assert_eq!(course(&[(0.8, 0.604), (0.697, 0.621)], None, false), Some((Course::Underfitting, 1)));
    // Far below without a rise: what the network learns still holds for new images.
    assert_eq!(course(&[(0.2, 0.2), (0.1, 0.19), (0.05, 0.18)], None, false), None);
    assert_eq!(course(&[(0.05, 0.9)], None, false), Some((Course::Overfitting, 0)), "worse than a constant answer");
    // The course's own numbers: nothing to say.
    assert_eq!(course(&[(0.041, 0.0158), (0.0367, 0.0166)], None, false), None);
    assert_eq!(course(&[(0.0236, 0.041)], None, false), None, "both are tiny");
    assert_eq!(course(&[], None, false), None);
}

#[test]
fn a_loss_that_rises_is_overfitting_where_the_batches_fall() {
    // The distance of a regression, 8.1 of a constant answer, on 12 photos after epochs of 6 batches.
    let flat = [
        [9.8, 7.1, 6.2, 7.9, 5.8, 6.6],
        [6.9, 5.7, 7.2, 6.0, 7.4, 6.1],
        [5.9, 7.3, 6.4, 6.8, 5.6, 7.0],
        [6.7, 6.1, 7.5, 5.8, 6.9, 6.3],
    ];
    let falls = [
        [9.8, 7.1, 6.2, 7.9, 5.8, 6.6],
        [6.2, 5.1, 5.9, 4.8, 5.4, 4.6],
        [4.4, 3.9, 4.6, 3.5, 4.1, 3.3],
        [3.2, 2.7, 3.4, 2.5, 2.9, 2.3],
    ];
    let of = |batches: &[[f64; 6]], trn_losses: [f64; 4], fell: fn(&[f64]) -> Option<bool>| {
        let batches = batches.concat();
        let [a, b, c, d] = trn_losses;
        let mut rows = rows(&[(a, 7.3), (b, 6.9), (c, 7.6), (d, 8.3)]);
        rows[3].evidence = Evidence { error: Some(1.9), rise: Some(0.004), harm: None, fell: fell(&batches[9..]) };
        let against = Against { constant: 8.1, ..Against::default() };
        judge(&rows, against.begun_with(&batches)).map(|j| (j.course, j.epoch))
    };
    assert_eq!(
        of(&flat, [7.2, 6.9, 6.8, 6.7], have_fallen),
        Some((Course::Worsened, 1)),
        "the smoothed loss still falls"
    );
    assert_eq!(of(&falls, [7.2, 6.4, 5.5, 4.7], have_fallen), Some((Course::Overfitting, 1)));
    assert_eq!(of(&falls, [7.2, 6.4, 5.5, 4.7], |_| None), None, "too few batches to tell");
}

#[test]
fn what_chance_explains_is_neither_overfitting_nor_damage() {
    let with = |losses: &[(f64, f64)], evidence: Evidence, before: Option<f64>| {
        let mut rows = rows(losses);
        rows.iter_mut().for_each(|row| row.evidence = evidence);
        let against = Against { before, trains_body: before.is_some(), ..CLASSES };
        judge(&rows, against).map(|j| j.course)
    };
    let rise = |p| with(&[(0.3, 0.25), (0.2, 0.2), (0.1, 0.25)], Evidence { rise: Some(p), ..FELL }, None);
    assert_eq!((rise(0.002), rise(0.03)), (Some(Course::Overfitting), None));
    let high = |error| with(&[(0.05, 0.9)], Evidence { error: Some(error), ..Evidence::default() }, None);
    assert_eq!((high(0.1), high(0.11)), (Some(Course::Overfitting), None), "0.21 above a constant answer");
    let harm = |p| with(&[(0.4, 0.35), (0.3, 0.28)], Evidence { harm: Some(p), ..Evidence::default() }, Some(0.15));
    assert_eq!((harm(0.002), harm(0.03)), (Some(Course::Damaged), None));
}

#[test]
fn a_judgement_of_losses_that_are_no_numbers_is_read_again() {
    let found = judge(&rows(&[(0.4, 0.3), (f64::INFINITY, f64::NAN), (0.4, f64::NAN)]), CLASSES).unwrap();
    assert_eq!((found.before, found.end), (Some(0.3), None));
    let text = serde_json::to_string(&found).unwrap();
    let read: Judgement = serde_json::from_str(&text).unwrap();
    assert_eq!((read.course, read.epoch, read.before), (found.course, found.epoch, found.before));
    assert!(read.trn_loss.is_nan() && read.val_loss.is_nan());
    // Earlier versions did not say where a course led from and to.
    let earlier: Judgement = serde_json::from_str(&text.replace(",\"before\":0.3", "")).unwrap();
    assert_eq!((earlier.epoch, earlier.before, earlier.end), (1, None, None));
}

#[test]
fn a_few_validation_images_judge_nothing() {
    let few = Against { few: true, ..CLASSES };
    let of = |losses: &[(f64, f64)]| judge(&rows(losses), few).map(|j| (j.course, j.epoch));
    // Runs on one to three validation images, of which each alone has such a loss.
    let alone = [[(1.1, 15.4685), (1.4467, 13.6612)], [(1.4, 44.8572), (1.4468, 46.8908)], [(0.7, 0.7), (0.7, 0.7)]];
    for losses in alone {
        assert_eq!((of(&losses), of(&losses[..1]), named(&rows(&losses), few)), (None, None, None), "{losses:?}");
    }
    // What the training loss shows by itself, and what is no number.
    assert_eq!(of(&[(0.7, 0.7), (14.5, 0.7)]), Some((Course::Diverged, 1)));
    assert_eq!(of(&[(0.4, 0.3), (0.4, f64::NAN)]), Some((Course::Diverged, 1)));
    assert_eq!(named(&rows(&[(0.4, f64::NAN)]), few), Some((0, Course::Diverged, 0)));
}

#[test]
fn a_loss_far_above_a_constant_answers_does_not_stay_at_it() {
    assert_eq!(course(&[(1.2, 12.168), (1.2, 12.107)], Some(13.0), false), Some((Course::Underfitting, 1)));
}

#[test]
fn a_network_has_learned_where_its_losses_are_low() {
    let learned = |trn_loss, val_loss| CLASSES.has_learned(&rows(&[(trn_loss, val_loss)])[0]);
    assert!(learned(0.6, 0.3) && learned(0.3, 0.5), "one of them is below half of a constant answer's");
    assert!(!learned(0.6, 0.5) && !learned(0.01, 0.7) && !learned(0.3, f64::NAN));
}

#[test]
fn a_judgement_says_where_the_loss_was_and_where_it_ended() {
    let led = |losses: &[(f64, f64)], before| {
        let found = judge(&rows(losses), Against { before, trains_body: true, ..CLASSES }).unwrap();
        (found.before, found.val_loss, found.end)
    };
    assert_eq!(led(&[(0.4, 0.3), (8e10, 3e18), (8e10, 2e18)], Some(0.2)), (Some(0.3), 3e18, Some(2e18)));
    assert_eq!(led(&[(0.9, 1.2e8)], Some(0.2)), (Some(0.2), 1.2e8, None));
    assert_eq!(led(&[(0.9, 1.2e8), (0.6, 3e5)], None), (None, 1.2e8, Some(3e5)));
}

#[test]
fn without_validation_only_the_training_loss_counts() {
    let row = |trn_loss| EpochRow { trn_loss, val_loss: f64::NAN, ..EpochRow::default() };
    let against = Against { constant: 0.69, ..Against::default() };
    assert_eq!(judge(&[row(0.6)], against), None);
    assert_eq!(judge(&[row(1e9)], against).map(|j| j.course), Some(Course::Diverged));
}
