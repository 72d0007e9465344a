//! What a job prints, kept within bounds.
//!
//! The log is cut, the job is not stopped: what is beyond the bound is read and dropped, so that a
//! job never blocks on a full pipe, and the log says how much is missing. Its end is kept: what a job
//! says last is why it failed.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// What is appended to both logs when a job is killed for taking too long; the Python client's
/// words.
pub(crate) const TIMED_OUT: &str = "\n--- PROCESS TIMED OUT ---\n";

/// What is appended when a job's run was cut short by a crash or a signal of ours.
pub(crate) const INTERRUPTED: &str = "\n--- RUN INTERRUPTED ---\n";

/// What is appended when the owner cancels a job.
pub(crate) const CANCELLED: &str = "\n--- RUN CANCELLED ---\n";

/// How much of the end is kept of what is beyond the bound.
const END_BYTES: usize = 256 << 10;

/// Appends what `source` says to the file at `path`: its first `bytes_max` bytes, and its end; returns
/// when `source` ends.
pub(crate) async fn pump(
    mut source: impl AsyncRead + Unpin,
    path: &Path,
    bytes_max: u64,
) -> io::Result<()> {
    let mut log = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await?;
    let mut left = bytes_max;
    let (mut beyond, mut end) = (0_u64, VecDeque::new());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = source.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        let kept = left.min(read as u64);
        left -= kept;
        beyond += read as u64 - kept;
        let kept = usize::try_from(kept).unwrap_or(read);
        end.extend(buffer.get(kept..read).unwrap_or_default());
        end.drain(..end.len().saturating_sub(END_BYTES));
        if let Some(kept) = buffer.get(..kept) {
            log.write_all(kept).await?;
            // What is on its way is written even if the reader of this pipe is given up.
            log.flush().await?;
        }
    }
    let dropped = beyond.saturating_sub(end.len() as u64);
    if dropped > 0 {
        let line = format!("\n--- OUTPUT CUT: {dropped} BYTES ARE MISSING HERE ---\n");
        log.write_all(line.as_bytes()).await?;
    }
    log.write_all(end.make_contiguous()).await?;
    log.flush().await
}

/// Appends a line of ours to a log.
pub(crate) fn append(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;

    std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
}

/// True if the end of a log has a line with these words, and it can be read.
pub(crate) fn mentions(path: &Path, words: &str) -> bool {
    let Ok(text) = std::fs::read(path) else { return false };
    let end = text.len().saturating_sub(16 * 1024);
    String::from_utf8_lossy(text.get(end..).unwrap_or_default()).contains(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_is_cut_at_its_bound_and_says_so() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        pump(&b"0123456789"[..], &path, 10).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0123456789");
        std::fs::remove_file(&path).unwrap();
        pump(&b"0123456789"[..], &path, 4).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0123456789", "its end is kept");
        std::fs::remove_file(&path).unwrap();
        let long = format!("0123{}{}the end", "x".repeat(1000), "y".repeat(END_BYTES - 7));
        pump(long.as_bytes(), &path, 4).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("0123\n--- OUTPUT CUT: 1000 BYTES ARE MISSING HERE ---\nyy"));
        assert!(text.ends_with("the end"));
    }
}
