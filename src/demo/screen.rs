//! The terminal while the live view is on it.
//!
//! Owns the terminal's mode: the alternate screen, no cursor, no echo of keys; and gives everything
//! back when dropped. Called by the demo only when stdout is a terminal. Output that fails is an
//! error of the demo; giving back is tried in any case.

use std::io::{self, Write};
use std::time::Duration;

use nix::sys::termios::{
    FlushArg, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcflush, tcgetattr, tcsetattr,
};
use terminal_size::terminal_size_of;

use super::draw::Line;

/// Between two pictures.
pub(super) const FRAME: Duration = Duration::from_millis(50);

const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Assumed when the terminal does not tell.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// The terminal, taken over. Dropping it gives it back.
pub(super) struct Screen {
    colour: bool,
    /// Its mode before; `None` when stdin is no terminal.
    before: Option<Termios>,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn open(colour: bool) -> io::Result<Self> {
        let before = tcgetattr(io::stdin()).ok();
        let screen = Self { colour, before };
        if let Some(before) = &screen.before {
            let mut quiet = before.clone();
            quiet.local_flags.remove(LocalFlags::ECHO);
            // A stopped demo would leave the shell on the alternate screen.
            if let Some(suspend) = quiet
                .control_chars
                .get_mut(SpecialCharacterIndices::VSUSP as usize)
            {
                *suspend = 0;
            }
            tcsetattr(io::stdin(), SetArg::TCSANOW, &quiet)?;
        }
        write_out(ENTER)?;
        Ok(screen)
    }

    /// Columns and rows.
    pub(super) fn size() -> (usize, usize) {
        terminal_size_of(io::stdout()).map_or(USUAL_SIZE, |(width, height)| {
            (usize::from(width.0), usize::from(height.0))
        })
    }

    /// Shows these lines and nothing else, in one write, so that nothing flickers.
    pub(super) fn show(&self, lines: &[Line]) -> io::Result<()> {
        let mut picture = String::from("\x1b[H");
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                picture.push_str("\r\n");
            }
            picture.push_str(&line.print(self.colour));
            picture.push_str("\x1b[K");
        }
        picture.push_str("\x1b[J");
        write_out(&picture)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to tell when the terminal is gone.
        let _ = write_out(LEAVE);
        if let Some(before) = &self.before {
            // Keys that were typed at the view are not for the shell.
            let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
