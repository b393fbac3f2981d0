//! The operating system's wish that we stop.

use tokio::signal::unix::{SignalKind, signal};

/// Ends when the process is asked to stop (SIGINT, SIGTERM).
pub(crate) async fn stop() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            // Without a handler the signal still ends the process, only less gently.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
