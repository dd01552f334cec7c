//! `fastai serve`: a saved model over HTTP.
//!
//! One thread of tokio speaks HTTP; one more thread predicts, batch by batch, on all threads of the engine.

mod connections;
mod counters;
mod queue;
mod refusal;
mod routes;
mod stalled;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;

use fastai_dsl::TaskKind;
use fastai_runtime::predict::PredictOptions;
use tokio::net::TcpListener;

use self::counters::Counters;
use self::queue::ImageQueue;
use self::routes::Service;
use super::address::{address, cannot_listen};
use super::failure::Failure;
use super::numbers::counted;
use super::predict::{stated_thresholds, threshold};
use super::saved::{SavedModel, Tta};
use super::stop;

#[derive(clap::Args)]
pub struct ServeArgs {
    #[command(flatten)]
    model: SavedModel,
    /// Where to listen; port 0 takes a free one. Whoever reaches the address can use the model: there is no login and no TLS
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000", value_parser = address)]
    listen: SocketAddr,
    #[command(flatten)]
    tta: Tta,
    /// For tags: said above this probability, unless a request asks for another; the model's own threshold unless given
    #[arg(long, value_name = "T", value_parser = threshold)]
    threshold: Option<f64>,
    /// Say nothing but warnings and errors
    #[arg(long, short)]
    quiet: bool,
    // Last: the heading of its options would also stand above those behind it.
    #[command(flatten)]
    limits: Limits,
}

/// What clients may ask for.
#[derive(clap::Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Largest request, MB
    #[arg(long, value_name = "MB", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=512))]
    max_body: u32,
    /// Largest image, million pixels. Images that are read at the same time have at most four times as many together; a pixel then
    /// takes up to some 8 bytes of memory
    #[arg(long, value_name = "MP", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=268))]
    max_pixels: u32,
    /// Most images of a request
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_images: u32,
    /// Seconds from the head of a request to its answer; also the longest that a client may not read
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    timeout: u32,
    /// Requests for predictions at a time; more are refused with 503
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    concurrency: u32,
    /// Images that wait for the network; more are refused with 503
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65536))]
    queue: u32,
    /// What clients have sent and is in memory, MB; more is refused with 503
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    buffer: u32,
    /// Open connections; more wait until one closes
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65536))]
    connections: u32,
    /// Images that wait are predicted together, up to this many
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// Seconds that requests in progress have after Ctrl-C, SIGTERM or SIGHUP
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=3600))]
    grace: u32,
}

impl Limits {
    /// Most bytes of a request's body.
    fn body_bytes(&self) -> usize {
        self.max_body as usize * 1_000_000
    }

    /// Most pixels of an image.
    fn image_pixels(&self) -> u64 {
        u64::from(self.max_pixels) * 1_000_000
    }

    /// # Errors
    /// A limit by which the largest request that others allow could never be answered.
    fn check(&self) -> Result<(), Failure> {
        let Limits { buffer, max_body, queue, max_images, .. } = self;
        if buffer < max_body {
            let why = format!("--buffer {buffer}: less than one request may have; at least --max-body {max_body}");
            return Err(Failure::Invalid(why));
        }
        if queue < max_images {
            let why =
                format!("--queue {queue}: fewer images than one request may have; at least --max-images {max_images}");
            return Err(Failure::Invalid(why));
        }
        Ok(())
    }
}

pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    args.limits.check()?;
    let predictor = Arc::new(args.model.load()?);
    args.model.warn_of_run();
    let thresholds = stated_thresholds(&predictor, args.threshold)?;
    let options = PredictOptions { tta: args.tta.passes(&predictor), embeddings: false };
    // The first pass prepares the weights, so no client waits for that, and a model that cannot predict is told now.
    let side = predictor.meta().size;
    predictor.predict_with(&[fastai_runtime::data::RgbImage::new(side, side)], &options)?;

    let counters = Arc::new(Counters::default());
    let (queue, worker) = ImageQueue::start(predictor.clone(), options, args.limits, counters.clone());
    let meta = predictor.meta();
    let outputs = match meta.task {
        TaskKind::MultiLabel => counted(meta.classes.len() as u64, "tag", "tags"),
        TaskKind::SingleLabel => counted(meta.classes.len() as u64, "class", "classes"),
        TaskKind::Regression => "a number for each image".to_string(),
    };
    let about = format!("`{}`, {outputs}", meta.recipe);
    let service = Service::new(predictor, thresholds, args.limits, queue, counters.clone());

    let cannot = |error: std::io::Error| Failure::Failed(format!("cannot serve: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let cut_off = runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.map_err(|error| cannot_listen(args.listen, &error))?;
        let address = listener.local_addr().map_err(cannot)?;
        let stop = stop::signal_that("finishing the requests in progress; again to stop at once");
        if !args.quiet {
            println!("{about}: http://{address}/");
        }
        if !address.ip().is_loopback() {
            eprintln!("warning: whoever reaches {address} can use the model; there is no login and no TLS");
        }
        Ok::<usize, Failure>(connections::accept(listener, routes::router(service), args.limits, stop, &counters).await)
    })?;
    // The queue closes with the last handler; the worker then ends.
    drop(runtime);
    if cut_off > 0 {
        let cut_off = counted(cut_off as u64, "connection", "connections");
        return Err(Failure::Failed(format!("{cut_off} cut off after {} s", args.limits.grace)));
    }
    let _ = worker.join();
    if !args.quiet {
        println!("stopped; {}", counters.summary());
    }
    Ok(())
}
