//! Colours on a terminal.

use std::{ffi::OsStr, io::IsTerminal};

/// Whether text on `stream` may hold colours: only on a terminal that knows them, and only where the user did not set
/// `NO_COLOR` (<https://no-color.org>).
pub fn is_on(stream: &impl IsTerminal) -> bool {
    #[expect(clippy::disallowed_methods, reason = "both are settings of the terminal, not of one process")]
    let (no_color, term) = (std::env::var_os("NO_COLOR"), std::env::var_os("TERM"));
    stream.is_terminal() && allows(no_color.as_deref(), term.as_deref())
}

fn allows(no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_in_no_color_and_a_dumb_terminal_turn_colours_off() {
        for (no_color, term, expected) in [
            (None, None, true),
            (None, Some("xterm-256color"), true),
            (Some(""), Some("xterm"), true),
            (Some("1"), Some("xterm"), false),
            (Some("0"), None, false),
            (None, Some("dumb"), false),
        ] {
            assert_eq!(allows(no_color.map(OsStr::new), term.map(OsStr::new)), expected, "{no_color:?} {term:?}");
        }
    }
}
