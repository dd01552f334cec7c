//! `fastai export`

use std::path::PathBuf;

use fastai_dsl::{DeviceWish, TaskKind};
use fastai_runtime::atomic::write_atomic;
use fastai_runtime::device;
use fastai_runtime::predict::Predictor;

use super::failure::Failure;
use super::{replaced, saved};

#[derive(clap::Args)]
pub struct ExportArgs {
    /// A run folder, or a model that a run saved (`.safetensors`)
    run: PathBuf,
    /// Another model of the run than its last: the NAME of `save("NAME")`
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The file; beside the model, with the suffix `.onnx`, or `.pixels.onnx` with `--pixels`, unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Take 8-bit RGB pixels `[batch, size, size, 3]` and normalise them in the model, instead of normalised ones `[batch,
    /// 3, size, size]`
    #[arg(long)]
    pixels: bool,
    /// Say nothing but the file, warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: &ExportArgs) -> Result<(), Failure> {
    if let Some(out) = &args.out {
        replaced::is_own(out, "--out", &["onnx"])?;
    }
    // The weights are only read.
    let picked = device::pick(DeviceWish::Cpu)?;
    let predictor = Predictor::load(&args.run, args.model.as_deref(), &picked.device)?;
    saved::warn_of_run(&args.run, args.model.as_deref());
    let name = args.model.as_deref().unwrap_or("final");
    // Models of different inputs do not replace one another.
    let suffix = if args.pixels { "pixels.onnx" } else { "onnx" };
    let out = args.out.clone().unwrap_or_else(|| match args.run.is_dir() {
        true => args.run.join("models").join(name).with_extension(suffix),
        false => args.run.with_extension(suffix),
    });
    let bytes = predictor.onnx(args.pixels)?;
    write_atomic(&out, |file| file.write_all(&bytes))?;
    let megabytes = bytes.len() as f64 / 1e6;
    println!("{}: {megabytes:.1} MB, opset {}", out.display(), fastai_runtime::predict::ONNX_OPSET);
    if args.quiet {
        return Ok(());
    }
    let (size, classes) = (predictor.meta().size, predictor.classes().len());
    let input = match args.pixels {
        true => format!("pixels: uint8 [batch, {size}, {size}, 3], RGB"),
        false => format!("input: float32 [batch, 3, {size}, {size}], normalised"),
    };
    let output = match predictor.meta().task {
        TaskKind::Regression => "values",
        TaskKind::SingleLabel | TaskKind::MultiLabel => "logits, probabilities",
    };
    println!("  {input} -> {output}: float32 [batch, {classes}]");
    println!(
        "  classes and the preparation of images are in the file's metadata (fastai.classes, fastai.preprocessing)"
    );
    Ok(())
}
