//! How long we wait for somebody who is slow: to send a body, or to take an answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The next part of a body has to come within it.
const PART_WITHIN: Duration = Duration::from_secs(10);
/// The whole of a body has to come within it.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// Something of an answer has to be taken within it.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// Waits for bodies, but not for ever: then the answer is 408, and the connection is closed.
pub async fn bodies(request: Request, next: Next) -> Response {
    let is_late = Arc::new(AtomicBool::new(false));
    let late = is_late.clone();
    let until = Instant::now() + BODY_WITHIN;
    let request = request.map(|body| {
        let parts = body.into_data_stream();
        let patient = stream::unfold((parts, late), move |(mut parts, late)| async move {
            let by = until.min(Instant::now() + PART_WITHIN);
            match tokio::time::timeout_at(by, parts.next()).await {
                Ok(part) => Some((part?, (parts, late))),
                Err(_) => {
                    late.store(true, Ordering::SeqCst);
                    Some((Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut))), (parts, late)))
                }
            }
        });
        Body::from_stream(patient)
    });
    let response = next.run(request).await;
    if !is_late.load(Ordering::SeqCst) {
        return response;
    }
    let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
    (StatusCode::REQUEST_TIMEOUT, close, "the body did not come in time\n").into_response()
}

/// A connection whose other side has to take what is written, in time.
pub(super) struct Patient<S> {
    stream: S,
    /// Running while something waits to be taken.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, waiting: None }
    }

    /// Looks at the time where nothing was taken.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(TAKEN_WITHIN)));
        ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    // security.md, sessions: whoever asks and does not take the answer holds nothing for long.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_p7_4() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut ours = Patient::new(ours);
        let begun = Instant::now();
        let failed = ours.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!((failed.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, TAKEN_WITHIN));

        // Slowly is fine, as long as something is taken.
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut ours = Patient::new(ours);
        let mut taken = [0; 16];
        let reading = async {
            for _ in 0..4 {
                tokio::time::sleep(TAKEN_WITHIN / 2).await;
                theirs.read_exact(&mut taken).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(&[0; 64]), reading);
        written.unwrap();
    }
}
