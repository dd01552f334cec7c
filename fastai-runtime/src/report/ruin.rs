//! What ruined a run, in short.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::train::Course;

/// The course by which a `fit` left a run with nothing learned, or without what it had learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruin {
    /// The recipe's step, from 0 here and in JSON; in words, steps count from 1.
    pub step: usize,
    /// The course.
    pub course: Course,
    /// The epoch of the `fit`, from 0, in which the course began.
    pub epoch: u64,
}

impl fmt::Display for Ruin {
    /// `diverged at epoch 1 of step 3`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at epoch {} of step {}", name(self.course), self.epoch, self.step + 1)
    }
}

/// The name of a course, for tables.
pub fn name(course: Course) -> &'static str {
    match course {
        Course::Diverged => "diverged",
        Course::SameAnswer => "the same answer for every image",
        Course::Collapsed => "collapsed",
        Course::UnfitNorms => "unfit batch norms",
        Course::Damaged => "damaged the body",
        Course::NothingLearned => "nothing learned",
        Course::FarOff => "far above a constant answer",
        Course::Worsened => "getting worse",
        Course::Overfitting => "overfitting",
        Course::Stalled => "standing still",
        Course::Underfitting => "underfitting",
    }
}
