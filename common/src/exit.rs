//! Error report and exit code of a `main`.

use std::{error::Error, io::Write as _, process::ExitCode};

use crate::text::printable;

/// Exit code for input that cannot be used: arguments, manifests, settings.
pub const USAGE: u8 = 2;

/// Prints `error` with all its causes on stderr, in one line of printable characters, and gives the code to end with.
pub fn report(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    // With a closed stderr there is no way to report the error.
    drop(writeln!(std::io::stderr(), "error: {}", printable(&with_causes(error))));
    ExitCode::from(code)
}

/// An error and its causes in one line, without repetition: some libraries include the cause in their own text.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes
        .map(ToString::to_string)
        .fold(error.to_string(), |told, cause| if told.contains(&cause) { told } else { format!("{told}: {cause}") })
}
