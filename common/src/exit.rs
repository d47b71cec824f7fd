//! How a `main` reports its error and which code it ends with.

use std::{error::Error, io::Write as _, process::ExitCode};

/// Exit code for input that cannot be used: arguments, manifests, settings.
pub const USAGE: u8 = 2;

/// Prints `error` with all its causes on stderr, one line, and gives the code to end with.
pub fn report(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    let mut line = format!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        // Some libraries repeat the cause in their own text.
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = inner.source();
    }
    // Nothing is left to be done for a closed stderr.
    drop(writeln!(std::io::stderr(), "{line}"));
    ExitCode::from(code)
}
