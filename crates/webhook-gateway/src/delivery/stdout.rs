//! Events as lines of the standard output: for a program that reads the gateway through a pipe.

use std::fmt;
use std::io::Write;
use std::sync::mpsc;

use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::reply::{Limits, Message, Reply};

/// Lines that wait for the reader of the pipe; more wait in the queue.
const WAITING_LINES: usize = 64;

/// Writes lines in a thread of its own, since a pipe that nobody reads stands still.
#[derive(Clone)]
pub(crate) struct StdoutSink {
    lines: mpsc::SyncSender<Line>,
}

struct Line {
    text: bytes::Bytes,
    written: oneshot::Sender<std::io::Result<()>>,
}

impl StdoutSink {
    /// Writes to the process's standard output.
    pub(crate) fn new() -> Self {
        Self::to(std::io::stdout())
    }

    fn to(mut out: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = mpsc::sync_channel::<Line>(WAITING_LINES);
        // Ends with the last sender.
        std::thread::spawn(move || {
            for line in waiting {
                let written = out
                    .write_all(&line.text)
                    .and_then(|()| out.write_all(b"\n"))
                    .and_then(|()| out.flush());
                // Whoever waited may have given up.
                let _ = line.written.send(written);
            }
        });
        Self { lines }
    }

    /// Writes the envelope as one line.
    pub(crate) async fn send(&self, message: &Message, limits: Limits) -> Reply {
        let (written, outcome) = oneshot::channel();
        let line = Line {
            text: message.body.clone(),
            written,
        };
        if self.lines.try_send(line).is_err() {
            return Reply::failed("nobody reads the standard output");
        }
        match timeout_at(limits.deadline(), outcome).await {
            Ok(Ok(Ok(()))) => Reply::taken(),
            Ok(Ok(Err(error))) => Reply::failed(format!(
                "the standard output cannot be written to: {}",
                error.kind()
            )),
            Ok(Err(_)) | Err(_) => Reply::failed("nobody reads the standard output"),
        }
    }
}

impl fmt::Debug for StdoutSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdoutSink").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_event_is_a_line() {
        let pipe = Pipe::default();
        let sink = StdoutSink::to(pipe.clone());
        let limits = Limits {
            timeout: Duration::from_secs(10),
            trust_ends: Instant::now() + Duration::from_secs(10),
        };
        for id in ["evt_1", "evt_2"] {
            let message = Message {
                id: id.to_owned(),
                account: "acme".to_owned(),
                kind: "leads.add".to_owned(),
                body: format!("{{\"id\":\"{id}\"}}").into(),
            };
            assert_eq!(sink.send(&message, limits).await, Reply::taken());
        }
        let text = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "{\"id\":\"evt_1\"}\n{\"id\":\"evt_2\"}\n");
    }
}
