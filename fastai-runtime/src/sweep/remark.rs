//! What is said of several candidates at once.

use std::fmt::Display;

use super::SweepSpec;

/// What is said of one or more candidates.
pub(super) struct CandidateRemark<T> {
    pub(super) said: T,
    /// The text without the call of its step, whose arguments may be values that the sweep tries.
    without_call: String,
    /// Whether the text is the same for all of them.
    is_same: bool,
    /// At least one, ascending.
    candidates: Vec<usize>,
}

/// Adds what is said of a candidate about the step `call`, or the candidate to those of which it is said already.
pub(super) fn add<T: Display>(remarks: &mut Vec<CandidateRemark<T>>, candidate: usize, call: &str, said: T) {
    let text = said.to_string();
    let without_call = text.replacen(&format!("`{call}`"), "", 1);
    match remarks.iter_mut().find(|remark| remark.without_call == without_call) {
        Some(remark) => {
            remark.is_same &= remark.said.to_string() == text;
            remark.candidates.push(candidate);
        }
        None => remarks.push(CandidateRemark { said, without_call, is_same: true, candidates: vec![candidate] }),
    }
}

impl<T> CandidateRemark<T> {
    /// The candidates in words; nothing where the same is said of all that there are.
    pub(super) fn whom(&self, spec: &SweepSpec, all: usize) -> String {
        let first = spec.candidates[self.candidates[0]].describe();
        match self.candidates.len() - 1 {
            others if others + 1 == all && self.is_same => String::new(),
            0 => first,
            1 => format!("{first} and another combination"),
            others => format!("{first} and {others} other combinations"),
        }
    }
}
