//! Lines of the log on their way out.
//!
//! Owns a bounded queue, and the thread that writes what is in it. Called by `tracing` for each line, by
//! whichever thread says it, and by the daemon at its end. A line that finds the queue full is lost; one that
//! cannot be written is lost, too. Memory is taken for the lines that wait, not for those that could.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::os::OsError;

/// Room that is kept while no line waits.
const KEPT: usize = 64;
/// At the end somebody waits so long for a log that blocks, and no longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way in, for any thread.
#[derive(Debug, Clone)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    queue: Mutex<Queue>,
    news: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    /// Nothing more will come.
    is_closed: bool,
    /// Everything that came was written.
    is_done: bool,
}

/// While it is there, lines are written. Dropping it waits until all are.
#[derive(Debug)]
#[must_use = "what waits is written when this is dropped"]
pub(in crate::daemon) struct Writing(Lines);

impl Lines {
    /// Starts the thread that writes to `out`; `most` lines wait for it.
    ///
    /// # Errors
    /// The kernel starts no thread.
    pub(super) fn to(
        out: impl Write + Send + 'static,
        most: usize,
    ) -> Result<(Self, Writing), OsError> {
        let lines = Self(Arc::new(Shared {
            most,
            queue: Mutex::default(),
            news: Condvar::new(),
            written: Condvar::new(),
        }));
        let taken = lines.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || taken.write_to(out))
            .map_err(|error| OsError::new("start the thread log", error))?;
        Ok((lines.clone(), Writing(lines)))
    }

    fn write_to(&self, mut out: impl Write) {
        while let Some(line) = self.next() {
            // Nobody is left to be told.
            let _ = out.write_all(&line).and_then(|()| out.flush());
        }
        self.lock().is_done = true;
        self.0.written.notify_all();
    }

    /// Waits for one. `None`: none will come.
    fn next(&self) -> Option<Vec<u8>> {
        let mut queue = self.lock();
        loop {
            if let Some(line) = queue.waiting.pop_front() {
                if queue.waiting.is_empty() {
                    queue.waiting.shrink_to(KEPT);
                }
                return Some(line);
            }
            if queue.is_closed {
                return None;
            }
            let news = self.0.news.wait(queue);
            queue = news.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Self(lines) = self;
        let mut queue = lines.lock();
        queue.is_closed = true;
        lines.0.news.notify_all();
        // A log that blocks for so long has lost its last lines.
        let _ = lines
            .0
            .written
            .wait_timeout_while(queue, PATIENCE, |queue| !queue.is_done);
    }
}

impl Write for Lines {
    /// Never waits for the log: `tracing` hands over a whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.lock();
        if queue.waiting.len() < self.0.most {
            queue.waiting.push_back(line.to_owned());
            self.0.news.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn all_lines_are_written_in_their_order_before_the_end() {
        let (out, mut seen) = UnixStream::pair().unwrap();
        let (mut lines, writing) = Lines::to(out, 1000).unwrap();
        let mut wanted = String::new();
        for number in 0..1000 {
            let line = format!("{number}\n");
            lines.write_all(line.as_bytes()).unwrap();
            wanted.push_str(&line);
        }
        drop(writing);
        let mut written = vec![0; wanted.len()];
        seen.read_exact(&mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), wanted);
    }

    #[test]
    fn a_log_that_blocks_costs_lines_and_keeps_nobody_waiting() {
        let (out, mut seen) = UnixStream::pair().unwrap();
        // Fills the way to the reader, who reads nothing.
        out.set_nonblocking(true).unwrap();
        while (&out).write(&[b'-'; 4096]).is_ok() {}
        out.set_nonblocking(false).unwrap();
        let (mut lines, writing) = Lines::to(out, 2).unwrap();
        for line in ["a", "b", "c", "d", "e"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        // Ends although nothing can be written, and then the reader goes on.
        drop(writing);
        let mut written = String::new();
        drop(lines);
        seen.read_to_string(&mut written).unwrap();
        let written = written.trim_start_matches('-');
        // The first may be on its way before the last ones come.
        assert!(["ab", "abc"].contains(&written), "{written}");
    }
}
