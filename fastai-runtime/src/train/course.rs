//! What the epochs of a `fit` say: divergence, a network that fell silent, unfit batch norms, damage, overfitting, a loss that gets
//! worse or stands still, underfitting.

use super::curves::EpochRow;
use super::evidence::{BY_CHANCE, falls};
use super::judgement::{Course, Judgement, is_held_up};
use super::recorder::{FAR_BELOW, risen_from, turning_point};

/// A validation loss above the constant answer's by this factor is far from any answer of a network that works, if training
/// raised its own loss, too. If it did not, the statistics of the body's batch norms may only lag behind after a few batches.
const FAR: f64 = 20.0;
/// Validation and training loss both above the constant answer's by these factors: the weights are lost, too, if training
/// raised the loss to there ..
const BOTH: [f64; 2] = [2.0, 1.5];
/// .. by this factor, over where the fit began or over one of its own epochs. A new head begins that high, and after a few batches
/// it still is.
const RAISED: f64 = 1.3;
/// A validation loss above what it would be with bounded inputs of the head by this factor comes from the head's batch norms.
const MAGNIFIED: f64 = 2.5;
/// A loss this near to the constant answer's is one of a network that has nothing to say.
const NOTHING: f64 = 0.97;
/// A loss above the constant answer's by this factor is not one of a network that has nothing to say, but of one that is wrong.
const NEAR: f64 = 2.0;
/// A network whose loss was below this share of the constant answer's knew something.
const KNEW: f64 = 0.8;
/// Losses of a network that has nothing to say stand still, if the last one is above this share of the first one.
const STILL: f64 = 0.97;
/// A fit that raises the validation loss by this factor, and by the share [`LEAST_GAP`], has damaged what was there.
const DAMAGED: f64 = 1.25;
/// Losses above this share of the constant answer's are high.
const HIGH: f64 = 0.5;
/// A fit that leaves more than this share of a validation loss far above the constant answer's hardly lowers it.
const HARDLY_LOWERED: f64 = 0.7;
/// Training that leads its loss to above the one it began with and the constant answer's by this factor has too high a rate, however
/// much a few images scatter.
const LED_OFF: f64 = 5.0;
/// A validation loss above its lowest one by this factor rises, and more epochs are no remedy, whether or not chance explains it.
const RISES: f64 = 1.05;
/// A validation loss is above a constant answer's if it is so by more than this many of its standard errors.
const BEYOND_ERROR: f64 = 2.0;
/// Losses that differ by less than this share of the constant answer's are near each other.
const LEAST_GAP: f64 = 0.05;
/// A validation loss that rises by less than this share of the constant answer's has not turned.
const LEAST_TURN: f64 = 0.005;
/// A loss above the constant answer's by this factor is named while the fit goes on, after a single epoch. Less may come back.
const BEYOND_RETURN: f64 = 1e4;

/// Fewest validation images whose mean loss tells anything: among fewer, a single image decides.
pub const FEWEST_TO_JUDGE: usize = 8;

/// The conditions of a `fit` that its losses are held against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Against {
    /// The mean loss of the best constant answer; positive.
    pub constant: f64,
    /// The loss of the first batch of the `fit`.
    pub began: Option<f64>,
    /// The loss that the `fit` began with, as far above that of its first batch as chance may have put it.
    pub first: Option<f64>,
    /// The validation loss after the `fit` before this one.
    pub before: Option<f64>,
    /// Whether the `fit` trains more than the head.
    pub trains_body: bool,
    /// Whether other fits follow, to which losses that are merely high are left.
    pub followed: bool,
    /// Whether there are too few validation images to judge by their loss: only the training loss counts then, and a validation
    /// loss that is no number.
    pub few: bool,
    /// Whether the losses of the `fit`'s batches fall: beyond doubt, or by no more than chance explains; `None` where a few batches
    /// do not tell.
    pub falls: Option<bool>,
}

impl Against {
    /// The same conditions for a fit with these losses of batches. The first of them says how the fit began, but for what chance
    /// makes of a few images.
    pub fn begun_with(self, batch_losses: &[f64]) -> Self {
        let began = batch_losses.first().copied();
        let first = began.map(|began| began * (BY_CHANCE * scatter_of_logs(batch_losses)).exp());
        Against { began, first, falls: falls(batch_losses), ..self }
    }

    /// Whether a loss is as low as that of a network that works may be.
    pub fn is_back(&self, row: &EpochRow) -> bool {
        self.judged_loss(row) < BOTH[0] * self.constant
    }

    /// Whether a loss is so low that the network has learned something, whatever it began with.
    pub fn has_learned(&self, row: &EpochRow) -> bool {
        let low = |loss: f64| loss <= HIGH * self.constant;
        self.knew(self.judged_loss(row)) && (low(self.judged_loss(row)) || low(row.trn_loss))
    }

    /// Whether the validation loss of an epoch tells anything.
    fn is_measured(&self, row: &EpochRow) -> bool {
        !row.metrics.is_empty() && !self.few
    }

    /// The loss that tells how good the network is.
    fn judged_loss(&self, row: &EpochRow) -> f64 {
        if self.is_measured(row) { row.val_loss } else { row.trn_loss }
    }

    /// Whether the losses that were measured are numbers, on however few images.
    fn has_numbers(&self, row: &EpochRow) -> bool {
        self.judged_loss(row).is_finite() && (row.metrics.is_empty() || row.val_loss.is_finite())
    }

    /// Whether an epoch of `epochs` is lost.
    fn has_diverged(&self, epochs: &[EpochRow], row: &EpochRow) -> bool {
        if !self.has_numbers(row) {
            return true;
        }
        let bounded = row.bounded_loss.filter(|_| self.is_measured(row) && !self.trains_body);
        let val = bounded.unwrap_or(self.judged_loss(row));
        let raised = self.first.is_none_or(|first| row.trn_loss > RAISED * first);
        if self.few {
            return raised && val > FAR * self.constant;
        }
        let both =
            self.by_norms(row).is_none() && val > BOTH[0] * self.constant && row.trn_loss > BOTH[1] * self.constant;
        let far_alone = val > BEYOND_RETURN * self.constant || (raised && val > FAR * self.constant);
        let far = far_alone || (both && (raised || self.has_risen(epochs, row)));
        // A fit that lowers a loss that was far away has not led it there.
        far && self.before.is_none_or(|before| self.judged_loss(row) > before)
    }

    /// What the validation loss would be with bounded inputs of the head, if most of it comes from others: the running statistics of
    /// the head's first batch norm do not fit the validation images. An input that hardly varies in a few training images has a
    /// running variance near 0, by which a new image is divided.
    fn magnified(&self, row: &EpochRow) -> Option<f64> {
        let bounded = row.bounded_loss.filter(|_| self.is_measured(row))?;
        (row.val_loss > MAGNIFIED * bounded).then_some(bounded)
    }

    /// [`magnified`](Self::magnified) where only the head trains: its inputs do not change with its rate, so neither that nor learning
    /// by heart explains what its norms magnify.
    fn by_norms(&self, row: &EpochRow) -> Option<f64> {
        self.magnified(row).filter(|_| !self.trains_body)
    }

    /// Whether the validation loss is far above a constant answer's because of the head's batch norms.
    pub fn has_unfit_norms(&self, row: &EpochRow) -> bool {
        row.val_loss > NEAR * self.constant && self.magnified(row).is_some()
    }

    /// Whether the losses may be those of a network that learns its training images by heart.
    fn may_know_by_heart(&self, row: &EpochRow) -> bool {
        row.trn_loss < self.constant && self.by_norms(row).is_none()
    }

    /// Whether training raised its own loss over an earlier epoch's, or the validation loss over that before the fit by more than
    /// chance explains.
    fn has_risen(&self, epochs: &[EpochRow], row: &EpochRow) -> bool {
        let earlier = epochs.iter().take_while(|earlier| earlier.epoch < row.epoch);
        let lowest = earlier.map(|earlier| earlier.trn_loss).fold(f64::INFINITY, f64::min);
        let above = |before: f64| row.val_loss > DAMAGED * before && row.evidence.has_harmed();
        row.trn_loss > RAISED * lowest || self.before.is_some_and(above)
    }

    /// Whether the losses are far above the constant answer's, and were so before the fit and hardly fell, or training led them
    /// there.
    fn is_far_off(&self, row: &EpochRow) -> bool {
        let far = |loss: f64| loss > NEAR * self.constant;
        let hardly_lowered = |before: f64| far(before) && row.val_loss > HARDLY_LOWERED * before;
        let led_off = |began: f64| row.trn_loss > LED_OFF * began.max(self.constant);
        let is_off = self.before.is_some_and(hardly_lowered) || self.began.is_some_and(led_off);
        far(row.val_loss) && far(row.trn_loss) && is_off
    }

    /// Whether the losses of enough batches stand still where a network has learned nothing, or where dropout holds them.
    fn has_stalled(&self, row: &EpochRow) -> bool {
        let by_dropout = row.trn_loss > NEAR * self.constant && is_held_up(row.trn_loss, row.val_loss);
        self.falls == Some(false) && (self.says_nothing(row) || by_dropout)
    }

    /// Whether more epochs are likely to lower the losses: training lowers its own to the end, and the validation loss does not rise.
    fn goes_on_falling(&self, epochs: &[EpochRow]) -> bool {
        let [.., last] = epochs else { return false };
        let lowest = epochs.iter().map(|row| row.val_loss).fold(f64::INFINITY, f64::min);
        let lowers = epochs.iter().rev().nth(1).is_none_or(|earlier| last.trn_loss <= earlier.trn_loss);
        self.falls == Some(true) && lowers && last.val_loss <= RISES * lowest
    }

    /// Whether the answers are alike and wrong. The right answer may be the same for all validation images, and a network that
    /// knows its training images by heart may be sure of one class for all others.
    fn has_one_answer(&self, row: &EpochRow) -> bool {
        let high = row.val_loss >= HIGH * self.constant && row.trn_loss >= HIGH * self.constant;
        row.alike && !row.follows_labels && high
    }

    /// Whether the losses are those of a constant answer, and not because the network is too sure of what it knows.
    fn says_nothing(&self, row: &EpochRow) -> bool {
        row.val_loss >= NOTHING * self.constant && row.trn_loss >= NOTHING * self.constant && !row.follows_labels
    }

    fn knew(&self, loss: f64) -> bool {
        loss < KNEW * self.constant
    }

    /// Whether training raised the loss above both the constant answer's and the one that it began with.
    fn is_raised(&self, row: &EpochRow) -> bool {
        row.trn_loss > RAISED * self.first.map_or(self.constant, |first| first.max(self.constant))
    }

    /// Whether training the body made the validation loss worse than `before`, and not by learning the training images by heart.
    fn has_damaged(&self, row: &EpochRow, before: f64) -> bool {
        let not_by_heart =
            row.trn_loss > before || (row.val_loss > self.constant && row.trn_loss > HIGH * self.constant);
        let clearly = row.val_loss > DAMAGED * before && row.val_loss - before > LEAST_GAP * self.constant;
        clearly && not_by_heart && row.evidence.has_harmed()
    }
}

/// Standard deviation of the logarithms of losses around a trend: from the median of their second differences, which are 0 where
/// losses rise or fall steadily, and which single batches do not move. 0 for fewer than three losses.
fn scatter_of_logs(losses: &[f64]) -> f64 {
    /// The standard deviation of a normal distribution over its median distance from 0.
    const OF_MEDIAN: f64 = 1.4826;
    /// The variance of a second difference of independent numbers over theirs: 1 + 4 + 1.
    const OF_BENDS: f64 = 6.0;
    let logs: Vec<f64> = losses.iter().map(|loss| loss.ln()).collect();
    let bends = logs.windows(3).map(|three| (three[0] - 2.0 * three[1] + three[2]).abs());
    let mut bends: Vec<f64> = bends.filter(|bend| bend.is_finite()).collect();
    bends.sort_by(f64::total_cmp);
    bends.get(bends.len() / 2).map_or(0.0, |median| median * OF_MEDIAN / OF_BENDS.sqrt())
}

/// Names the course of a `fit`; `None` if there is nothing to say.
///
/// A course counts if it lasts to the end of the fit: losses that recover after a restart or a new head's first epoch are
/// none.
fn judge(epochs: &[EpochRow], against: Against) -> Option<Judgement> {
    let Against { constant, before, trains_body, followed, .. } = against;
    let last = epochs.last()?;
    let found = |course, row: &EpochRow| {
        let earlier = epochs.iter().rev().find(|earlier| earlier.epoch < row.epoch);
        let before = earlier.map(|earlier| earlier.val_loss).or(before).filter(|loss| loss.is_finite());
        let EpochRow { epoch, trn_loss, val_loss, .. } = *row;
        let bounded = against.by_norms(last);
        Some(Judgement { course, epoch, trn_loss, val_loss, before, end: None, bounded }.up_to(last))
    };
    // The first epoch from which `holds` does to the end.
    let since = |holds: &dyn Fn(&EpochRow) -> bool| epochs.iter().rev().take_while(|row| holds(row)).last();
    if let Some(row) = since(&|row| against.has_diverged(epochs, row)) {
        return found(Course::Diverged, row);
    }
    if !against.is_measured(last) {
        return None;
    }
    if let Some(row) = since(&|row| against.has_one_answer(row)) {
        return found(Course::SameAnswer, row);
    }
    // The statistics of a new head come from far: a loss that still falls, or a few batches, say no more than that they are not
    // there yet.
    let falls = epochs.iter().all(|row| last.val_loss <= row.val_loss);
    let settles = before.is_none() && if epochs.len() > 1 { falls } else { against.falls.is_none() };
    let is_unfit = !trains_body && !last.follows_labels && !settles;
    // Some of the answers follow the labels by chance in an epoch; the norms tell when it began.
    if let Some(row) = since(&|row| against.has_unfit_norms(row)).filter(|_| is_unfit) {
        return found(Course::UnfitNorms, row);
    }
    let silent = since(&|row| against.says_nothing(row));
    if let Some(row) = silent {
        let earlier = epochs.iter().take_while(|e| e.epoch < row.epoch).any(|e| against.knew(e.val_loss));
        if earlier || before.is_some_and(|loss| against.knew(loss)) {
            return found(Course::Collapsed, row);
        }
    }
    if let Some(before) = before.filter(|_| trains_body)
        && let Some(row) = since(&|row| against.has_damaged(row, before))
        && row.epoch == 0
    {
        return found(Course::Damaged, row);
    }
    let near = last.val_loss < NEAR * constant && last.trn_loss < NEAR * constant;
    if let Some(row) = silent.filter(|_| near) {
        let stands = |then: f64, now: f64| now > STILL * then;
        let still =
            last.epoch > row.epoch && stands(row.val_loss, last.val_loss) && stands(row.trn_loss, last.trn_loss);
        let lowered = before.is_some_and(|before| last.val_loss < STILL * before);
        if still || (against.is_raised(last) && !lowered) {
            return found(Course::NothingLearned, row);
        }
    }
    let rose = |turn: &&EpochRow| last.val_loss - turn.val_loss > LEAST_TURN * constant;
    if let Some(turn) = turning_point(epochs).filter(rose) {
        let by_heart = against.may_know_by_heart(last);
        return found(if by_heart { Course::Overfitting } else { Course::Worsened }, turn);
    }
    let (risen, fell) = (risen_from(epochs).filter(rose), last.evidence.fell);
    let stands = |lowest: &&EpochRow| fell == Some(false) && last.trn_loss > KNEW * lowest.trn_loss;
    if let Some(lowest) = risen.filter(stands).filter(|_| !against.says_nothing(last)) {
        return found(Course::Worsened, lowest);
    }
    let only_by_heart = |row: &EpochRow| {
        let error = row.evidence.error.unwrap_or(0.0);
        let far_below = against.knew(row.trn_loss) && row.trn_loss < FAR_BELOW * row.val_loss;
        far_below && against.may_know_by_heart(row) && row.val_loss - constant > BEYOND_ERROR * error
    };
    if let Some(row) = since(&only_by_heart) {
        return found(Course::Overfitting, row);
    }
    let high = last.trn_loss > HIGH * constant && last.val_loss > HIGH * constant;
    // More of what made it worse is no remedy.
    let raised = before.is_some_and(|before| last.val_loss > DAMAGED * before) || (risen.is_some() && fell.is_none());
    if !high || raised || followed {
        return None;
    }
    let course = if against.is_far_off(last) {
        Course::FarOff
    } else if against.has_stalled(last) {
        Course::Stalled
    } else if against.goes_on_falling(epochs) {
        Course::Underfitting
    } else {
        return None;
    };
    // A loss that is high in the end may have been lower long before.
    let lowest = epochs.iter().map(|row| row.val_loss).fold(f64::INFINITY, f64::min);
    found(course, last)
        .map(|found| Judgement { before: Some(lowest).filter(|lowest| *lowest < last.val_loss), ..found })
}

/// Names the course of a `fit` that goes on, after the epochs so far, as soon as it is certain enough that the rest of the fit
/// will not take it back. A schedule whose rate falls, or batch norms whose statistics lag behind, mend what a single epoch
/// shows, so most courses must have lasted for two epochs:
///
/// * [`Diverged`](Course::Diverged): two epochs, if the training loss is above the constant answer's, too; at once where
///   a loss that was measured is no number, or the one that counts is above ten thousand times the constant answer's.
/// * [`SameAnswer`](Course::SameAnswer): at once in a network that had learned before, since dead units get no gradient; two
///   epochs in a new one.
/// * [`Collapsed`](Course::Collapsed): two epochs.
/// * [`Damaged`](Course::Damaged): two epochs, if more than half of what the loss was below the constant answer's is lost.
/// * [`NothingLearned`](Course::NothingLearned): two epochs, if the training loss has risen above where it began.
///
/// The others, and these in less clear cases, are named by [`Verdict::of`] after the last epoch: a loss that is merely high may fall.
pub fn certain(epochs: &[EpochRow], against: Against) -> Option<Judgement> {
    let (found, last) = (judge(epochs, against)?, epochs.last()?);
    let lasts = last.epoch > found.epoch;
    let is_certain = match found.course {
        Course::Diverged => {
            let val = against.judged_loss(last);
            let alone = last.trn_loss <= against.constant;
            !against.has_numbers(last) || val > BEYOND_RETURN * against.constant || (lasts && !alone)
        }
        Course::SameAnswer => lasts || found.epoch > 0 || against.before.is_some(),
        Course::Collapsed => lasts,
        Course::Damaged => {
            let half_lost = |before: f64| epochs.iter().all(|row| row.val_loss > (before + against.constant) / 2.0);
            lasts && against.before.is_some_and(half_lost)
        }
        Course::NothingLearned => lasts && against.is_raised(last),
        Course::UnfitNorms
        | Course::FarOff
        | Course::Worsened
        | Course::Overfitting
        | Course::Stalled
        | Course::Underfitting => false,
    };
    is_certain.then_some(found)
}

/// What the course of a `fit` means for the weights that it ends with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// They are what the course led to.
    Holds(Judgement),
    /// They are those of an earlier epoch than the course began in.
    Escaped {
        /// The course.
        later: Judgement,
        /// The epoch whose weights were kept, from 0.
        kept: u64,
    },
}

impl Verdict {
    /// Judges a `fit` that ends with the weights of epoch `kept`, from 0, or with its last ones; `None` if there is nothing to
    /// say.
    pub fn of(epochs: &[EpochRow], kept: Option<u64>, against: Against) -> Option<Self> {
        let whole = judge(epochs, against);
        let Some(kept) = kept.filter(|kept| kept + 1 < epochs.len() as u64) else {
            return whole.map(Verdict::Holds);
        };
        let same = |then: &Judgement| whole.is_some_and(|whole| whole.course == then.course);
        let then = judge(&epochs[..=kept as usize], against).filter(|then| then.course.is_failure() || same(then));
        // Losses that are high in the end and were not in the kept epoch are no want of training.
        let later =
            whole.filter(|whole| !matches!(whole.course, Course::FarOff | Course::Stalled | Course::Underfitting));
        then.map(Verdict::Holds).or(later.map(|later| Verdict::Escaped { later, kept }))
    }

    /// The course, whichever weights were kept.
    pub fn judgement(self) -> Judgement {
        let (Verdict::Holds(found) | Verdict::Escaped { later: found, .. }) = self;
        found
    }
}

#[cfg(test)]
mod tests;
