//! The memory of the machine and of this process, as Linux states it.

use std::path::{Component, Path, PathBuf};

/// What this process may have of the machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Bytes.
    pub bytes: u64,
    /// What sets the limit: `the machine`, `ulimit -v`, or the file of a control group.
    pub source: String,
}

impl MemoryLimit {
    /// The least of the machine's memory, `ulimit -v`, and the limits of the control groups of this process: those of its container,
    /// of a service or of a batch job. `None` if the system does not say.
    pub fn of_this_process() -> Option<Self> {
        // A mount point may be no UTF-8.
        let read = |path: &str| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        let groups = files_of_groups(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        let of_group =
            |file: PathBuf| Some((number(&std::fs::read_to_string(&file).ok()?)?, file.display().to_string()));
        let machine = of_machine().map(|bytes| (bytes, "the machine".to_string()));
        let address_space = address_space().map(|bytes| (bytes, "ulimit -v".to_string()));
        let all = machine.into_iter().chain(address_space).chain(groups.into_iter().filter_map(of_group));
        all.min_by_key(|(bytes, _)| *bytes).map(|(bytes, source)| MemoryLimit { bytes, source })
    }
}

/// Bytes that this process may have, by [`MemoryLimit`].
pub fn limit() -> Option<u64> {
    MemoryLimit::of_this_process().map(|limit| limit.bytes)
}

/// Bytes of addresses that `ulimit -v` leaves this process; `None` without such a limit.
pub fn address_space() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| number(line.strip_prefix("Max address space")?.split_whitespace().next()?))
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The files with the limits of the control groups of a process, of the inner ones before those around them. `groups` and `mounts`
/// are the texts of its `/proc/self/cgroup` and `/proc/self/mountinfo`, in both versions of control groups.
fn files_of_groups(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let has_memory = |names: &str| names.split(',').any(|name| name == "memory");
    let mut files = Vec::new();
    for mount in mounts.lines() {
        // 35 31 0:32 ROOT PLACE OPTIONS .. - KIND SOURCE OPTIONS
        let Some((place, kind)) = mount.split_once(" - ") else { continue };
        let (place, kind): (Vec<&str>, Vec<&str>) = (place.split(' ').collect(), kind.split(' ').collect());
        let ([_, _, _, root, place, ..], [kind, _, options, ..]) = (&place[..], &kind[..]) else { continue };
        let (file, is_second) = match *kind {
            "cgroup2" => ("memory.max", true),
            "cgroup" if has_memory(options) => ("memory.limit_in_bytes", false),
            _ => continue,
        };
        // `0::/GROUP` in the second version, `4:cpu,memory:/GROUP` in the first.
        let group = groups.lines().find_map(|line| {
            let (names, group) = line.split_once(':')?.1.split_once(':')?;
            (if is_second { names.is_empty() } else { has_memory(names) }).then_some(group)
        });
        // Of a group that the mount does not show, as in some containers, its root is the innermost that can be read.
        let below = group.and_then(|group| Path::new(group).strip_prefix(root).ok());
        let shown = below.filter(|below| below.components().all(|part| matches!(part, Component::Normal(_))));
        let below = shown.unwrap_or(Path::new(""));
        files.extend(below.ancestors().map(|group| Path::new(place).join(group).join(file)));
    }
    files
}

/// Bytes of memory of this machine; `None` if the system does not say.
pub fn of_machine() -> Option<u64> {
    bytes("/proc/meminfo", "MemTotal:")
}

/// Bytes of resident memory of this process; Linux only.
pub fn resident() -> Option<u64> {
    bytes("/proc/self/status", "VmRSS:")
}

/// Peak bytes of resident memory of this process since the last [`reset_peak`]; Linux only.
pub fn peak_resident() -> Option<u64> {
    bytes("/proc/self/status", "VmHWM:")
}

/// Resets the peak memory. Without permission, peaks cover the whole process.
pub fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Bytes of a field that a file of `/proc` states in kB of 1024 bytes.
fn bytes(file: &str, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(field))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes.saturating_mul(1024))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_how_much_it_has() {
        assert!(limit().unwrap() > 64 << 20);
        assert!(of_machine().unwrap() >= limit().unwrap());
        assert!(address_space().is_none_or(|bytes| bytes >= limit().unwrap()));
    }

    #[test]
    fn the_limits_of_all_groups_around_a_process_count() {
        let files = |groups: &str, mounts: &str| -> Vec<String> {
            files_of_groups(groups, mounts).iter().map(|file| file.display().to_string()).collect()
        };
        let second = "22 1 0:5 / / rw - ext4 /dev/sda rw\n\
                      30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let service = "0::/system.slice/train.service\n";
        assert_eq!(
            files(service, second),
            [
                "/sys/fs/cgroup/system.slice/train.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        let first = "34 31 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                     35 31 0:32 /docker/1a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let job = "5:cpu,cpuacct:/\n4:memory:/docker/1a/job_7\n0::/other\n";
        let (inner, outer) =
            ("/sys/fs/cgroup/memory/job_7/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes");
        assert_eq!(files(job, first), [inner, outer]);
        // Groups that cannot be seen from here, and texts that say nothing of them.
        for groups in ["4:memory:/elsewhere", "4:memory:/docker/1a/../2b", "", ":", "4:memory"] {
            assert_eq!(files(groups, first), [outer], "{groups:?}");
        }
        assert!(files(service, "").is_empty() && files(service, "30 23 - cgroup2").is_empty());
    }

    #[test]
    fn a_process_has_less_than_the_machine() {
        let (resident, peak) = (resident().unwrap(), peak_resident().unwrap());
        assert!(1 << 20 < resident && resident < of_machine().unwrap() && peak < of_machine().unwrap());
        assert_eq!(bytes("/proc/self/status", "Threads:"), None, "no field in kB");
        assert_eq!(bytes("/proc/self/absent", "VmRSS:"), None);
    }

    #[test]
    fn peaks_are_of_the_time_since_the_reset() {
        let large = 512 << 20;
        reset_peak();
        let before = peak_resident().unwrap();
        let block = vec![1u8; large];
        assert_eq!(block[large / 2], 1);
        assert!(peak_resident().unwrap() >= before + large as u64 / 2, "{before}");
        drop(block);
    }
}
