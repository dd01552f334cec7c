//! A connection that gives up on a client which does not read its answers, and lets one that still sends read them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

/// Longest time for which a client may send on after its answer.
const LINGER: Duration = Duration::from_secs(1);

/// A stream whose writes fail after they could not go on for some time.
pub struct Stalled {
    stream: TcpStream,
    patience: Duration,
    until: Pin<Box<Sleep>>,
    waits: bool,
    has_sent: Arc<AtomicBool>,
    /// Whether all answers have been written.
    is_shut: bool,
    /// Whether the server stops.
    ending: watch::Receiver<bool>,
}

impl Stalled {
    /// Returns the stream, and a flag that is set when the client has sent something.
    pub fn new(stream: TcpStream, patience: Duration, ending: watch::Receiver<bool>) -> (Self, Arc<AtomicBool>) {
        let has_sent = Arc::new(AtomicBool::new(false));
        let until = Box::pin(sleep(patience));
        let (waits, is_shut) = (false, false);
        (Stalled { stream, patience, until, waits, has_sent: has_sent.clone(), is_shut, ending }, has_sent)
    }

    fn limited<T>(&mut self, done: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.waits = false;
            return done;
        }
        if !self.waits {
            self.waits = true;
            self.until.as_mut().reset(Instant::now() + self.patience);
        }
        self.until.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stalled {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let done = Pin::new(&mut this.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.has_sent.store(true, Ordering::Relaxed);
        }
        done
    }
}

impl AsyncWrite for Stalled {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.limited(done, context)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_flush(context);
        this.limited(done, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            let done = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.limited(done, context))?;
            this.is_shut = true;
            this.until.as_mut().reset(Instant::now() + LINGER);
        }
        // Closed at once, the connection of a client that still sends would break before the client reads its answer.
        let mut scrap = [0; 4096];
        while !*this.ending.borrow() && this.until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut scrap);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
