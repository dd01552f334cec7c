//! `fastai doctor`

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fastai_runtime::activations::ActivationCache;
use fastai_runtime::device::{DeviceKind, Diagnosis, FoundDevice, KindDiagnosis, TestedDevice, kernels_folder};
use fastai_runtime::models::weights;

use super::config::{self, Sourced};
use super::failure::{Exit, Failure};
use super::numbers::{megabytes, seconds};
use super::table::table;

/// Longest test of a device: a GPU compiles a few kernels.
const LONGEST_TEST: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct DoctorArgs {
    /// Test one device in this process and print the result as JSON
    #[arg(long, hide = true, value_name = "DEVICE")]
    only: Option<String>,
}

pub fn run(args: &DoctorArgs) -> Result<(), Failure> {
    if let Some(word) = &args.only {
        let mut all = DeviceKind::ALL.into_iter().filter_map(|kind| kind.devices().ok()).flatten();
        let found = all.find(|found| found.word() == *word);
        let tested = found.map(|found| TestedDevice::of(&found));
        let text = serde_json::to_string(&tested).map_err(|why| Failure::Failed(why.to_string()))?;
        println!("{text}");
        return Ok(());
    }
    let diagnosis = Diagnosis::of_this_machine(&in_a_process);
    println!("devices, in the order in which `--device auto` tries them:");
    let mut rows = Vec::new();
    for KindDiagnosis { kind, devices } in &diagnosis.kinds {
        match devices {
            Ok(devices) => rows.extend(devices.iter().map(row)),
            Err(reason) => rows.push([format!("  {}", kind.word()), format!("none: {reason}"), String::new()]),
        }
    }
    print!("{}", table(&rows, 0));
    let built = diagnosis.kinds.iter().map(|found| found.kind).filter(|kind| kind.is_built());
    let needed: Vec<_> = built.collect();
    if needed == [DeviceKind::Cpu] {
        println!("this program is built for the CPU alone; `--features gpu` adds CUDA, Vulkan and wgpu");
    }
    let libraries = diagnosis.libraries.iter().filter(|library| library.needed_by.iter().any(|k| needed.contains(k)));
    let rows: Vec<_> = libraries
        .map(|library| {
            let state = library.found.clone().unwrap_or_else(|| format!("MISSING: {}", library.remedy));
            [format!("  {}", library.name), state]
        })
        .collect();
    if !rows.is_empty() {
        println!("libraries of the system:");
        print!("{}", table(&rows, 0));
    }
    if let Some(bytes) = diagnosis.memory {
        println!("memory: {}", megabytes(bytes));
    }
    let config = config::get();
    let files: Vec<String> = config.files.iter().map(|file| file.display().to_string()).collect();
    println!("defaults: {}", if files.is_empty() { "no fastai.toml".to_string() } else { files.join(", then ") });
    if let Some(device) = &config.device {
        println!("device: {} ({})", device.value, device.source);
    }
    let weights = weights::cache_folder().map_or_else(|| "no home folder".to_string(), |f| f.display().to_string());
    let from = |sourced: &Option<Sourced<PathBuf>>| {
        sourced.as_ref().map(|sourced| format!("{} ({})", sourced.value.display(), sourced.source))
    };
    println!("weights: {}{weights}", from(&config.weights).map_or(String::new(), |folder| format!("{folder}, then ")));
    let folder = kernels_folder().filter(|_| needed != [DeviceKind::Cpu]);
    if let Some(folder) = folder {
        println!("kernels of GPUs: {}", folder.display());
    }
    let root = ActivationCache::default_root();
    println!("activation caches: {}", from(&config.cache).unwrap_or_else(|| root.display().to_string()));
    match config::cache_limit() {
        Some(limit) => println!("limit of activation caches: {} ({})", megabytes(limit.value), limit.source),
        None => println!("limit of activation caches: none"),
    }
    match diagnosis.chosen() {
        Some(device) => {
            println!("`--device auto` takes {}: {}", device.word, device.name);
            Ok(())
        }
        None => {
            println!("`--device auto` finds no device that computes");
            Err(Failure::Reported(Exit::Failed))
        }
    }
}

/// Tests a device in a process of its own, which a driver may crash or hang.
fn in_a_process(found: &FoundDevice) -> TestedDevice {
    let failed = |reason: String| TestedDevice::untested(found, reason);
    let started = std::env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.args(["doctor", "--only", &found.word()]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    });
    let mut child = match started {
        Ok(child) => child,
        Err(why) => return failed(format!("cannot start its test: {why}")),
    };
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < LONGEST_TEST => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return failed(format!("its test did not end within {} s", LONGEST_TEST.as_secs()));
            }
            Err(why) => return failed(format!("cannot wait for its test: {why}")),
        }
    };
    let mut text = String::new();
    let read = child.stdout.take().map(|mut out| out.read_to_string(&mut text));
    match serde_json::from_str::<Option<TestedDevice>>(&text) {
        Ok(Some(tested)) if status.success() && matches!(read, Some(Ok(_))) => tested,
        Ok(None) => failed("it was gone when it was to be tested".to_string()),
        _ => failed(format!("its driver crashed ({status})")),
    }
}

fn row(device: &TestedDevice) -> [String; 3] {
    let software = if device.software { ", software: slower than the CPU, never taken by itself" } else { "" };
    let memory = device.memory.map_or_else(String::new, |bytes| format!(", {}", megabytes(bytes)));
    let test = match &device.test {
        Ok(time) => format!("computes (tested in {} s)", seconds(*time)),
        Err(reason) => format!("DOES NOT COMPUTE: {reason}"),
    };
    [format!("  {}", device.word), format!("{}{memory}{software}", device.name), test]
}
