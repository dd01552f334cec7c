//! Expands a recipe's tokens to its items, and errors and lints at the user's spans.

use proc_macro2::{Span, TokenStream};
use quote::quote;

use fastai_dsl::draft::Draft;
use fastai_dsl::parse::{Parsed, parse};
use fastai_dsl::prepared;
use fastai_dsl::{Site, check_with};

use crate::classes;
use crate::facade::split_path;
use crate::file;
use crate::item::{RecipeItem, task};
use crate::report;

pub(crate) fn recipe(input: TokenStream) -> TokenStream {
    let (krate, tokens) = split_path(input);
    let Parsed { draft, diagnostics, spans, visibility, name, begun, .. } = parse(tokens);
    let places = SpanPlaces { spans: &spans };
    let Some(name) = name else {
        return report::all(&diagnostics, &|site| places.both(site));
    };
    let item = RecipeItem { krate: &krate, visibility: &visibility, name: &name, classes: &[] };
    let Some(draft) = draft else {
        let errors = report::all(&diagnostics, &|site| places.both(site));
        let stub = item.stub(&Draft::empty(name.to_string()));
        return quote! { #errors #stub };
    };
    let summary = file::summary_near(name.span(), &draft.name.text);
    let tracked = summary.as_ref().map(|summary| file::track(&summary.path));
    let classes = summary.as_ref().map_or(Vec::new(), |summary| classes::of_summary(&summary.text, task(&draft)));
    let item = RecipeItem { classes: &classes, ..item };
    let checked = check_with(&draft, diagnostics).and_then(|checked| match &summary {
        Some(summary) => prepared::verify(checked, &draft, &summary.text),
        None => Ok(checked),
    });
    match checked {
        Ok(checked) => {
            let warnings = report::all(&checked.warnings, &|site| places.both(site));
            let items = item.checked(&draft, &checked, &|site| places.first(site));
            quote! { #tracked #items #warnings }
        }
        Err(diagnostics) => {
            let errors = report::all(&diagnostics, &|site| places.both(site));
            let stub = item.stub(&draft);
            let mirror = item.mirror(&draft, &begun, &|site| places.first(site));
            // The mirror comes first: editors look types up by offset, which the texts of the errors would shift.
            quote! { #mirror #tracked #errors #stub }
        }
    }
}

/// Spans of sites.
struct SpanPlaces<'a> {
    spans: &'a [(Span, Span)],
}

impl SpanPlaces<'_> {
    fn both(&self, site: Site) -> (Span, Span) {
        self.spans.get(site.0 as usize).copied().unwrap_or((Span::call_site(), Span::call_site()))
    }

    fn first(&self, site: Site) -> Span {
        self.both(site).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion(text: &str) -> String {
        let tokens: TokenStream = text.parse().unwrap();
        let output = recipe(quote! { [::fastai] #tokens });
        prettyplease::unparse(&syn::parse2(output).unwrap())
    }

    #[test]
    fn a_recipe_becomes_builder_calls() {
        insta::assert_snapshot!(expansion(
            r#"
            /// Which tags fit this chip?
            pub Planet {
                task: multi_label,
                data: csv {
                    root: "data/planet", labels: "train_v2.csv", images: "train-jpg", suffix: ".jpg",
                    valid: random(0.2, seed = 42), batch: config::BATCH,
                },
                transforms: top_down { size: 64, max_zoom: 1.05 },
                model: squeezenet1_1 { dropout: 0.5 },
                metrics: [f2, log_loss],
                clip: 1.0,
                train: {
                    let lr = lr_find(suggest = valley, or = 0.2);
                    for size in [64, 128] {
                        resize(size);
                        freeze();
                        fit(lr, 3, cycle_len = 1, cycle_mult = 2);
                        unfreeze();
                        fit([lr / 9, lr / 3, lr], 3, cycle_len = 1, cycle_mult = 2);
                        save("{size}");
                    }
                    tta();
                },
            }
            "#
        ));
    }

    #[test]
    fn a_broken_recipe_leaves_a_stub_its_errors_and_a_mirror() {
        insta::assert_snapshot!(expansion(
            r#"
            Cats {
                task: single_label,
                data: folders { root: "d" },
                transforms: side_on { size: 224 },
                model: squeezenet1_2,
                metrics: [accuracy],
                train: { fit(1e-2, 0); },
            }
            "#
        ));
    }
}
