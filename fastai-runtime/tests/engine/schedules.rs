//! Every optimizer with every schedule and precision, stopped in the middle of every fit: each fit ends with the bytes of one
//! that was never interrupted.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use fastai_dsl::DeviceWish;
use fastai_runtime::device::HalfFloat;
use fastai_runtime::engine::run;
use fastai_runtime::progress::Silent;

use crate::chips::{self, Chips, history, in_pieces};

const OPTIMIZERS: [&str; 5] = ["sgd { nesterov: on }", "adam", "adamw", "rmsprop { momentum: 0.5 }", "lamb"];
/// Of two epochs each.
const SCHEDULES: [&str; 8] = [
    "fit(0.0001, 2, wds = 0.01)",
    "fit(0.0001, 2, cycle_len = 1)",
    "fit(0.0001, 1, cycle_len = 2, use_clr = [10, 2])",
    "fit(0.0001, 1, cycle_len = 2, use_clr_beta = [10, 20, 0.95, 0.85])",
    "fit(0.0001, 2, schedule = cosine, warmup = 0.5)",
    "fit(0.0001, 2, schedule = step, every = 1)",
    "fit(0.0001, 2, schedule = linear)",
    "fit_one_cycle(0.0001, 2, wds = 0.01)",
];
const HALF: &str = "FASTAI_SOFTWARE_HALF";
/// Set for a process that computes in 16-bit floats and prints its part of the table.
const CHILD: &str = "FASTAI_TEST_SCHEDULES_IN";

/// What trains, and in which numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trained {
    /// The head, on cached activations.
    Head,
    /// The whole network, on images.
    Network(Option<HalfFloat>),
}

impl Trained {
    const ALL: [Trained; 4] = [
        Trained::Head,
        Trained::Network(None),
        Trained::Network(Some(HalfFloat::Bf16)),
        Trained::Network(Some(HalfFloat::F16)),
    ];

    fn name(self) -> &'static str {
        match self {
            Trained::Head => "head",
            Trained::Network(half) => half.map_or("f32", HalfFloat::word),
        }
    }

    fn begins(self) -> &'static str {
        match self {
            Trained::Head => "precompute(on);",
            Trained::Network(_) => "unfreeze();",
        }
    }

    fn half(self) -> Option<HalfFloat> {
        match self {
            Trained::Head => None,
            Trained::Network(half) => half,
        }
    }
}

fn on_cpu() -> bool {
    crate::device::request() == DeviceWish::Cpu.into()
}

/// The index of a fit among the steps: two come before all, and each has one before it and one after it.
fn fit_at(number: usize) -> usize {
    3 + 3 * number
}

/// For each schedule, whether the fit ended with the same bytes.
fn are_equal(optimizer: &str, trained: Trained) -> [bool; SCHEDULES.len()] {
    // 7 training images in batches of 2, 2 and 3, so that an epoch has a middle.
    let chips = Chips::new(9);
    let fits: String = SCHEDULES
        .iter()
        .enumerate()
        .map(|(number, fit)| format!("load(\"start\"); {fit}; save(\"fit_{number}\"); "))
        .collect();
    let precision = if trained.half().is_some() { "precision: mixed," } else { "" };
    let text = chips.classes(
        &format!("{} save(\"start\"); {fits}", trained.begins()),
        "",
        &format!("optimizer: {optimizer}, clip_value: 0.5, report: off, {precision}"),
    );
    let text = text.to_string().replace("size: 64", "size: 32").replace("batch: 8", "batch: 2");
    // The first layers are enough of a body, and 16-bit floats on the CPU are slow.
    let recipe = chips::recipe(&text.replace("hidden: [16]", "hidden: [16], cut: 4"));
    let whole = run(&recipe, &chips.options("whole"), &mut Silent).unwrap();
    assert_eq!(whole.summary.half, trained.half(), "the variable {HALF} was not followed");

    let mut stops = 0;
    let second_epoch = |stops: usize| {
        // A fit that goes on begins its epoch again.
        let mut left = if stops == 0 { 1 } else { 2 };
        move |bar: &str| {
            left -= i32::from(bar == "images, epoch 1");
            left == 0 && bar == "images, epoch 1"
        }
    };
    let (outcome, _) = in_pieces(&recipe, &chips, second_epoch, |parts| {
        // The second batch of three in the second epoch; other devices than the CPU are read, and can stop, after more batches.
        let state = format!("resume/after-{}-batch-5.cbor", fit_at(stops));
        assert!(!on_cpu() || parts.join(&state).is_file(), "{optimizer}, {}: {state}", trained.name());
        stops += 1;
    });
    assert_eq!(stops, SCHEDULES.len(), "{optimizer}, {}: each fit is stopped once", trained.name());
    // The table counts the steps from 1.
    let rows = |run: &Path, index: usize| -> Vec<String> {
        history(run).into_iter().filter(|row| row.starts_with(&format!("{},", index + 1))).collect()
    };
    std::array::from_fn(|number| {
        let model = |run: &Path| std::fs::read(run.join(format!("models/fit_{number}.safetensors"))).unwrap();
        let epochs = |run: &Path| rows(run, fit_at(number));
        assert_eq!(epochs(&whole.folder).len(), 2);
        model(&whole.folder) == model(&outcome.folder) && epochs(&whole.folder) == epochs(&outcome.folder)
    })
}

/// A line for each optimizer: its number, and of each schedule whether it is equal.
fn lines(trained: Trained) -> String {
    let line = |(number, optimizer): (usize, &&str)| {
        let cells: String =
            are_equal(optimizer, trained).iter().map(|equal| if *equal { " yes" } else { " no" }).collect();
        format!("cells {number}{cells}\n")
    };
    OPTIMIZERS.iter().enumerate().map(line).collect()
}

/// The test below in another process, which computes in these floats: the variable that says so is read while threads run.
fn child(half: HalfFloat) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "schedules::every_optimizer_schedule_and_precision_goes_on_to_the_same_bytes";
    command.args(["--exact", test, "--nocapture"]).env(HALF, half.word()).env(CHILD, half.word());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// About ten seconds on two cores, most of them in emulated 16-bit floats.
#[test]
fn every_optimizer_schedule_and_precision_goes_on_to_the_same_bytes() {
    if let Ok(wanted) = std::env::var(CHILD) {
        let half = [HalfFloat::Bf16, HalfFloat::F16].into_iter().find(|half| half.word() == wanted).unwrap();
        print!("\n{}", lines(Trained::Network(Some(half))));
        return;
    }
    // The CPU emulates these floats; another device may not have them.
    let all: Vec<Trained> = Trained::ALL.into_iter().filter(|trained| on_cpu() || trained.half().is_none()).collect();
    let children: Vec<Option<Child>> = all.iter().map(|trained| trained.half().map(child)).collect();
    let column = |(trained, child): (&Trained, Option<Child>)| match child {
        None => lines(*trained),
        Some(child) => {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", trained.name());
            String::from_utf8(output.stdout).unwrap()
        }
    };
    let columns: Vec<String> = all.iter().zip(children).map(column).collect();
    let cell = |column: &str, optimizer: usize, schedule: usize| -> String {
        let start = format!("cells {optimizer} ");
        let line = column.lines().find_map(|line| line.strip_prefix(&start));
        line.and_then(|cells| cells.split(' ').nth(schedule)).unwrap_or("nothing").to_string()
    };
    let names: String = all.iter().map(|trained| format!("{:>9}", trained.name())).collect();
    let mut table = format!("equal to the bit after a stop in the middle of the fit\n{:94}{names}\n", "");
    let mut wrong = 0;
    for (number, optimizer) in OPTIMIZERS.iter().enumerate() {
        for (schedule, fit) in SCHEDULES.iter().enumerate() {
            let cells: Vec<String> = columns.iter().map(|column| cell(column, number, schedule)).collect();
            wrong += cells.iter().filter(|cell| *cell != "yes").count();
            table += &format!("{optimizer:26}{fit:68}");
            cells.iter().for_each(|cell| table += &format!("{cell:>9}"));
            table.push('\n');
        }
    }
    println!("{table}");
    assert_eq!(wrong, 0, "\n{table}");
}
