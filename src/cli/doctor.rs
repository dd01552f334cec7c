//! `fastai doctor`

use fastai_runtime::activations::ActivationCache;
use fastai_runtime::device::{DeviceKind, Diagnosis, KindDiagnosis, TestedDevice};
use fastai_runtime::models::weights;

use super::failure::{Exit, Failure};
use super::numbers::{megabytes, seconds};
use super::table::table;

#[derive(clap::Args)]
pub struct DoctorArgs {}

pub fn run(_: &DoctorArgs) -> Result<(), Failure> {
    let diagnosis = Diagnosis::of_this_machine();
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
    let weights = weights::cache_folder().map_or_else(|| "no home folder".to_string(), |f| f.display().to_string());
    let own = std::env::var("FASTAI_WEIGHTS").map(|folder| format!("{folder} ($FASTAI_WEIGHTS), then "));
    println!("weights: {}{weights}", own.unwrap_or_default());
    println!("activation caches: {}", ActivationCache::default_root().display());
    match diagnosis.chosen {
        Ok(picked) => {
            println!("`--device auto` takes {}", picked.name);
            Ok(())
        }
        Err(error) => {
            println!("`--device auto` finds no device that computes: {error}");
            Err(Failure::Reported(Exit::Failed))
        }
    }
}

fn row(device: &TestedDevice) -> [String; 3] {
    let software = if device.software { ", software: slower than the CPU, never taken by itself" } else { "" };
    let memory = device.memory.map_or_else(String::new, |bytes| format!(", {}", megabytes(bytes)));
    let test = match &device.test {
        Ok(time) => format!("computes (tested in {} s)", seconds(time.as_secs_f64())),
        Err(reason) => format!("DOES NOT COMPUTE: {reason}"),
    };
    [format!("  {}", device.word), format!("{}{memory}{software}", device.name), test]
}
