//! How the texts of two recipes differ.

/// Returns the first lines in which two recipes differ, with `-` before those of the run and `+` before the others.
pub(super) fn text_differences(run: &str, other: &str) -> Vec<String> {
    const SHOWN: usize = 6;
    let (a, b): (Vec<&str>, Vec<&str>) = (run.lines().collect(), other.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let side = |sign: &str, lines: &[&str]| -> Vec<String> {
        let mut shown: Vec<String> = lines.iter().take(SHOWN).map(|line| format!("  {sign} {}", line.trim())).collect();
        if lines.len() > SHOWN {
            shown.push(format!("  {sign} and {} more lines", lines.len() - SHOWN));
        }
        shown
    };
    let mut found = side("-", &a[head..a.len() - tail]);
    found.extend(side("+", &b[head..b.len() - tail]));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_shown() {
        let lines = text_differences("A {\n  x: 1,\n  y: 2,\n}\n", "A {\n  x: 1,\n  y: 3,\n}\n");
        assert_eq!(lines, ["  - y: 2,", "  + y: 3,"]);
    }
}
