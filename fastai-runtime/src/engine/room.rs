//! Whether a run fits into memory, and in how many parts a batch passes the body so that it does.

use fastai_data::memory;
use fastai_dsl::{BodyState, Facts, Plan, Recipe, Stage, Step, StepKind};

use crate::RunError;
use crate::error::FailedStep;
use crate::models::StageMemory;

/// The fewest images of a part: batch norms need two.
pub(super) const FEWEST: u64 = 2;

/// Batches of pixels in memory at a time: the one that passes the network, one that waits, and one that is loaded.
const LOADED: u64 = 3;

/// Bytes of addresses of the program, its files and its images, measured as what the smallest run needs under `ulimit -v` beside its
/// threads.
const OF_PROGRAM: u64 = 192 << 20;

/// Bytes of addresses of a thread: its stack, and 64 MiB that the C library reserves for a thread that allocates.
const OF_THREAD: u64 = (64 + 2) << 20;

/// Threads beside those that compute: the first one, and those that load images, show progress and wait for signals.
const FURTHER_THREADS: u64 = 5;

/// The parts, from 1, in which the batches of each stage of the plan pass the body on the CPU, so that they fit into memory as far
/// as it can be estimated from the layers.
///
/// `limit` are the bytes that the network may take; unless given, those that this process may have: the machine's memory, or a
/// limit of its control groups or of `ulimit -v`. Unknown limits are no error.
///
/// # Errors
/// [`RunError::TooLarge`] if a step does not fit in any number of parts.
pub fn fits_memory(recipe: &Recipe, plan: &Plan, limit: Option<u64>) -> Result<Vec<usize>, RunError> {
    match (limit, memory::limit()) {
        (Some(stated), _) => fits_into(recipe, plan, stated, true),
        (None, Some(there)) if memory::address_space() == Some(there) => fits_addresses(recipe, plan, there),
        (None, Some(there)) => fits_into(recipe, plan, there, false),
        (None, None) => Ok(vec![1; plan.stages.len()]),
    }
}

/// Refuses what `ulimit -v` leaves no room for whatever the data are, before images are read, which takes addresses as well.
pub(super) fn fits_before_data(recipe: &Recipe) -> Result<(), RunError> {
    match memory::address_space().filter(|there| memory::limit() == Some(*there)) {
        Some(there) => {
            let facts = Facts { classes: Some(1), ..Facts::default() };
            fits_addresses(recipe, &Plan::new(recipe, &facts), there).map(drop)
        }
        None => Ok(()),
    }
}

/// [`fits_memory`] where `ulimit -v` leaves this process so many bytes of `there`, of which the program and its threads need some.
fn fits_addresses(recipe: &Recipe, plan: &Plan, there: u64) -> Result<Vec<usize>, RunError> {
    let beside = OF_PROGRAM + (rayon::current_num_threads() as u64 + FURTHER_THREADS) * OF_THREAD;
    fits_into(recipe, plan, there.saturating_sub(beside), false).map_err(|error| match error {
        RunError::TooLarge { step, needs, stated, lower, .. } => {
            // The threads may do with less, which only a trial tells.
            let tried = there / 1_000_000;
            let try_it = format!("; or `--memory {tried}M`, to try it nevertheless");
            let try_it = if needs <= tried * 1_000_000 { &try_it[..] } else { "" };
            let higher = format!("a higher `ulimit -v`, or fewer threads{try_it}");
            let lower = if beside < there { format!("{lower}; or {higher}") } else { higher };
            RunError::TooLarge { step, needs: needs + beside, there, stated, lower }
        }
        other => other,
    })
}

/// `stated`: whether it is an option that says what is there, which is for the network alone; otherwise the loaded pixels, which
/// parts do not lessen, need room as well.
fn fits_into(recipe: &Recipe, plan: &Plan, there: u64, stated: bool) -> Result<Vec<usize>, RunError> {
    let needs_of = |(index, stage)| match activations_of(&plan.stages, index) {
        Some(computed) => StageMemory::of(recipe, plan, &computed),
        None => StageMemory::of(recipe, plan, stage),
    };
    let needs: Vec<Option<StageMemory>> = plan.stages.iter().enumerate().map(needs_of).collect();
    let all = || plan.stages.iter().zip(needs.iter().copied());
    let loaded = |stage: &Stage, memory| if stated { 0 } else { loaded_bytes(stage, memory) };
    let parts = |(stage, needs): (&Stage, Option<StageMemory>)| {
        needs.map_or(Some(1), |memory| parts_of(stage, memory, there.saturating_sub(loaded(stage, memory))))
    };
    if let Some(parts) = all().map(parts).collect() {
        return Ok(parts);
    }
    let known = all().enumerate().filter_map(|(index, (stage, needs))| Some((index, stage, needs?)));
    let least = |stage: &Stage, memory| least_of(stage, memory) + loaded(stage, memory);
    let (index, stage, needs) = known
        .max_by_key(|(_, stage, memory)| least(stage, *memory))
        .expect("a step that does not fit needs a known amount");
    let least = least(stage, needs);
    let batch = stage.state.batch;
    let image = image_bytes(stage, needs) + loaded(stage, needs) / u64::from(batch.max(1));
    let fitting = there.saturating_sub(needs.weights) / image;
    let lower = if fitting >= FEWEST {
        format!(
            "`batch: {fitting}` or smaller images would fit, where the recipe has batches of {batch} at {} px",
            stage.state.size
        )
    } else if needs.weights > there {
        "smaller layers in `hidden`, or a smaller network".to_string()
    } else {
        format!("smaller images than {} px, or a smaller network", stage.state.size)
    };
    let lower = if stated { format!("{lower}; or `--memory {}M`", least.div_ceil(1_000_000)) } else { lower };
    Err(RunError::TooLarge { step: FailedStep::of(index, stage), needs: least, there, stated, lower })
}

/// The step that computes the cached activations which the stage with this index finds changed, by another size or other weights
/// since they were computed; `None` if it finds them.
fn activations_of(stages: &[Stage], index: usize) -> Option<Stage> {
    let uses = |stage: &Stage| stage.state.body == BodyState::Precomputed && stage.step.runs_network();
    let stage = stages.get(index).filter(|stage| uses(stage) && stage.step.trains())?;
    let mut since = stages[..index].iter().rev().take_while(|before| !uses(before));
    let changed = since.any(|before| matches!(before.step.kind(), StepKind::Resize | StepKind::Load));
    changed.then(|| Stage { step: Step::Precompute { on: true }, ..stage.clone() })
}

/// Bytes of the maps of an image.
fn image_bytes(stage: &Stage, memory: StageMemory) -> u64 {
    (memory.activations / u64::from(stage.state.batch.max(1))).max(1)
}

/// Bytes of the pixels that are loaded at a time; none where the network computes on cached activations.
fn loaded_bytes(stage: &Stage, memory: StageMemory) -> u64 {
    let side = u64::from(stage.state.size);
    let batch = 3 * side * side * size_of::<f32>() as u64 * u64::from(stage.state.batch);
    if memory.activations == 0 { 0 } else { LOADED * batch }
}

/// The parts of a stage's batches; `None` if no number of them fits.
fn parts_of(stage: &Stage, memory: StageMemory, there: u64) -> Option<usize> {
    if memory.total() <= there {
        return Some(1);
    }
    // With what is left, a convolution unrolls its windows.
    let fitting = (there / 4 * 3).saturating_sub(memory.weights) / image_bytes(stage, memory);
    (splits(stage, memory) && fitting >= FEWEST).then(|| u64::from(stage.state.batch).div_ceil(fitting) as usize)
}

/// The fewest bytes with which [`parts_of`] finds parts.
fn least_of(stage: &Stage, memory: StageMemory) -> u64 {
    let in_fewest = (memory.weights + FEWEST * image_bytes(stage, memory)).div_ceil(3) * 4;
    if splits(stage, memory) { memory.total().min(in_fewest) } else { memory.total() }
}

/// Whether the images of a batch pass the body and may do so in parts.
fn splits(stage: &Stage, memory: StageMemory) -> bool {
    memory.activations > 0 && passes_in_parts(&stage.step)
}

/// Whether what such a step passes through the body may pass in parts. `average` takes the statistics of whole batches.
pub(super) fn passes_in_parts(step: &Step) -> bool {
    step.runs_network() && step.kind() != StepKind::Average
}

/// What a run says of the stages whose batches pass in parts, by [`fits_memory`].
pub fn notes_of_parts<'a>(stages: &'a [Stage], parts: &'a [usize]) -> impl Iterator<Item = String> + 'a {
    stages
        .iter()
        .zip(parts)
        .enumerate()
        .filter(|(_, (_, parts))| **parts > 1)
        .map(|(index, (stage, parts))| format!("step {} `{}`: {}", index + 1, stage.text, in_parts(stage, *parts)))
}

/// Images of a part, where the batches of a stage pass the body in so many.
pub fn images_of_part(stage: &Stage, parts: usize) -> u32 {
    stage.state.batch.div_ceil(u32::try_from(parts.max(1)).unwrap_or(u32::MAX))
}

/// What batches in parts mean.
pub(super) fn in_parts(stage: &Stage, parts: usize) -> String {
    let (batch, images) = (stage.state.batch, images_of_part(stage, parts));
    let trained = stage.step.trains().then_some(stage.state.body);
    let means = match trained {
        None | Some(BodyState::Precomputed) => "the results are those of whole batches",
        // The batch norms of a frozen body keep their statistics, and those of the head see the whole batch.
        Some(BodyState::Frozen) => "the step is that of the whole batch",
        Some(BodyState::Unfrozen) if stage.state.bn_frozen => {
            "the step is that of the whole batch, and takes a further forward pass"
        }
        Some(BodyState::Unfrozen) => {
            "the step is that of the whole batch, but batch norms that learn see a part at a time, and it takes a further \
             forward pass"
        }
    };
    format!(
        "a batch of {batch} does not fit into memory as a whole and passes the body in {parts} parts of at most {images} images; \
         {means}"
    )
}

#[cfg(test)]
mod tests {
    use fastai_dsl::source::RecipeText;

    use super::*;

    fn fits(model: &str, size: u32, batch: u32, there: u64) -> Result<Vec<usize>, String> {
        fits_in(model, size, batch, there, false)
    }

    fn fits_in(model: &str, size: u32, batch: u32, there: u64, stated: bool) -> Result<Vec<usize>, String> {
        fits_steps("fit(0.01, 1); unfreeze(); fit(0.001, 1);", model, size, batch, there, stated)
    }

    fn fits_steps(
        steps: &str,
        model: &str,
        size: u32,
        batch: u32,
        there: u64,
        stated: bool,
    ) -> Result<Vec<usize>, String> {
        let text = format!(
            "A {{ task: single_label, data: folders {{ root: \"d\", batch: {batch} }}, transforms: side_on {{ size: {size} }}, \
             model: {model}, metrics: [accuracy], train: {{ {steps} }} }}"
        );
        let recipe = RecipeText::new("a.recipe", &text, &[]).result.unwrap().recipe;
        let facts = Facts { train: Some(1000), valid: Some(100), test: None, classes: Some(10) };
        fits_into(&recipe, &Plan::new(&recipe, &facts), there, stated).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_fit_says_what_to_lower() {
        assert_eq!(fits("resnet50", 224, 64, 64 << 30), Ok(vec![1; 3]));
        let said = fits("resnet50 { hidden: [32768, 16384] }", 224, 2, 4 << 30).unwrap_err();
        assert!(said.contains("smaller layers in `hidden`"), "{said}");
        // Two images fit as a whole, but not as a part of a batch, which leaves room for unrolled windows.
        let said = fits("resnet50", 4096, 64, 64 << 30).unwrap_err();
        assert!(said.contains("step 3 `fit(0.001, 1)`") && said.contains("`batch: 2`"), "{said}");
        assert!(said.contains("batches of 64 at 4096 px"), "{said}");
        assert_eq!(fits("resnet50", 4096, 2, 64 << 30), Ok(vec![1; 3]), "the advice holds");
        let said = fits("resnet50", 4096, 2, 2 << 30).unwrap_err();
        assert!(said.contains("smaller images than 4096 px"), "{said}");
    }

    #[test]
    fn a_limit_that_an_option_states_is_named_in_units_that_show_it() {
        let said = fits_in("squeezenet1_1", 32, 2, 1_000, true).unwrap_err();
        assert!(said.contains("`--memory` allows 1.0 kB: ") && said.contains(" MB, as estimated"), "{said}");
        let advised: u64 = said.rsplit_once("; or `--memory ").unwrap().1.trim_end_matches("M`").parse().unwrap();
        assert!(fits_in("squeezenet1_1", 32, 2, advised * 1_000_000, true).is_ok(), "{said}");
        assert!(fits_in("squeezenet1_1", 32, 2, (advised - 1) * 1_000_000, true).is_err(), "{said}");
        // Where the batch would pass in parts, the least is that of the smallest ones.
        let said = fits_in("resnet50", 224, 64, 100_000_000, true).unwrap_err();
        let advised: u64 = said.rsplit_once("; or `--memory ").unwrap().1.trim_end_matches("M`").parse().unwrap();
        let parts = |megabytes: u64| fits_in("resnet50", 224, 64, megabytes * 1_000_000, true);
        assert_eq!(parts(advised).unwrap()[2], 32, "{said}");
        assert!(parts(advised - 1).is_err(), "{said}");
        let said = fits("squeezenet1_1", 32, 2, 1_000).unwrap_err();
        assert!(said.contains("there are 1.0 kB: ") && !said.contains("--memory"), "{said}");
    }

    #[test]
    fn batches_that_do_not_fit_pass_in_parts() {
        // Two steps with a frozen body fit, the one that trains it does not.
        let parts = fits("resnet50", 224, 64, 4 << 30).unwrap();
        assert_eq!(parts, [1, 1, 3]);
        assert!(fits("resnet50", 224, 64, 1 << 30).unwrap()[2] > 8);
        let said = fits("resnet50", 2048, 64, 64 << 30).unwrap();
        assert!((8..=32).contains(&said[2]), "{said:?}");
    }

    #[test]
    fn pixels_need_room_that_parts_do_not_lessen() {
        let fits =
            |batch: u32, stated: bool| fits_steps("fit(0.01, 1);", "squeezenet1_1", 2048, batch, 3_072_000_000, stated);
        // Three batches of 64 images are 9.7 GB of pixels.
        assert!(fits(64, true).unwrap()[0] > 16, "an option is for the network alone");
        let said = fits(64, false).unwrap_err();
        assert!(said.contains("`batch: 4` or smaller images"), "{said}");
        assert_eq!(fits(4, false), Ok(vec![1]), "the advice holds");
    }

    #[test]
    fn a_limit_of_addresses_holds_the_program_and_its_threads_too() {
        let text = "A { task: single_label, data: folders { root: \"d\", batch: 2 }, transforms: side_on { size: 64 }, model: \
                    squeezenet1_1, metrics: [accuracy], train: { fit(0.01, 1); } }";
        let recipe = RecipeText::new("a.recipe", text, &[]).result.unwrap().recipe;
        let plan = Plan::new(&recipe, &Facts { classes: Some(10), ..Facts::default() });
        let fits = |there: u64| fits_addresses(&recipe, &plan, there).map_err(|error| error.to_string());
        let beside = |threads: u64| OF_PROGRAM + (threads + FURTHER_THREADS) * OF_THREAD;
        let threads = rayon::current_num_threads() as u64;
        assert_eq!(fits(beside(threads) + (100 << 20)), Ok(vec![1]));
        let said = fits(beside(threads) + 1_000).unwrap_err();
        assert!(said.contains("network; or a higher `ulimit -v`, or fewer threads"), "{said}");
        let said = fits(100_000_000).unwrap_err();
        assert!(said.contains("there are 100.0 MB: a higher `ulimit -v`, or fewer threads"), "{said}");
        let fewer = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(fewer.install(|| fits(beside(1) + (50 << 20))), Ok(vec![1]), "fewer threads need less");
    }

    #[test]
    fn only_batch_norms_that_learn_are_said_to_see_parts() {
        let text = "A { task: single_label, data: folders { root: \"d\" }, transforms: side_on { size: 224 }, model: resnet18, \
                    metrics: [accuracy], train: { fit(0.01, 1); unfreeze(); fit(0.001, 1); bn_freeze(on); fit(0.001, 1); } }";
        let recipe = RecipeText::new("a.recipe", text, &[]).result.unwrap().recipe;
        let plan = Plan::new(&recipe, &Facts::default());
        let said = |index: usize| in_parts(&plan.stages[index], 2);
        assert!(said(0).ends_with("; the step is that of the whole batch"), "{}", said(0));
        assert!(
            said(2).contains("batch norms that learn") && said(2).ends_with("a further forward pass"),
            "{}",
            said(2)
        );
        assert!(!said(4).contains("batch norms") && said(4).ends_with("a further forward pass"), "{}", said(4));
    }

    #[test]
    fn evaluation_passes_in_parts_where_results_do_not_depend_on_them() {
        let fits = |steps: &str, there: u64| fits_steps(steps, "resnet18", 224, 64, there, true);
        let steps = "precompute(on); fit(0.01, 1); resize(448); fit(0.01, 1); precompute(off); tta();";
        assert_eq!(fits(steps, 64 << 30), Ok(vec![1; 6]));
        let parts = fits(steps, 400 << 20).unwrap();
        // The second fit finds no activations at the new size, and computes them.
        assert!(parts[0] > 1 && parts[1] == 1 && parts[3] > 3 * parts[0] && parts[5] == parts[3], "{parts:?}");
        // The statistics of batch norms are those of whole batches.
        let steps = "fit(0.01, 2, cycle_len = 1, cycle_save_name = \"a\"); average([\"a_cyc_0\", \"a_cyc_1\"]);";
        let said = fits(steps, 400 << 20).unwrap_err();
        assert!(said.contains("step 2 `average("), "{said}");
    }
}
