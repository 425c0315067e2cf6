//! `buoy events`: what happens, as the daemon tells it.
//!
//! Owns how a line looks. Called by `main`; ends when the reader goes away, or the daemon does.

use std::path::Path;

use serde_json::Value;

use super::ask::known;
use super::terminal::{self, Reader};
use super::text::clean;
use crate::config::RouterName;
use crate::control::instance::SOCKET;
use crate::control::{Request, Response, client};
use crate::engine::command::Selection;
use crate::exit::Failure;

/// Prints until nobody reads any more.
///
/// # Errors
/// No daemon, its end, no such router, no stdout.
pub fn follow(
    runtime_dir: &Path,
    router: Option<RouterName>,
    json: bool,
    since: Option<u64>,
) -> Result<(), Failure> {
    if let Some(name) = &router {
        let _ = known(runtime_dir, &Selection::Router(name.clone()))?;
    }
    let request = Request::Events { router, since };
    let mut outcome = Ok(());
    let followed = client::follow(&runtime_dir.join(SOCKET), &request, |line| {
        let text = String::from_utf8_lossy(line);
        if let Ok(Response::Error { message } | Response::Forbidden { message }) =
            serde_json::from_slice(text.as_bytes())
        {
            outcome = Err(Failure::Refused(clean(&message)));
            return false;
        }
        let shown = if json {
            text.into_owned()
        } else {
            sentence(&text)
        };
        match terminal::print(&shown) {
            Ok(reader) => reader == Reader::Listens,
            Err(error) => {
                outcome = Err(Failure::Output(error));
                false
            }
        }
    });
    followed.map_err(Failure::from)?;
    outcome
}

/// `2026-01-01T00:00:00.000Z #7 web: active: ...`
fn sentence(line: &str) -> String {
    let Ok(object) = serde_json::from_slice::<Value>(line.as_bytes()) else {
        return format!("{}\n", clean(line));
    };
    if let Some(lost) = object.get("lost") {
        return format!("({lost} events were lost: this reader is too slow)\n");
    }
    let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let sequence = object.get("sequence").and_then(Value::as_u64);
    let whom = match text("router") {
        "" => String::new(),
        router => format!("{router}: "),
    };
    let sentence = format!(
        "{} #{} {whom}{}",
        text("time"),
        sequence.unwrap_or_default(),
        text("text")
    );
    format!("{}\n", clean(&sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_time_number_router_and_sentence() {
        let line = r#"{"sequence":7,"time":"T","router":"web","text":"active: silence"}"#;
        assert_eq!(sentence(line), "T #7 web: active: silence\n");
        assert_eq!(
            sentence(r#"{"lost":3}"#),
            "(3 events were lost: this reader is too slow)\n"
        );
    }
}
