//! Logs, on stderr, as text or JSON.

mod fields;

use clap::{Args, ValueEnum};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::MakeWriter, util::SubscriberInitExt as _};

use self::fields::PrintableFields;
use crate::color;

/// Format of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// The flags that every process has for its logs.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Format of logs.
    #[arg(long, env = "INTUITION_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Log level, or directives such as `info,bridge=debug`.
    #[arg(long, env = "INTUITION_LOG", default_value = "info")]
    pub log: String,
}

/// Errors in the set-up of logging.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be parsed.
    #[error("--log {filter:?} is no level and no list of directives such as `info,bridge=debug`")]
    ParseFilter {
        /// The value as given.
        filter: String,
        /// The cause.
        source: ParseError,
    },
}

/// Sets up logging for the whole process. A second call changes nothing.
pub fn init(args: &LogArgs) -> Result<(), TelemetryError> {
    let subscriber = subscriber(args, std::io::stderr, color::is_on(&std::io::stderr()))?;
    // It fails only if a subscriber is set already, and the first one stays.
    drop(subscriber.try_init());
    Ok(())
}

/// Text is escaped by [`PrintableFields`], JSON by its encoder.
fn subscriber(
    args: &LogArgs,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
    colored: bool,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&args.log)
        .map_err(|source| TelemetryError::ParseFilter { filter: args.log.clone(), source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        // Errors would be reported on stderr, which panics if its terminal has gone.
        .log_internal_errors(false)
        .with_ansi(colored);
    Ok(match args.log_format {
        LogFormat::Text => Box::new(builder.fmt_fields(PrintableFields).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_span_list(false).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    /// Bytes that a test reads back.
    #[derive(Debug, Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer \u{1b}[1m")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner\n{0}")]
    struct Inner(&'static str);

    /// Log lines with text from outside in each kind of field.
    fn logged(format: LogFormat, colored: bool) -> String {
        let page = Page::default();
        let args = LogArgs { log_format: format, log: "info".to_owned() };
        let writer = page.clone();
        let subscriber = subscriber(&args, move || writer.clone(), colored).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let evil = "\u{1b}[31m\u{202e}\u{2028}\u{9b}\0\r\n2026 ERROR forged";
            let _span = tracing::info_span!("span", evil).entered();
            let error = Outer(Inner("deep"));
            tracing::info!(shown = %evil, debug = ?evil, plain = evil, r#type = 1, "message {evil}");
            tracing::warn!(error = &error as &dyn std::error::Error, "failed");
        });
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_from_outside_forges_no_line_and_steers_no_terminal() {
        let text = logged(LogFormat::Text, false);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains(|character: char| character != '\n' && character.is_control()), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{2028}']), "{text:?}");
        let escaped = r"\u{1b}[31m\u{202e}\u{2028}\u{9b}\u{0}\r\n2026 ERROR forged";
        let quoted = format!("\"{}\"", escaped.replace(r"\u{0}", r"\0"));
        let expected = format!("message {escaped} shown={escaped} debug={quoted} plain={quoted} type=1\n");
        assert!(text.contains(&expected), "{text}");
        let expected = r"failed error=outer \u{1b}[1m error.sources=[inner\ndeep]";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn colours_are_the_formatters_own() {
        let text = logged(LogFormat::Text, true);
        assert!(text.contains("\u{1b}[3mtype\u{1b}[0m\u{1b}[2m=\u{1b}[0m1"), "{text:?}");
        assert!(!text.contains("\u{1b}[31m\\u") && text.contains(r"message \u{1b}[31m"), "{text:?}");
    }

    #[test]
    fn json_stays_json() {
        let text = logged(LogFormat::Json, false);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["shown"], "\u{1b}[31m\u{202e}\u{2028}\u{9b}\0\r\n2026 ERROR forged");
    }
}
