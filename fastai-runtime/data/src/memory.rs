//! The memory that this process may have.

/// Bytes that this process may have: the machine's memory, or a limit of its container or of `ulimit -v` if that is less.
/// `None` if the system does not say.
pub fn limit() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let memory = read("/proc/meminfo");
    let machine = memory.lines().find_map(|line| number(line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?));
    let containers = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = read("/proc/self/limits");
    let address_space =
        limits.lines().find_map(|line| number(line.strip_prefix("Max address space")?.split_whitespace().next()?));
    let all = machine.map(|kilobytes| kilobytes.saturating_mul(1024)).into_iter().chain(address_space);
    all.chain(containers.into_iter().filter_map(|path| number(&read(path)))).min()
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_says_how_much_it_has() {
        assert!(super::limit().unwrap() > 64 << 20);
    }
}
