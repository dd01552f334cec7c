//! What a program supplies to a run: its own loss and metrics.

use std::sync::Arc;

use fastai_dsl::{LossSpec, Recipe};

use super::RunOptions;
use crate::RunError;
use crate::error::SuppliedError;
use crate::metrics::{self, Measure};
use crate::train::Criterion;

/// Names of columns that no metric can have.
const COLUMNS: [&str; 5] = ["step", "epoch", "trn_loss", "val_loss", "seconds"];

/// What a program measures with besides the recipe.
#[derive(Clone, Debug, Default)]
pub(super) struct Supplied {
    pub(super) loss: Option<Arc<dyn Criterion>>,
    pub(super) metrics: Vec<Arc<dyn Measure>>,
}

impl Supplied {
    pub(super) fn of(options: &RunOptions) -> Self {
        Supplied { loss: options.loss.clone(), metrics: options.metrics.clone() }
    }
}

/// The program's loss, where the recipe asks for one.
///
/// # Errors
/// If the recipe asks for one and there is none, or the other way round.
pub(super) fn loss(recipe: &Recipe, options: &RunOptions) -> Result<Option<Arc<dyn Criterion>>, RunError> {
    let name = || recipe.name().to_string();
    match (recipe.loss(), &options.loss) {
        (LossSpec::Given, None) => Err(SuppliedError::NoLoss { recipe: name() }.into()),
        (LossSpec::Given, Some(loss)) => Ok(Some(loss.clone())),
        (_, None) => Ok(None),
        (loss, Some(_)) => Err(SuppliedError::OtherLoss { recipe: name(), loss }.into()),
    }
}

/// The recipe's metrics, and the program's after them.
///
/// # Errors
/// If two columns have one name.
pub(super) fn measures(recipe: &Recipe, own: &[Arc<dyn Measure>]) -> Result<Vec<Box<dyn Measure>>, RunError> {
    let mut all = metrics::all_of(recipe.metrics());
    for metric in own {
        let column = metric.column();
        if column.is_empty() || COLUMNS.contains(&column.as_str()) || all.iter().any(|other| other.column() == column) {
            let taken = COLUMNS.map(String::from).into_iter().chain(all.iter().map(|other| other.column())).collect();
            return Err(SuppliedError::Column { column, taken }.into());
        }
        all.push(Box::new(metric.clone()));
    }
    Ok(all)
}

/// The names of the program's metrics.
pub(super) fn names(own: &[Arc<dyn Measure>]) -> Vec<String> {
    own.iter().map(|metric| metric.column()).collect()
}

/// Describes how the program's metrics differ from those that the run began with.
pub(super) fn differences(began: &[String], own: &[Arc<dyn Measure>]) -> Vec<String> {
    let now = names(own);
    let list = |names: &[String]| if names.is_empty() { "none".to_string() } else { names.join(", ") };
    match began == now {
        true => Vec::new(),
        false => vec![format!("the metrics of the program: {} when it began, {} now", list(began), list(&now))],
    }
}
