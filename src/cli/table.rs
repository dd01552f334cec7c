//! Columns side by side.

/// Lines of cells that begin together; those of the last `numbers` columns end together.
pub fn table<const N: usize>(rows: &[[String; N]], numbers: usize) -> String {
    let widths: [usize; N] = std::array::from_fn(|c| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0));
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = (0..N)
            .map(|c| {
                let (cell, width) = (&row[c], widths[c]);
                if c + numbers < N { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect();
        out += cells.join("  ").trim_end();
        out += "\n";
    }
    out
}
