//! The option `--memory`.

use super::numbers::size;

/// How much memory a network may take.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct NetworkMemory {
    /// Memory that the network of a run may take on the CPU, such as 8G or 1.5GiB; batches that need more pass the body in parts.
    /// The machine's unless given
    #[arg(long, value_name = "SIZE", value_parser = some_memory)]
    memory: Option<u64>,
}

impl NetworkMemory {
    /// The bytes, at least 1; `None` for what the process may have.
    pub fn limit(self) -> Option<u64> {
        self.memory
    }
}

/// Reads a size above zero.
fn some_memory(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("a network needs some memory: say how much, such as 8G, or leave `--memory` out for all there is"
            .to_string()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_memory_is_none_that_a_network_could_take() {
        for none in ["0", "0.0G", "0GiB"] {
            assert!(some_memory(none).is_err_and(|why| why.contains("such as 8G")), "{none}");
        }
        assert_eq!(some_memory("1B"), Ok(1));
        assert!(some_memory("lots").is_err_and(|why| why.contains("such as 20G")));
    }
}
