//! Runs that are killed at random instants.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::call::ROOT;
use crate::small::small;
use crate::started::ended_within;

/// All kills, unless `FASTAI_TEST_KILLS` names another number.
const KILLS: u32 = 50;
/// Kills of a run, which then is left to end: to begin may take it longer than it lives.
const OF_A_RUN: u32 = 10;

/// Numbers from 0 to 1, the same in every test.
struct Draw(u64);

impl Draw {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Whether a run can go on: it has kept a state, or it is complete.
fn has_begun(run: &Path) -> bool {
    let states = fs::read_dir(run.join("resume")).into_iter().flatten().flatten();
    run.join("summary.json").is_file()
        || states.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|end| end == "cbor"))
}

/// What must not depend on kills: the bytes of the models and of the cached activations, the figures of the epochs, and which
/// files there are.
fn end_of(run: &Path, cache: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut end = BTreeMap::new();
    let mut folders = vec![run.to_path_buf(), cache.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(run).or_else(|_| path.strip_prefix(cache)).unwrap().display().to_string();
            let bytes = match path.extension().and_then(|end| end.to_str()) {
                Some("safetensors" | "features" | "rows" | "recipe") => fs::read(&path).unwrap(),
                Some("csv") if name == "history.csv" => {
                    let text = fs::read_to_string(&path).unwrap();
                    // Without the seconds.
                    text.lines()
                        .flat_map(|line| [line.rsplit_once(',').unwrap().0, "\n"])
                        .collect::<String>()
                        .into_bytes()
                }
                _ => Vec::new(),
            };
            end.insert(name, bytes);
        }
    }
    end
}

/// 20 to 40 seconds on two cores.
#[test]
fn runs_that_are_killed_at_random_instants_end_with_the_same_bytes() {
    let wanted =
        std::env::var("FASTAI_TEST_KILLS").ok().map_or(KILLS, |count| count.parse().expect("a number of kills"));
    assert!(wanted > 0, "no kill shows nothing");
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let path = |name: &str| scratch.path().join(name);
    let cache = |name: &str| path(&format!("{name}-cache"));
    let program = |name: &str| {
        let run = path(name);
        let mut program = Command::new(env!("CARGO_BIN_EXE_fastai"));
        program.current_dir(ROOT).env("FASTAI_CACHE", cache(name)).stdout(Stdio::null());
        program.args(["run", "--quiet", "--device", "cpu", "--snapshot-every", "0"]);
        if has_begun(&run) {
            program.arg("--resume").arg(run);
        } else {
            // There may be a folder without anything to go on from.
            let _ = fs::remove_dir_all(&run);
            program.args(["--set", "keep_best=f2", "--set", "ema=0.9", "--out"]).arg(run).arg(&recipe);
        }
        program
    };
    let began = Instant::now();
    assert!(program("whole").status().unwrap().success());
    let longest = began.elapsed() / 2;
    let whole = end_of(&path("whole"), &cache("whole"));
    assert!(whole.keys().any(|name| name.ends_with(".features")) && !whole.keys().any(|name| name.contains("resume")));

    let (mut draw, mut kills, mut number) = (Draw(1), 0, 0);
    while kills < wanted {
        number += 1;
        let name = format!("killed-{number}");
        for of_run in 0.. {
            let mut child = program(&name).spawn().unwrap();
            let limit = if of_run < OF_A_RUN { longest.mul_f64(draw.share()) } else { Duration::MAX };
            if let Some(status) = ended_within(&mut child, limit) {
                assert!(status.success(), "run {number} after {of_run} kills: {status}");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        let end = end_of(&path(&name), &cache(&name));
        let names = |end: &BTreeMap<String, Vec<u8>>| end.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&end), names(&whole), "run {number}");
        let differs: Vec<&String> =
            whole.iter().filter(|(name, bytes)| end[*name] != **bytes).map(|(name, _)| name).collect();
        assert!(differs.is_empty(), "run {number}, other bytes: {differs:?}");
        fs::remove_dir_all(path(&name)).unwrap();
        fs::remove_dir_all(cache(&name)).unwrap();
    }
}
