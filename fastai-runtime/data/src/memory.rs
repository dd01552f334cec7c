//! The memory of the machine and of this process, as Linux states it.

/// Bytes that this process may have: the machine's memory, or a limit of its container or of `ulimit -v` if that is less.
/// `None` if the system does not say.
pub fn limit() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let containers = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = read("/proc/self/limits");
    let address_space =
        limits.lines().find_map(|line| number(line.strip_prefix("Max address space")?.split_whitespace().next()?));
    let all = of_machine().into_iter().chain(address_space);
    all.chain(containers.into_iter().filter_map(|path| number(&read(path)))).min()
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
