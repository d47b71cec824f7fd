//! Reads the command line. An error shows the wrong values as printable text, shortened if they are long, and without the
//! user name and password of a URL.

use std::{error::Error as _, io::Write as _, process::ExitCode};

use clap::{
    Parser,
    error::{ContextKind, ContextValue, Error},
};

use crate::{
    color,
    exit::USAGE,
    text::{printable, printable_lines, shortened, without_login},
};

/// Bound on the characters of a value, and of the complaint about it, in an error.
const MAX_SHOWN_CHARS: usize = 200;

/// Reads the arguments of the process. `Err`: the code to end with, because help was asked for or because an argument
/// cannot be used. The help or the error is printed already.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    P::try_parse().map_err(|error| {
        if error.use_stderr() {
            let text = rendered(error, color::is_on(&std::io::stderr()));
            // With a closed stderr there is no way to report the error.
            drop(std::io::stderr().write_all(text.as_bytes()));
            return ExitCode::from(USAGE);
        }
        // Help and version hold nothing from outside.
        match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => crate::exit::report(&error, 1),
            _ => ExitCode::SUCCESS,
        }
    })
}

/// The error as clap shows it, with everything from outside made safe.
fn rendered(mut error: Error, colored: bool) -> String {
    let is_url = error.get(ContextKind::InvalidArg).is_some_and(|argument| argument.to_string().contains("<URL>"));
    let unsafe_values: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(shown(text, is_url)))),
            ContextValue::Strings(texts) => {
                Some((kind, ContextValue::Strings(texts.iter().map(|text| shown(text, is_url)).collect())))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in unsafe_values {
        error.insert(kind, value);
    }
    // With its styles: rendered without them, the text has lost the escapes of the complaint too, and is not found.
    let text = error.render().ansi().to_string();
    // The complaint of a value's parser is not part of the context.
    let text = match error.source().map(ToString::to_string) {
        Some(source) if !source.is_empty() => text.replace(&source, &shown(&source, is_url)),
        _ => text,
    };
    if colored { text } else { printable_lines(&without_styles(&text)) }
}

/// The text without the escapes that set a style, such as `ESC [ 1 m`.
fn without_styles(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

fn shown(text: &str, is_url: bool) -> String {
    let text = if is_url || text.contains("://") { without_login(text) } else { text.into() };
    printable(&shortened(&text, MAX_SHOWN_CHARS)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[arg(long, value_name = "URL", value_parser = refused)]
        broker: Option<String>,
        #[arg(long, value_parser = refused)]
        rate: Option<String>,
    }

    fn refused(text: &str) -> Result<String, String> {
        Err(format!("{text:.1}: refused\n\u{1b}[31m {text}"))
    }

    fn error(arguments: &[&str], colored: bool) -> String {
        let arguments = ["test"].iter().chain(arguments);
        rendered(Arguments::try_parse_from(arguments).unwrap_err(), colored)
    }

    #[test]
    fn values_in_errors_are_printable_and_short() {
        let long = "x".repeat(5_000);
        for arguments in [
            ["--rate", "a\u{1b}[31m\nerror: forged\u{202e}"],
            ["--ra\u{1b}[31m\nte", "1"],
            ["--rate=1", "--sub\u{9b}\u{2028}"],
            ["--rate", &long],
        ] {
            let text = error(&arguments, false);
            assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
            assert!(!text.contains("\nerror: forged") && !text.contains(['\u{202e}', '\u{2028}']), "{text:?}");
            assert!(text.len() < 1_000, "{text:?}");
        }
        let text = error(&["--rate", "a\u{1b}\nb"], true);
        assert!(text.contains(r"a\u{1b}\nb") && text.contains(r"a: refused\n\u{1b}[31m"), "{text:?}");
    }

    #[test]
    fn a_login_is_never_shown() {
        for arguments in [
            ["--broker", "mqtt://me:hunter2@host"],
            ["--broker", "me:hunter2@host"],
            ["--rate", "mqtt://me:hunter2@host"],
            ["--rate=mqtt://me:hunter2@host", ""],
            ["--brokr=mqtt://me:hunter2@host", ""],
            ["mqtt://me:hunter2@host", ""],
        ] {
            for colored in [false, true] {
                let text = error(&arguments, colored);
                assert!(!text.contains("hunter2") && text.contains("error: ") | colored, "{text}");
            }
        }
    }
}
