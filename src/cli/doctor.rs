//! `fastai doctor`

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fastai_runtime::activations::ActivationCache;
use fastai_runtime::data::byte_units::in_units;
use fastai_runtime::device::{
    DeviceKind, Diagnosis, FoundDevice, KindDiagnosis, Library, TestedDevice, kernels_folder,
};
use fastai_runtime::models::weights::{self, PUBLISHED};

use super::config::{self, Search, Sourced};
use super::failure::{Exit, Failure};
use super::numbers::seconds;
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
    let built: Vec<_> = diagnosis.kinds.iter().map(|found| found.kind).filter(|kind| kind.is_built()).collect();
    if built == [DeviceKind::Cpu] {
        println!("this program is built for the CPU alone; `--features gpu` adds CUDA, Vulkan and wgpu");
    }
    let libraries = diagnosis.libraries.iter().filter(|library| library.needed_by.iter().any(|k| built.contains(k)));
    let state = |library: &Library| library.found.clone().unwrap_or_else(|| format!("MISSING: {}", library.remedy));
    let rows: Vec<_> = libraries.map(|library| [format!("  {}", library.name), state(library)]).collect();
    if !rows.is_empty() {
        println!("libraries of the system:");
        print!("{}", table(&rows, 0));
    }
    if let Some(limit) = &diagnosis.memory {
        println!("memory: {} ({})", in_units(limit.bytes), limit.source);
    }
    print_defaults();
    if let Some(folder) = kernels_folder().filter(|_| built != [DeviceKind::Cpu]) {
        println!("kernels of GPUs: {}", folder.display());
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

/// Prints what counts where the command line says nothing, and every place where that was looked for.
fn print_defaults() {
    let config = config::get();
    println!("defaults, from the first of these that states one:");
    print!("{}", table(&files(&config.search), 0));
    match &config.device {
        Some(device) => println!("device: {} ({})", device.value, device.source),
        None => println!("device: auto ({})", silent("FASTAI_DEVICE")),
    }
    println!("weights, from the first of these that has them:");
    print!("{}", table(&weights_places(config.weights.as_ref()), 0));
    match &config.cache {
        Some(cache) => println!("activation caches: {} ({})", cache.value.display(), cache.source),
        None => {
            let root = ActivationCache::default_root();
            println!("activation caches: {} ({})", root.display(), silent("FASTAI_CACHE"));
        }
    }
    match config::cache_limit() {
        Some(limit) => println!("limit of the caches: {} ({})", in_units(limit.value), limit.source),
        None => println!("limit of the caches: none"),
    }
}

/// A row for each place of a `fastai.toml`.
fn files(search: &Search) -> Vec<[String; 2]> {
    let variable = |said: String| place("$FASTAI_CONFIG", said);
    match search {
        Search::Nowhere => vec![variable("empty: no file counts".to_string())],
        Search::Named(path) => vec![variable(path.display().to_string())],
        Search::Usual { from, project, user } => {
            let none = || format!("none in {} or above", from.display());
            let project = project.as_ref().map_or_else(none, |path| path.display().to_string());
            let user = user.as_ref().map_or_else(no_home, |path| {
                let none = if path.is_file() { "" } else { "none: " };
                format!("{none}{} ({})", path.display(), of_user("XDG_CONFIG_HOME"))
            });
            vec![variable("not set".to_string()), place("project", project), place("user", user)]
        }
    }
}

/// A row for each place of weights; `stated` is the folder that the environment or a file names.
fn weights_places(stated: Option<&Sourced<PathBuf>>) -> Vec<[String; 2]> {
    let variable = "$FASTAI_WEIGHTS";
    let mut rows = match stated {
        Some(folder) if folder.source == variable => vec![place(variable, folder.value.display().to_string())],
        _ => vec![place(variable, "not set".to_string())],
    };
    if let Some(folder) = stated.filter(|folder| folder.source != variable) {
        rows.push(place(config::NAME, format!("{} ({})", folder.value.display(), folder.source)));
    }
    let shown = |folder: PathBuf| format!("{} ({})", folder.display(), of_user("XDG_CACHE_HOME"));
    rows.push(place("user's cache", weights::cache_folder().map_or_else(no_home, shown)));
    let inside = PUBLISHED.iter().filter(|known| super::weights::is_inside(known));
    let inside: Vec<&str> = inside.map(|known| known.name).collect();
    let said = if inside.is_empty() {
        "none: built without the feature `embedded-weights`".to_string()
    } else {
        inside.join(", ")
    };
    rows.push(place("this program", said));
    rows
}

/// A row of a table of places.
fn place(name: &str, said: String) -> [String; 2] {
    [format!("  {name}"), said]
}

fn no_home() -> String {
    "no home folder".to_string()
}

/// Why the variable `name` says nothing.
fn silent(name: &str) -> String {
    let state = if std::env::var_os(name).is_some() { "empty" } else { "not set" };
    format!("${name} is {state}")
}

/// What the variable `name` has to do with a user's folder, which it names if it is absolute.
fn of_user(name: &str) -> String {
    match std::env::var_os(name) {
        Some(path) if Path::new(&path).is_absolute() => format!("${name}"),
        Some(path) if !path.is_empty() => format!("${name} is relative and does not count"),
        _ => silent(name),
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
    let memory = device.memory.map_or_else(String::new, |bytes| format!(", {}", in_units(bytes)));
    let test = match &device.test {
        Ok(time) => format!("computes (tested in {} s)", seconds(*time)),
        Err(reason) => format!("DOES NOT COMPUTE: {reason}"),
    };
    [format!("  {}", device.word), format!("{}{memory}{software}", device.name), test]
}
