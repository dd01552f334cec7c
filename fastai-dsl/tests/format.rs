//! The formatter: cases by hand, and properties over recipes with comments at random places.

use fastai_dsl::fmt::{FormatError, WIDTH, format};
use fastai_dsl::source::RecipeText;
use proptest::prelude::*;

fn formatted(text: &str) -> String {
    match format("x.recipe", text.as_bytes()) {
        Ok(new) => new,
        Err(FormatError::Broken(source)) => panic!("{}\n{text}", source.render(false)),
        Err(FormatError::Differs) => panic!("another recipe: {text}"),
    }
}

/// Formats, and formats again.
fn stable(text: &str) -> String {
    let once = formatted(text);
    assert_eq!(formatted(&once), once, "not idempotent on {text}");
    once
}

#[test]
fn one_layout() {
    let ugly = r#"
// A file comment.
#[allow( unused_let)]


/// Doc.
pub(crate) Cats{task:single_label,data:csv{root:"d",labels : "l.csv",images:"i" ,batch: config :: BATCH},
  transforms : side_on{size:224,max_zoom : 1.10,}, // square
 model:squeezenet1_1 {
 dropout:0.5 },

 metrics:[accuracy,],  /* two */


 train:{precompute( on);;let lr=lr_find(or=1e-2,);
     // the head
     fit(lr,2); for size in[64,128]{ // progressive
      resize(size);fit([lr/9,- -lr* 3,(lr+1)/2],1,cycle_len=1) ; /* last */ } // done
     #[allow(long_run)] save("a{size}")
       // before the separator
       ;
     // at the end
     }}
// after
"#;
    let pretty = r#"// A file comment.
#[allow(unused_let)]

/// Doc.
pub(crate) Cats {
    task: single_label,
    data: csv { root: "d", labels: "l.csv", images: "i", batch: config::BATCH },
    transforms: side_on { size: 224, max_zoom: 1.10 }, // square
    model: squeezenet1_1 {
        dropout: 0.5,
    },

    metrics: [accuracy], /* two */

    train: {
        precompute(on);
        let lr = lr_find(or = 1e-2);
        // the head
        fit(lr, 2);
        for size in [64, 128] { // progressive
            resize(size);
            fit([lr / 9, --lr * 3, (lr + 1) / 2], 1, cycle_len = 1); /* last */
        } // done
        #[allow(long_run)]
        save("a{size}"); // before the separator
        // at the end
    },
}
// after
"#;
    assert_eq!(stable(ugly), pretty);
}

#[test]
fn comments_stay_where_they_are() {
    let text = r#"/* top */ A { // opening
    // leading
    task: single_label, // trailing

    // before a blank line

    data: /* inside */ csv {
        root: "d", /* first */ // second
        // before the brace
    },
    metrics: [
        accuracy, // the share
        /* joined */ log_loss,
        // last in the list
    ],
    model: squeezenet1_1 { /* nothing */ },
    transforms: // on a line of its own
        side_on { size: 64 },
    train: {
        // only a comment
    },
    seed: 1, /* two
    lines */
}
"#;
    assert_eq!(stable(text), text);
    assert_eq!(
        stable("A { train: { /* none */ }, data: csv {}, metrics: [ ] }"),
        "A {\n    train: {\n        /* none */\n    },\n    data: csv {},\n    metrics: [],\n}\n"
    );
}

#[test]
fn long_lines_are_broken_where_they_can_be() {
    let words = "\"a rather long word\", ".repeat(6);
    let text = format!("A {{ class_weights: [{words}], train: {{ fit([{words}], 3); let lr = [{words}] / 3; }} }}");
    let out = stable(&text);
    assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
    assert!(out.contains("    class_weights: [\n        \"a rather long word\",\n"), "{out}");
    assert!(out.contains("        fit(\n            [\n                \"a rather long word\",\n"), "{out}");
    assert!(out.contains("        ] / 3;\n"), "{out}");
}

#[test]
fn comments_behind_the_lines_of_a_block_are_aligned() {
    let text = "A { train: { fit(1e-2, 3); // one\n freeze(); // two\n\n tta(); // three\n } }";
    let out = stable(text);
    assert!(out.contains("fit(1e-2, 3); // one\n        freeze();     // two\n\n        tta(); // three\n"), "{out}");
}

#[test]
fn line_ends_and_byte_order_marks() {
    assert_eq!(formatted("\u{feff}A {\n}"), "A {}\n");
    assert_eq!(formatted("A {\r\n task: x, // c\r\n}\r\n"), "A {\r\n    task: x, // c\r\n}\r\n");
}

#[test]
fn what_does_not_parse_is_left_alone() {
    for text in ["A { task: }", "A { task: x", "A {} B {}", "", "A { x: 3% }"] {
        let Err(FormatError::Broken(source)) = format("x.recipe", text.as_bytes()) else { panic!("{text}") };
        assert!(source.diagnostics().has_errors());
    }
    // Mistakes that are no matter of form are none of the formatter's business.
    assert_eq!(formatted("A{taks:1}"), "A {\n    taks: 1,\n}\n");
}

#[test]
fn the_examples_are_formatted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let folders = [folder.to_string(), format!("{folder}/full")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|e| e.unwrap().path());
    let recipes: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "recipe")).collect();
    assert!(recipes.len() >= 7, "{recipes:?}");
    for path in recipes {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(stable(&text), text, "fastai fmt {}", path.display());
    }
}

/// The tokens of a recipe, so that something can be put between any two of them.
fn tokens(text: &str) -> Vec<String> {
    fn walk(stream: proc_macro2::TokenStream, out: &mut Vec<String>) {
        for token in stream {
            match token {
                proc_macro2::TokenTree::Group(group) => {
                    let span = (group.span_open().source_text(), group.span_close().source_text());
                    if group.span().source_text().is_some_and(|text| text.starts_with("//")) {
                        continue;
                    }
                    out.extend(span.0);
                    walk(group.stream(), out);
                    out.extend(span.1);
                }
                // A doc comment is `#[doc = ".."]`, all at one place: taken once, with its line end.
                other => match other.span().source_text() {
                    Some(doc) if doc.starts_with("//") => {
                        if out.last() != Some(&format!("{doc}\n")) {
                            out.push(format!("{doc}\n"));
                        }
                    }
                    text => out.extend(text),
                },
            }
        }
    }
    let mut out = Vec::new();
    walk(text.parse().unwrap(), &mut out);
    out
}

const TEXTS: &[&str] = &[
    include_str!("../../examples/quickstart.recipe"),
    r#"#[allow(long_run, no_effect)] pub Small { task: single_label, data: folders { root: "d", valid: random(0.25, fold = 3) },
       transforms: side_on { size: 64, max_zoom: [1.0, 1.2] }, model: squeezenet1_1 { weights: none, hidden: [] },
       metrics: [f2(threshold = search), log_loss], class_weights: [1, 2.5], clip: -(1 + 2) * 3 / --4,
       train: { let lr = lr_find(or = 1e-3); for size in [40, 50] { #[allow(no_effect)] freeze(); for x in [1] {}
       fit([lr / 9, lr / 3, lr], 1, cycle_len = 1, cycle_mult = 2, wds = config::WD); } save("{size}"); } }"#,
];

/// What can be put between two tokens without changing the recipe; `#` stands for a number.
const FILLERS: &[&str] =
    &["\n", "\n\n\n", " ", "// c#\n", "\n// c#\n", " /* c# */ ", "\n/* c# */\n", "\n\n/* c#\n * d */ ", "/*c#*/\n"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn no_comment_is_lost_and_nothing_else_changes(
        which in 0..TEXTS.len(),
        at in prop::collection::vec((any::<prop::sample::Index>(), 0..FILLERS.len()), 0..12),
    ) {
        let mut parts = tokens(TEXTS[which]);
        let mut comments = Vec::new();
        for (n, (index, filler)) in at.iter().enumerate() {
            let i = index.index(parts.len() + 1);
            let filler = FILLERS[*filler].replace('#', &n.to_string());
            if filler.contains('c') {
                comments.push(format!("c{n}"));
            }
            parts.insert(i, filler);
        }
        let text = parts.join(" ").replace(": :", "::");
        let once = match format("x.recipe", text.as_bytes()) {
            Ok(once) => once,
            Err(FormatError::Broken(source)) => {
                return Err(TestCaseError::fail(format!("{}\n{text}", source.render(false))));
            }
            Err(FormatError::Differs) => return Err(TestCaseError::fail(format!("another recipe:\n{text}"))),
        };
        for comment in comments {
            let again = once.matches(&comment).count();
            prop_assert!(again >= 1, "{} is lost in\n{}\nfrom\n{}", comment, once, text);
        }
        let twice = format("x.recipe", once.as_bytes());
        prop_assert!(matches!(&twice, Ok(twice) if *twice == once), "not idempotent:\n{}\n{:?}\nfrom\n{}", once, twice, text);
        let checked = |text: &str| RecipeText::new("x", text, &[]).result.map(|c| c.recipe).map_err(|d| d.iter().count());
        prop_assert_eq!(checked(&once), checked(&text));
    }
}
