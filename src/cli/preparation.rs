//! How images were prepared whose activations are cached, in parts that can be compared.

/// A part of a preparation's text.
struct Part {
    /// What the part begins with in the text.
    begins: &'static str,
    name: &'static str,
    /// The value where the text says nothing of it; `None` for a part that every text has.
    unsaid: Option<&'static str>,
}

/// The parts in the order of the text, which `Preparation::signature` writes.
const PARTS: [Part; 9] = [
    Part { begins: "transforms ", name: "transforms of version", unsaid: None },
    Part { begins: ": size ", name: "size", unsaid: None },
    Part { begins: " crop ", name: "crop", unsaid: None },
    Part { begins: " pad ", name: "pad", unsaid: None },
    Part { begins: " mean ", name: "mean", unsaid: None },
    Part { begins: " std ", name: "std", unsaid: None },
    Part { begins: " decoded to ", name: "shorter side decoded to", unsaid: Some("all pixels") },
    Part { begins: " of ", name: "depth", unsaid: Some("16 bits") },
    Part { begins: " rounded to ", name: "pixels", unsaid: Some("floats") },
];

/// What differs between the preparation of cached activations and the one that is wanted: `size 32 instead of 48`. Of a text that
/// this version does not know it is the whole of `cached`.
pub fn difference(cached: &str, wanted: &str) -> String {
    let (Some(there), Some(here)) = (values(cached), values(wanted)) else { return cached.to_string() };
    let pairs = PARTS.iter().zip(there.into_iter().zip(here)).filter(|(_, (there, here))| there != here);
    let differing: Vec<String> =
        pairs.map(|(part, (there, here))| format!("{} {there} instead of {here}", part.name)).collect();
    if differing.is_empty() { cached.to_string() } else { differing.join("; ") }
}

/// The value of each part of a text; `None` if it lacks one, or has anything before the first.
fn values(text: &str) -> Option<Vec<&str>> {
    let mut values: Vec<&str> = Vec::with_capacity(PARTS.len());
    // The place of the value that is still to end.
    let mut open = None;
    let mut rest = text;
    for part in &PARTS {
        let found = rest.find(part.begins).filter(|at| open.is_some() || *at == 0);
        match (found, part.unsaid) {
            (Some(at), _) => {
                if let Some(place) = open.replace(values.len()) {
                    values[place] = &rest[..at];
                }
                rest = &rest[at + part.begins.len()..];
                values.push(rest);
            }
            (None, unsaid) => values.push(unsaid?),
        }
    }
    if let Some(place) = open {
        values[place] = rest;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "transforms 3: size 64 crop center pad 0 mean [0.5, 0.4, 0.3] std [0.2, 0.2, 0.2]";

    #[test]
    fn only_the_parts_that_differ_are_told() {
        let smaller = PLAIN.replace("size 64", "size 32").replace("pad 0", "pad 4");
        assert_eq!(difference(&smaller, PLAIN), "size 32 instead of 64; pad 4 instead of 0");
        assert_eq!(
            difference(PLAIN, &format!("{PLAIN} decoded to 141 of 12 bits")),
            "shorter side decoded to all pixels instead of 141; depth 16 bits instead of 12 bits"
        );
        assert_eq!(difference(&format!("{PLAIN} rounded to bytes"), PLAIN), "pixels bytes instead of floats");
        let other = PLAIN.replace("[0.5, 0.4, 0.3]", "[0.5, 0.4, 0.1]");
        assert_eq!(difference(&other, PLAIN), "mean [0.5, 0.4, 0.1] instead of [0.5, 0.4, 0.3]");
    }

    #[test]
    fn an_unknown_text_is_told_as_it_is() {
        for unknown in ["", "side 64", "squares: size 64 crop center", PLAIN.replace(" crop center", "").as_str()] {
            assert_eq!(difference(unknown, PLAIN), unknown);
        }
    }
}
