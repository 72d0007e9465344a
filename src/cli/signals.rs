//! Ctrl-C, and the system's wish that we end.

use std::future::Future;

/// Listens from now on; what is returned ends once somebody wants this process to stop.
#[cfg(unix)]
pub(crate) fn stop() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = signal(SignalKind::interrupt());
    let terminated = signal(SignalKind::terminate());
    async move {
        let (Ok(mut interrupted), Ok(mut terminated)) = (interrupted, terminated) else {
            // No handler could be had: the signals end the process by themselves.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    }
}

/// Listens from now on; what is returned ends once somebody wants this process to stop.
#[cfg(not(unix))]
pub(crate) fn stop() -> impl Future<Output = ()> + Send {
    async {
        tokio::signal::ctrl_c().await.ok();
    }
}
