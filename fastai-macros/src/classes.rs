//! The classes of a recipe as an enum, from the summary of its data.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use fastai_dsl::TaskKind;
use fastai_dsl::prepared::DataSummary;

/// The classes that a summary names, in the order of a model's outputs; none for numbers, or if the summary cannot be read,
/// which the checks report.
pub(crate) fn of_summary(text: &str, task: TaskKind) -> Vec<String> {
    match (task, DataSummary::parse(text)) {
        (TaskKind::SingleLabel | TaskKind::MultiLabel, Ok(summary)) => summary.classes.into_keys().collect(),
        _ => Vec::new(),
    }
}

/// The enum `NAMEClass` and its connection with the recipe.
///
/// # Errors
/// Every class that has no variant of its own, in the words of the message.
pub(crate) fn item(
    krate: &TokenStream,
    visibility: &TokenStream,
    recipe: &Ident,
    classes: &[String],
) -> Result<TokenStream, String> {
    let variants = variants(classes)?;
    let name = Ident::new(&format!("{recipe}Class"), recipe.span());
    let doc = format!(" The classes of [`{recipe}`], in the order of a model's outputs.");
    let docs = classes.iter().map(|class| format!(" `{}`", class.replace('`', "'")));
    let count = classes.len();
    Ok(quote! {
        #[doc = #doc]
        #[allow(dead_code, non_camel_case_types, clippy::enum_variant_names, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #visibility enum #name { #(#[doc = #docs] #variants,)* }
        #[allow(dead_code)]
        impl #name {
            /// All classes, in the order of a model's outputs.
            pub const ALL: [#name; #count] = [#(#name::#variants),*];
            /// The name of the class in the data.
            pub const fn as_str(self) -> &'static str {
                <#name as #krate::__private::Class>::NAMES[self as usize]
            }
        }
        impl #krate::__private::Class for #name {
            const ALL: &'static [#name] = &#name::ALL;
            const NAMES: &'static [&'static str] = &[#(#classes),*];
            fn index(self) -> usize {
                self as usize
            }
        }
        impl ::core::fmt::Display for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl ::core::str::FromStr for #name {
            type Err = #krate::__private::UnknownClass;
            fn from_str(name: &str) -> ::core::result::Result<#name, Self::Err> {
                #krate::__private::class_named(name)
            }
        }
        impl #krate::__private::Classified for #recipe {
            type Class = #name;
        }
    })
}

/// The variants of class names: words joined with capital first letters, such as `BostonBull` for `boston bull`; `Class`
/// goes before a digit.
fn variants(classes: &[String]) -> Result<Vec<Ident>, String> {
    let mut findings = Vec::new();
    let mut taken: Vec<(String, &str)> = Vec::new();
    for class in classes {
        let Some(variant) = variant(class) else {
            findings.push(format!("class {class:?} has no letter or digit that a name in Rust can have"));
            continue;
        };
        match taken.iter().find(|(other, _)| *other == variant) {
            Some((_, other)) => findings.push(format!("classes {other:?} and {class:?} both become `{variant}`")),
            None => taken.push((variant, class)),
        }
    }
    if findings.is_empty() {
        return Ok(taken.iter().map(|(variant, _)| format_ident!("{variant}", span = Span::mixed_site())).collect());
    }
    let help = "rename classes in the data and run `fastai prepare FILE` again, or delete the summary to do without the type \
                of the classes";
    Err(format!("the classes of the data make no enum: {}\n\nhelp: {help}", findings.join("; ")))
}

fn variant(class: &str) -> Option<String> {
    let mut name = String::new();
    for word in class.split(|c: char| !c.is_alphanumeric()) {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    if name.starts_with(|c: char| c.is_numeric()) {
        name.insert_str(0, "Class");
    }
    if name == "Self" {
        name.push('_');
    }
    // Letters and digits of other scripts may be no part of a name.
    (!name.is_empty() && name.parse::<TokenStream>().is_ok_and(is_one_ident)).then_some(name)
}

fn is_one_ident(tokens: TokenStream) -> bool {
    let tokens: Vec<_> = tokens.into_iter().collect();
    matches!(tokens[..], [proc_macro2::TokenTree::Ident(_)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(classes: &[&str]) -> Result<Vec<String>, String> {
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        variants(&classes).map(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn class_names_become_variants() {
        let classes = ["boston bull", "n02-chihuahua", "0", "self", "NIGHT", "train_v2", "été", "日本"];
        let wanted = ["BostonBull", "N02Chihuahua", "Class0", "Self_", "NIGHT", "TrainV2", "Été", "日本"];
        assert_eq!(names(&classes).unwrap(), wanted);
    }

    #[test]
    fn classes_without_a_variant_of_their_own_are_all_named() {
        let error = names(&["a b", "a-b", "!?", "c"]).unwrap_err();
        for part in
            ["classes \"a b\" and \"a-b\" both become `AB`", "class \"!?\" has no letter", "fastai prepare FILE"]
        {
            assert!(error.contains(part), "{error}");
        }
    }
}
