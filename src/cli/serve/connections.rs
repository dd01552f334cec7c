//! Accepts connections, and ends them when the server stops.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use fastai_runtime::progress::StopSignal;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Limits;
use super::counters::{Counters, Gauge};
use super::stalled::Stalled;

/// Longest time for the head of a request, and between two requests of a connection.
const HEAD: Duration = Duration::from_secs(10);
/// Time between two looks at the stop signal.
const LOOK: Duration = Duration::from_millis(50);
/// Wait after a connection that could not be accepted, for example because all file descriptors are in use.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until a stop is requested, then lets what is in progress end. Returns how many connections were cut off when the
/// grace period ended.
pub async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: StopSignal,
    counters: &Arc<Counters>,
) -> usize {
    let slots = Arc::new(Semaphore::new(limits.connections as usize));
    let (end, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stopped = pin!(async {
        while !stop.requested() {
            sleep(LOOK).await;
        }
    });
    loop {
        let arrived = async {
            // A connection is accepted when there is room for it; until then it waits in the system's backlog.
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut stopped => break,
            Some(_) = connections.join_next() => continue,
            arrived = arrived => arrived,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, ending, counters) = (router.clone(), ending.clone(), counters.clone());
                connections.spawn(async move {
                    let _open = Gauge::raise(&counters.connections);
                    serve(stream, router, limits, ending).await;
                    drop(slot);
                });
            }
            // The client is gone already, or the system is at a limit that may pass.
            Err(_) => sleep(PAUSE).await,
        }
    }
    drop(listener);
    // Nobody listens if there are no connections.
    let _ = end.send(true);
    let grace = Duration::from_secs(limits.grace.into());
    let _ = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    connections.len()
}

async fn serve(stream: TcpStream, router: Router, limits: Limits, mut ending: watch::Receiver<bool>) {
    // Answers are small; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let patience = Duration::from_secs(limits.timeout.into());
    let (stream, has_sent) = Stalled::new(stream, patience, ending.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // A client that breaks off, is too slow or speaks no HTTP ends its own connection only; hyper has answered what it could.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => {}
    }
    // Browsers connect before they have something to ask.
    if has_sent.load(Ordering::Relaxed) {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
