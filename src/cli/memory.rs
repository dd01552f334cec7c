//! The option `--memory`.

/// How much memory a network may take.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct NetworkMemory {
    /// Memory that the network of a run may take on the CPU, such as 8G; batches that need more pass the body in parts. The
    /// machine's unless given
    #[arg(long, value_name = "SIZE", value_parser = super::numbers::size)]
    memory: Option<u64>,
}

impl NetworkMemory {
    /// The bytes; `None` for what the process may have.
    pub fn limit(self) -> Option<u64> {
        self.memory
    }
}
