//! Aligned columns.

/// Aligns cells in columns: left, and right in the last `numbers` columns.
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
