//! Connections as they come in: not too many, and none that says nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Connections at once; more wait in the operating system's queue.
const CONNECTIONS: usize = 1024;

/// A peer must have sent this many bytes (the preface of HTTP/2) within this time.
const FIRST_BYTES: usize = 24;
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// A pause after the operating system could not give us a connection: it has run out of something.
const AFTER_ERROR: Duration = Duration::from_millis(50);

/// The connections of a listener. Never ends, and never yields an error: one peer's fault, or a moment
/// without file handles, ends no server.
pub(crate) fn connections(
    listener: TcpListener,
) -> impl Stream<Item = Result<Connection, io::Error>> {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    futures::stream::unfold((listener, room), |(listener, room)| async {
        // The semaphore is never closed.
        let place = Arc::clone(&room).acquire_owned().await.ok()?;
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        };
        // Answers are small; waiting to fill packets would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay could not be set");
        }
        let silence = Box::pin(tokio::time::sleep(FIRST_BYTES_WITHIN));
        let connection = Connection { stream, silent: Some(silence), received: 0, _place: place };
        Some((Ok(connection), (listener, room)))
    })
}

/// A connection that holds one of the places, and must say something soon.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Runs until the first bytes have come.
    silent: Option<Pin<Box<Sleep>>>,
    received: usize,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.received = self.received.saturating_add(buffer.filled().len() - before);
        if self.received >= FIRST_BYTES {
            self.silent = None;
        }
        if read.is_pending()
            && let Some(silent) = &mut self.silent
            && silent.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
