//! Whether the runs of a sweep fit into memory, asked before the first of them.

use std::collections::BTreeSet;
use std::fmt::Display;

use fastai_dsl::{Data, Facts, Plan, Recipe, TaskKind};

use super::SweepSpec;
use super::obstacle::Obstacle;
use crate::RunError;
use crate::data::Dataset;
use crate::device::{self, DeviceKind, DeviceRequest};
use crate::engine::{self, RunOptions};
use crate::progress::Progress;

/// Returns why candidates do not fit into memory, and notes where the batches of the others pass the body in parts. Nothing is
/// found of candidates whose data or device cannot be opened: their trials say so.
pub(super) fn check(spec: &SweepSpec, options: &RunOptions, progress: &mut dyn Progress) -> Vec<Obstacle> {
    let own: BTreeSet<usize> = spec.own_trials().iter().map(|key| key.candidate).collect();
    let (mut opened, mut errors, mut notes) = (OpenedOnce::default(), Vec::new(), Vec::new());
    for &candidate in &own {
        let recipe = &spec.candidates[candidate].recipe;
        if !opened.is_on_cpu(options.device.clone().unwrap_or(recipe.device().into())) {
            continue;
        }
        let plan = Plan::new(recipe, &opened.facts(recipe));
        match engine::fits_memory(recipe, &plan, options.memory) {
            Ok(parts) => {
                let split =
                    plan.stages.iter().zip(&parts).filter(|(_, parts)| **parts > 1).map(|(stage, _)| &stage.text);
                for (call, note) in split.zip(engine::notes_of_parts(&plan.stages, &parts)) {
                    add(&mut notes, candidate, call, note);
                }
            }
            Err(error) => {
                let call = if let RunError::TooLarge { step, .. } = &error { step.call.clone() } else { String::new() };
                add(&mut errors, candidate, &call, error);
            }
        }
    }
    for note in &notes {
        let whom = note.whom(spec, own.len());
        progress.note(&if whom.is_empty() { note.said.clone() } else { format!("{whom}: {}", note.said) });
    }
    errors.into_iter().map(|found| Obstacle { whom: found.whom(spec, own.len()), error: found.said }).collect()
}

/// What is opened once for all candidates that share it.
#[derive(Default)]
struct OpenedOnce {
    data: Vec<(Data, TaskKind, Facts)>,
    devices: Vec<(DeviceRequest, bool)>,
}

impl OpenedOnce {
    /// The counts of a recipe's data; unknown ones if it cannot be opened.
    fn facts(&mut self, recipe: &Recipe) -> Facts {
        // A key that sweeps often change, and that changes no count.
        let (data, task) = (Data { batch: 0, ..recipe.data().clone() }, recipe.task());
        if let Some((.., facts)) = self.data.iter().find(|(known, of, _)| *known == data && *of == task) {
            return *facts;
        }
        let facts = Dataset::open(recipe.data(), task).map(|dataset| dataset.facts()).unwrap_or_default();
        self.data.push((data, task, facts));
        facts
    }

    /// Whether a request is met by the CPU, whose memory limits a network.
    fn is_on_cpu(&mut self, request: DeviceRequest) -> bool {
        if let Some((_, cpu)) = self.devices.iter().find(|(known, _)| *known == request) {
            return *cpu;
        }
        let cpu = device::pick(request.clone()).is_ok_and(|picked| picked.kind == DeviceKind::Cpu);
        self.devices.push((request, cpu));
        cpu
    }
}

/// What is said of one or more candidates.
struct CandidateRemark<T> {
    said: T,
    /// The text without the call of its step, whose arguments may be values that the sweep tries.
    without_call: String,
    /// Whether the text is the same for all of them.
    is_same: bool,
    /// At least one, ascending.
    candidates: Vec<usize>,
}

/// Adds what is said of a candidate about the step `call`, or the candidate to those of which it is said already.
fn add<T: Display>(remarks: &mut Vec<CandidateRemark<T>>, candidate: usize, call: &str, said: T) {
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
    fn whom(&self, spec: &SweepSpec, all: usize) -> String {
        let first = spec.candidates[self.candidates[0]].describe();
        match self.candidates.len() - 1 {
            others if others + 1 == all && self.is_same => String::new(),
            0 => first,
            1 => format!("{first} and another combination"),
            others => format!("{first} and {others} other combinations"),
        }
    }
}
