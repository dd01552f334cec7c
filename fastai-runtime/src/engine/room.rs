//! Whether a run fits into the memory of the machine.

use fastai_data::memory;
use fastai_dsl::{Plan, Recipe};

use crate::RunError;
use crate::error::FailedStep;
use crate::models::StageMemory;

/// Checks the memory that the plan's largest step needs on the CPU, as far as it can be estimated from the layers.
///
/// # Errors
/// [`RunError::TooLarge`] if it is more than this process may have: the machine's memory, or a limit of its container or of
/// `ulimit -v`. Unknown limits are no error.
pub fn fits_memory(recipe: &Recipe, plan: &Plan) -> Result<(), RunError> {
    memory::limit().map_or(Ok(()), |there| fits_into(recipe, plan, there))
}

fn fits_into(recipe: &Recipe, plan: &Plan, there: u64) -> Result<(), RunError> {
    let needs =
        plan.stages.iter().enumerate().filter_map(|(i, stage)| Some((i, stage, StageMemory::of(recipe, plan, stage)?)));
    let Some((index, stage, needs)) = needs.max_by_key(|(.., memory)| memory.total()) else { return Ok(()) };
    if needs.total() <= there {
        return Ok(());
    }
    let batch = recipe.data().batch;
    let fitting = there.saturating_sub(needs.weights) / (needs.activations / u64::from(batch.max(1))).max(1);
    let lower = if fitting >= 2 {
        format!(
            "`batch: {fitting}` or smaller images would fit, where the recipe has batches of {batch} at {} px",
            stage.state.size
        )
    } else if needs.weights > there {
        "smaller layers in `hidden`, or a smaller network".to_string()
    } else {
        format!("smaller images than {} px, or a smaller network", stage.state.size)
    };
    Err(RunError::TooLarge { step: FailedStep::new(index, &stage.step), needs: needs.total(), there, lower })
}

#[cfg(test)]
mod tests {
    use fastai_dsl::Facts;
    use fastai_dsl::source::RecipeText;

    use super::*;

    fn refused(model: &str, size: u32, batch: u32, there: u64) -> Option<String> {
        let text = format!(
            "A {{ task: single_label, data: folders {{ root: \"d\", batch: {batch} }}, transforms: side_on {{ size: {size} }}, \
             model: {model}, metrics: [accuracy], train: {{ fit(0.01, 1); unfreeze(); fit(0.001, 1); }} }}"
        );
        let recipe = RecipeText::new("a.recipe", &text, &[]).result.unwrap().recipe;
        let facts = Facts { train: Some(1000), valid: Some(100), test: None, classes: Some(10) };
        fits_into(&recipe, &Plan::new(&recipe, &facts), there).err().map(|error| error.to_string())
    }

    #[test]
    fn what_cannot_fit_says_what_to_lower() {
        assert_eq!(refused("resnet50", 224, 64, 64 << 30), None);
        let said = refused("resnet50", 4096, 64, 64 << 30).unwrap();
        assert!(
            said.contains("step 3 `fit(0.001, 1)`") && said.contains("`batch: ") && said.contains("64 at 4096 px"),
            "{said}"
        );
        let said = refused("resnet50 { hidden: [32768, 16384] }", 224, 2, 4 << 30).unwrap();
        assert!(said.contains("smaller layers in `hidden`"), "{said}");
        let said = refused("resnet50", 4096, 2, 2 << 30).unwrap();
        assert!(said.contains("smaller images than 4096 px"), "{said}");
    }
}
