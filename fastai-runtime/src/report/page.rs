//! What all pages have in common: all but their content, and text with words in backticks.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::names::visible;

const STYLE: &str = include_str!("report.css");

/// The text of a page: its style is inline, a policy forbids fetching and scripts, and characters that cannot be seen are replaced.
pub(crate) fn page(title: &str, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (content) }
        }
    };
    visible(&page.into_string()).into_owned()
}

/// Renders text with words in backticks as code.
pub(crate) fn marked(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
