//! Logs: one line a transition, with its cause; nothing an advert.
//!
//! Owns the set-up of `tracing` and how an event becomes a line. Lines are written by a
//! thread that does nothing else, out of a bounded queue: a log that blocks costs lines, and nothing
//! waits for it.

use std::io;

use tracing::{info, warn};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::cli::terminal::wants_colour;
use crate::cli::{LogFormat, LogLevel};
use crate::engine::event::Event;

/// Lines that wait while the log blocks; what comes then is lost. Some for each of a thousand routers: the
/// room for all of them is taken at the start.
const LINES: usize = 2048;

/// Starts logging. Without a journal, `journald` falls back to text and says so.
#[must_use = "what is queued is written when this is dropped"]
pub(super) fn start(format: LogFormat, level: LogLevel) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES)
        .finish(io::stderr());
    let (layer, complaint) = layer(format, &writer);
    // Fails only where a subscriber is set already, as in tests: that one is kept.
    let _ = Registry::default()
        .with(layer.with_filter(filter(level)))
        .try_init();
    if let Some(error) = complaint {
        warn!("the journal cannot be reached ({error}): logging text to stderr");
    }
    guard
}

fn layer(
    format: LogFormat,
    writer: &NonBlocking,
) -> (Box<dyn Layer<Registry> + Send + Sync>, Option<io::Error>) {
    let text = || {
        fmt::layer()
            .with_writer(writer.clone())
            .with_target(false)
            .with_ansi(wants_colour(&io::stderr()))
            .boxed()
    };
    match format {
        LogFormat::Text => (text(), None),
        LogFormat::Json => (
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_target(false)
                .with_writer(writer.clone())
                .boxed(),
            None,
        ),
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(layer) => (
                layer.with_syslog_identifier("buoy".to_owned()).boxed(),
                None,
            ),
            Err(error) => (text(), Some(error)),
        },
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Writes one event. What hooks are told of standings says again what the transitions, faults and checks
/// behind it have said.
pub(super) fn write(event: &Event) {
    if matches!(event, Event::Standing { .. } | Event::GroupStanding { .. }) {
        return;
    }
    match (event.router(), event.is_warning()) {
        (Some(router), true) => warn!(%router, "{event}"),
        (Some(router), false) => info!(%router, "{event}"),
        (None, true) => warn!("{event}"),
        (None, false) => info!("{event}"),
    }
}
