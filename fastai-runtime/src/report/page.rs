//! What all pages have in common: their head, and text with words in backticks.

use maud::{Markup, PreEscaped, html};

const STYLE: &str = include_str!("report.css");

/// The head of a page: inline style, and a policy that forbids fetching and scripts.
pub(crate) fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// Renders text with words in backticks as code.
pub(super) fn marked(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
