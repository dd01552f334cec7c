//! What is remarkable about the data of a sweep, and whether its runs fit into memory, asked before the first of them.

use std::collections::BTreeSet;

use fastai_dsl::{Data, Facts, Plan, Recipe, TaskKind};

use super::obstacle::Obstacle;
use super::remark::add;
use super::{Candidate, SweepSpec};
use crate::RunError;
use crate::data::Dataset;
use crate::device::{self, DeviceKind, DeviceRequest};
use crate::engine::{self, RunOptions};
use crate::progress::Progress;

/// Returns why candidates do not fit into memory, and notes what is remarkable about the data, and where the batches of the other
/// candidates pass the body in parts. Nothing is found of candidates whose data or device cannot be opened: their trials say so.
pub(super) fn check(spec: &SweepSpec, options: &RunOptions, progress: &mut dyn Progress) -> Vec<Obstacle> {
    let own: BTreeSet<usize> = spec.own_trials().iter().map(|key| key.candidate).collect();
    let (mut opened, mut errors, mut notes) = (OpenedOnce::default(), Vec::new(), Vec::new());
    for &candidate in &own {
        let Candidate { recipe, folds, .. } = &spec.candidates[candidate];
        // With `--folds`, the split of the recipe itself never runs.
        let data = opened.data(folds.first().unwrap_or(recipe));
        data.notes.iter().for_each(|note| add(&mut notes, candidate, "", note.clone()));
        let facts = data.facts;
        if !opened.is_on_cpu(options.device.clone().unwrap_or(recipe.device().into())) {
            continue;
        }
        let plan = Plan::new(recipe, &facts);
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

/// What is known of the data of a recipe.
struct OpenedData {
    of: (Data, TaskKind),
    facts: Facts,
    notes: Vec<String>,
}

/// What is opened once for all candidates that share it.
#[derive(Default)]
struct OpenedOnce {
    data: Vec<OpenedData>,
    devices: Vec<(DeviceRequest, bool)>,
}

impl OpenedOnce {
    /// What is known of a recipe's data; nothing if it cannot be opened.
    fn data(&mut self, recipe: &Recipe) -> &OpenedData {
        // A key that sweeps often change, and that changes no count.
        let of = (Data { batch: 0, ..recipe.data().clone() }, recipe.task());
        let at = self.data.iter().position(|known| known.of == of).unwrap_or_else(|| {
            let opened = Dataset::open(recipe.data(), recipe.task());
            let (facts, notes) = opened.map(|dataset| (dataset.facts(), dataset.notes)).unwrap_or_default();
            self.data.push(OpenedData { of, facts, notes });
            self.data.len() - 1
        });
        &self.data[at]
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
