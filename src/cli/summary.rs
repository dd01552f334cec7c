//! `fastai summary`

use fastai_dsl::ArchFacts;
use fastai_runtime::models::{LayerRow, describe_cut, describe_top};

use super::failure::Failure;
use super::numbers::thousands;
use super::table::table;

#[derive(clap::Args)]
pub struct SummaryArgs {
    /// The network, as a recipe names it
    #[arg(long, value_parser = super::classify::network)]
    arch: &'static ArchFacts,
    /// Side of the image, pixels
    #[arg(long, default_value_t = 224, value_parser = clap::value_parser!(u32).range(1..=16384))]
    size: u32,
    /// Leave this many modules at the end of the body out, as `cut` in a recipe does
    #[arg(long, default_value_t = 0)]
    cut: u32,
}

pub fn run(args: &SummaryArgs) -> Result<(), Failure> {
    let facts = args.arch;
    super::classify::takes_size(facts, args.size)?;
    if args.cut > facts.max_cut() {
        let (cut, most) = (args.cut, facts.max_cut());
        return Err(Failure::Invalid(format!("--cut {cut}: {} can lose at most {most} modules", facts.name)));
    }
    print!("{}", text(facts, args.cut, args.size as usize));
    Ok(())
}

fn text(facts: &ArchFacts, cut: u32, size: usize) -> String {
    let body = describe_cut(facts.name, cut, size);
    // The published classifier needs the output of the whole body.
    let top = if cut == 0 { describe_top(facts.name, size) } else { Vec::new() };
    let mut rows = vec![["group", "layer", "kind", "output", "parameters", "multiply-adds"].map(str::to_owned)];
    rows.extend(body.iter().map(|row| cells(&row.group.to_string(), row)));
    rows.extend(top.iter().map(|row| cells("top", row)));
    let mut out = format!("{}, an image of {size} x {size} pixels\n\n", facts.doc) + &table(&rows, 2);

    out += "\n";
    let mut totals = vec![["group", "", "parameters", "multiply-adds"].map(str::to_owned)];
    for (group, (holds, _)) in facts.groups_without(cut).iter().enumerate() {
        totals.push(total(&group.to_string(), holds, body.iter().filter(|row| row.group == group)));
    }
    if cut == 0 {
        totals.push(total("top", "the published classifier, which a head replaces", top.iter()));
    }
    totals.push(total("all", "", body.iter().chain(&top)));
    out + &table(&totals, 2) + &format!("\na head reads {} features\n", facts.head_input_without(cut))
}

fn cells(group: &str, row: &LayerRow) -> [String; 6] {
    let [channels, height, width] = row.output;
    let count = |n: u64| if n == 0 { String::new() } else { thousands(n) };
    [
        group.to_owned(),
        row.name.clone(),
        row.kind.clone(),
        format!("{channels} x {height} x {width}"),
        count(row.parameters),
        count(row.multiply_adds),
    ]
}

fn total<'a>(group: &str, holds: &str, rows: impl Iterator<Item = &'a LayerRow> + Clone) -> [String; 4] {
    let parameters = rows.clone().map(|row| row.parameters).sum();
    let multiply_adds = rows.map(|row| row.multiply_adds).sum();
    [group.to_owned(), holds.to_owned(), thousands(parameters), thousands(multiply_adds)]
}
