//! The `fastai` program: check, plan and run recipe files.
#![forbid(unsafe_code)]

mod cli;

// Training allocates and frees large buffers at every batch; the system's allocator returns them to the kernel each
// time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    cli::main()
}
