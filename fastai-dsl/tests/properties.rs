//! Properties over generated recipes and texts.

use fastai_dsl::source::RecipeText;
use proptest::prelude::*;

fn rate() -> impl Strategy<Value = String> {
    prop_oneof![
        (1e-6..9.9f64).prop_map(|x| format!("{x:?}")),
        Just("lr".to_string()),
        (1..20u32).prop_map(|k| format!("lr / {k}")),
        (0.01..1f64, 1..9u32).prop_map(|(a, k)| format!("lr * {a:?} / {k}")),
    ]
}

fn fit(groups: bool) -> impl Strategy<Value = String> {
    let rates = if groups {
        prop_oneof![rate(), [rate(), rate(), rate()].prop_map(|r| format!("[{}]", r.join(", ")))].boxed()
    } else {
        rate().boxed()
    };
    let cycles = prop_oneof![
        Just(String::new()),
        (1..4u32).prop_map(|l| format!(", cycle_len = {l}")),
        (1..4u32, 1..3u32).prop_map(|(l, m)| format!(", cycle_len = {l}, cycle_mult = {m}, anneal = linear")),
    ];
    let decay = prop_oneof![Just(String::new()), (0.0..0.1f64).prop_map(|w| format!(", wds = {w:?}"))];
    (rates, 1..5u32, cycles, decay).prop_map(|(r, n, c, w)| format!("fit({r}, {n}{c}{w});"))
}

fn recipe() -> impl Strategy<Value = String> {
    let data = prop_oneof![
        (2..200u32, "[a-z/ ]{1,9}")
            .prop_map(|(b, r)| format!("folders {{ root: {r:?}, batch: {b}, valid: random(0.25, fold = 3) }}")),
        "[ -~]{1,12}".prop_map(|c| format!(
            "csv {{ root: \"d\", labels: \"l\", images: \"i\", id: {c:?}, label: 3, header: on }}"
        )),
        (2..50u32, 0..4u32, 0..5usize).prop_map(|(n, fold, k)| {
            let split = [
                "stratified(0.25",
                "blocks(7, share = 0.25",
                "grouped(\"place\", share = 0.25",
                "random(0.25",
                "folds(4",
            ][k];
            format!(
                "csv {{ root: \"d\", labels: \"l\", images: \"i\", valid: {split}, seed = {n}, fold = {fold}), \
                 corrupt: skip, duplicates: keep, sampler: balanced, resize_to: 400, batch: {n} }}"
            )
        }),
        (2..200u32).prop_map(|b| format!("given {{ sampler: balanced, batch: {b}, resize_to: 400 }}")),
        (0..9u32).prop_map(|i| format!(
            "csv {{ root: \"d\", labels: \"l\", images: \"i\", id: {i}, label: 10, header: off, valid: none }}"
        )),
    ];
    let transforms = (32..300u32, 1.0..2f64, 0..3usize).prop_map(|(s, z, k)| {
        let (set, decode) = [("basic", ""), ("side_on", ", decode: reduced"), ("none", ", decode: full")][k];
        format!("{set} {{ size: {s}, max_zoom: {z:?}{decode} }}")
    });
    let head = prop_oneof![
        Just(String::new()),
        (0.0..0.9f64).prop_map(|p| format!("{{ dropout: {p:?}, hidden: [64, 32] }}")),
        Just("{ hidden: [], dropout: 0, weights: \"w {x}.safetensors\" }".to_string()),
    ];
    let name = "[a-z0-9_]{1,8}".prop_filter("reserved", |n| !matches!(n.as_str(), "tmp" | "final"));
    (data, transforms, head, fit(false), fit(true), name, any::<u32>(), prop::bool::ANY).prop_map(
        |(data, transforms, head, first, second, name, seed, clip)| {
            let clip = if clip { "clip: 0.5, class_weights: [1, 2.5], label_smoothing: 0.1, mixup: 0.2," } else { "" };
            format!(
                "/// Doc {{with}} braces\nDemo {{ task: single_label, data: {data}, transforms: {transforms}, \
                 model: squeezenet1_1 {head}, metrics: [accuracy], seed: {seed}, {clip} train: {{ \
                 let lr = lr_find(or = 1e-3, suggest = minimum); precompute(on); {first} precompute(off); \
                 for size in [40, 50] {{ resize(size); {first} save(\"{name}_{{size}}\"); }} unfreeze(); {second} }}, }}"
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn canonical_text_parses_back_to_an_equal_recipe(text in recipe()) {
        let source = RecipeText::new("x", &text, &[]);
        let rendered = source.render(false);
        let recipe = source.result.map_err(|_| TestCaseError::fail(rendered))?.recipe;
        let canonical = recipe.to_string();
        let again = RecipeText::new("y", &canonical, &[]);
        let rendered = again.render(false);
        let again = again.result.map_err(|_| TestCaseError::fail(format!("{rendered}\n{canonical}")))?.recipe;
        prop_assert_eq!(again, recipe);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let source = RecipeText::new("x", &text, &[]);
        prop_assert!(source.diagnostics().has_errors());
        source.render(false);
    }

    #[test]
    fn no_damage_panics(text in recipe(), at in any::<prop::sample::Index>(), len in 0..20usize, with in "[{}()\\[\\];:,=\"a1. /*-]{0,4}") {
        let start = at.index(text.len());
        let end = (start + len).min(text.len());
        let damaged = format!("{}{with}{}", &text[..start], &text[end..]);
        RecipeText::new("x", &damaged, &[]).render(false);
    }
}
