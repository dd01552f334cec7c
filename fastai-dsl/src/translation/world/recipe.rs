//! What the statements make: a whole recipe, or the answer to one line.

use std::fmt::Write;

use super::{TrainLine, World};
use crate::translation::Answer;
use crate::translation::specs::{DataSpec, ModelSpec, TransformSpec};

impl World {
    /// The answer to the only statement that was read.
    pub(in crate::translation) fn answer(&self) -> Answer {
        let steps = self.lines.iter().filter_map(|line| match line {
            TrainLine::Step(text) => Some(text.clone()),
            TrainLine::Let { name, value, .. } => Some(format!("let {name} = {value};")),
            TrainLine::Comment(_) => None,
        });
        let mut sections = Vec::new();
        sections.extend(self.data.as_ref().map(DataSpec::section));
        sections.extend(self.transforms.as_ref().map(TransformSpec::section));
        if let Some(model) = &self.model {
            sections.push(model.section());
            sections.extend(self.metrics_section());
        }
        sections.extend(self.optimizer.map(|optimizer| format!("optimizer: {optimizer}")));
        sections.extend(self.clip.as_ref().map(|clip| format!("clip: {clip}")));
        Answer { steps: steps.collect(), sections, reasons: self.reasons.clone() }
    }

    fn metrics_section(&self) -> Option<String> {
        (!self.metrics.is_empty()).then(|| format!("metrics: [{}]", self.metrics.join(", ")))
    }

    /// The text of the recipe, unformatted.
    pub(crate) fn recipe(&self, name: &str) -> String {
        let mut out = format!("{name} {{\n");
        let comment = |out: &mut String, text: &str| {
            text.lines().for_each(|line| {
                let line = line.strip_prefix("// ").unwrap_or(line);
                let _ = writeln!(out, "// {}", line.trim_start_matches("//").trim_end());
            })
        };
        self.head.iter().for_each(|text| comment(&mut out, text));
        let metrics = self.metrics_section().unwrap_or_else(|| "metrics: [accuracy]".to_string());
        let task = self.task();
        let mut section = |text: Option<String>, instead: &str| match text {
            Some(text) => out.push_str(&format!("{text},\n")),
            None => out.push_str(&format!("// The notebook does not say:\n{instead},\n")),
        };
        section(Some(format!("task: {}", task.word())), "");
        section(self.data.as_ref().map(DataSpec::section), "data: folders { root: \"data\" }");
        section(self.transforms.as_ref().map(TransformSpec::section), "transforms: side_on { size: 224 }");
        section(self.model.as_ref().map(ModelSpec::section), "model: resnet34");
        section(Some(metrics), "");
        if let Some(optimizer) = self.optimizer {
            section(Some(format!("optimizer: {optimizer}")), "");
        }
        if let Some(clip) = &self.clip {
            section(Some(format!("clip: {clip}")), "");
        }
        out.push_str("train: {\n");
        let mut written = Vec::new();
        let mut read = String::new();
        for line in self.lines.iter().rev() {
            match line {
                TrainLine::Step(text) => {
                    read.push_str(text);
                    written.push(text.clone());
                }
                TrainLine::Let { name, value, .. } if reads(&read, name) => {
                    // An earlier binding of the name is not read by what follows this one.
                    read = without(&read, name);
                    read.push_str(value);
                    written.push(format!("let {name} = {value};"));
                }
                TrainLine::Let { unread, .. } => written.extend(unread.clone()),
                TrainLine::Comment(text) => {
                    let mut lines = String::new();
                    comment(&mut lines, text);
                    written.push(lines.trim_end().to_string());
                }
            }
        }
        written.iter().rev().for_each(|line| out.push_str(&format!("{line}\n")));
        out.push_str("},\n}\n");
        out
    }
}

/// Whether the text reads the name, as a word or in a string's braces.
fn reads(text: &str, name: &str) -> bool {
    words(text).any(|word| word == name)
}

fn without(text: &str, name: &str) -> String {
    words(text).filter(|word| *word != name).map(|word| format!("{word} ")).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}
