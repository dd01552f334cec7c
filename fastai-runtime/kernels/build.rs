//! Tells the kernels how they are optimised, which no `cfg` does.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=FASTAI_OPT_LEVEL={}", std::env::var("OPT_LEVEL").unwrap_or_default());
}
