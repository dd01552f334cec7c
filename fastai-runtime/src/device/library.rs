//! The libraries of the system that GPUs need at run time.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::DeviceKind;

/// A library, driver or folder of the system.
#[derive(Debug)]
pub struct Library {
    /// Its name.
    pub name: &'static str,
    /// The kinds of devices that need it.
    pub needed_by: &'static [DeviceKind],
    /// Where or in which version it was found.
    pub found: Option<String>,
    /// How to get it.
    pub remedy: &'static str,
}

/// All libraries that the kinds of devices need on this system.
pub(super) fn all() -> Vec<Library> {
    const GRAPHICS: &[DeviceKind] = &[DeviceKind::Vulkan, DeviceKind::Wgpu];
    const CUDA: &[DeviceKind] = &[DeviceKind::Cuda];
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    vec![
        Library {
            name: "NVIDIA driver",
            needed_by: CUDA,
            found: nvidia_driver(),
            remedy: "install the driver of NVIDIA for this kernel; in a container, start it with the GPU (`--gpus all`)",
        },
        Library {
            name: "libcuda.so",
            needed_by: CUDA,
            found: shared_library("libcuda.so"),
            remedy: "it comes with the NVIDIA driver",
        },
        Library {
            name: "libnvrtc.so",
            needed_by: CUDA,
            found: shared_library("libnvrtc.so"),
            remedy: "install the CUDA toolkit, or the pip package nvidia-cuda-nvrtc and name its folder in LD_LIBRARY_PATH",
        },
        Library {
            name: "CUDA headers",
            needed_by: CUDA,
            found: cuda_headers(),
            remedy: "install the CUDA toolkit, or set CUDA_PATH to the folder that contains include/cuda_runtime.h and \
                     include/crt/mma.h (with pip: nvidia-cuda-runtime, nvidia-cuda-cccl and nvidia-cuda-crt)",
        },
        Library {
            name: "libvulkan.so",
            needed_by: GRAPHICS,
            found: shared_library("libvulkan.so"),
            remedy: "install the Vulkan loader (Debian: libvulkan1)",
        },
        Library {
            name: "Vulkan drivers",
            needed_by: GRAPHICS,
            found: vulkan_drivers(),
            remedy: "install the graphics driver (Debian: mesa-vulkan-drivers, or the driver of NVIDIA)",
        },
    ]
}

/// The version line of the loaded kernel module.
fn nvidia_driver() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let version =
        text.lines().next()?.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(format!("version {version}"))
}

/// Bytes of memory of each CUDA device, by the driver's own tool; empty if it is not installed.
pub(super) fn memories_of_cuda() -> Vec<u64> {
    let query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"];
    let Ok(output) = Command::new("nvidia-smi").args(query).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map_while(|line| line.trim().parse::<u64>().ok()).map(|mebibytes| mebibytes << 20).collect()
}

/// The path of a shared library whose file name begins with `name`.
fn shared_library(name: &str) -> Option<String> {
    let listed = Command::new("ldconfig").arg("-p").output().ok();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let cached = listed.lines().filter(|line| line.trim_start().starts_with(name));
    let cached = cached.filter_map(|line| line.rsplit(" => ").next()).next().map(str::to_string);
    cached.or_else(|| library_folders().iter().find_map(|folder| file_beginning_with(folder, name)))
}

fn library_folders() -> Vec<PathBuf> {
    let named = std::env::var_os("LD_LIBRARY_PATH");
    let named = named.iter().flat_map(std::env::split_paths);
    named.chain(cuda_folders().into_iter().map(|folder| folder.join("lib64"))).collect()
}

fn file_beginning_with(folder: &Path, name: &str) -> Option<String> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let is_library = |path: &&PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name));
    files.iter().find(is_library).map(|path| path.display().to_string())
}

/// The folders in which burn looks for CUDA's headers.
fn cuda_folders() -> Vec<PathBuf> {
    let named = std::env::var_os("CUDA_PATH").map(PathBuf::from);
    named.into_iter().chain(["/usr/local/cuda", "/opt/cuda"].map(PathBuf::from)).collect()
}

fn cuda_headers() -> Option<String> {
    let mut folders = cuda_folders().into_iter().map(|folder| folder.join("include"));
    // What burn's matrix products include is in a package of its own where pip installs the headers.
    let found = folders.find(|folder| ["cuda_runtime.h", "crt/mma.h"].iter().all(|file| folder.join(file).is_file()));
    found.map(|folder| folder.display().to_string())
}

/// The manifests of Vulkan drivers.
fn vulkan_drivers() -> Option<String> {
    let named = std::env::var_os("VK_DRIVER_FILES").or_else(|| std::env::var_os("VK_ICD_FILENAMES"));
    let mut files: Vec<PathBuf> = match named {
        Some(named) => std::env::split_paths(&named).filter(|file| file.is_file()).collect(),
        None => ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect(),
    };
    files.sort();
    let names: Vec<_> =
        files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_library_has_a_remedy_and_a_user() {
        for library in all() {
            assert!(!library.remedy.is_empty() && !library.needed_by.is_empty(), "{}", library.name);
        }
    }

    #[test]
    fn libraries_are_found_by_the_beginning_of_their_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(file_beginning_with(folder.path(), "libnvrtc.so"), None);
        let file = folder.path().join("libnvrtc.so.12");
        std::fs::write(&file, "").unwrap();
        assert_eq!(file_beginning_with(folder.path(), "libnvrtc.so"), Some(file.display().to_string()));
        assert_eq!(file_beginning_with(&folder.path().join("absent"), "libnvrtc.so"), None);
    }
}
