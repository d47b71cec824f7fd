//! Fields and messages in a text log. Publishers, algorithms and brokers choose some of them, so every message and every
//! value is escaped: none can forge a line or steer a terminal.

use std::{
    error::Error,
    fmt::{self, Write as _},
};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};

use crate::text::Escaped;

/// Formats fields as `message name=value`, every value escaped.
#[derive(Debug, Clone, Copy)]
pub(super) struct PrintableFields;

impl<'writer> FormatFields<'writer> for PrintableFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, is_first: true, outcome: Ok(()) };
        fields.record(&mut visitor);
        visitor.outcome
    }
}

struct Visitor<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    outcome: fmt::Result,
}

impl Visitor<'_> {
    fn write(&mut self, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        if name != MESSAGE {
            let name = name.strip_prefix("r#").unwrap_or(name);
            // Italic, then faint.
            if self.writer.has_ansi_escapes() {
                write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?;
            } else {
                write!(self.writer, "{name}=")?;
            }
        }
        write!(Escaped(&mut self.writer), "{value:?}")
    }
}

/// Name of the field that holds the message.
const MESSAGE: &str = "message";
/// Prefix of fields that describe a record of the crate `log`: metadata, not for the line.
const OF_LOG: &str = "log.";

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.outcome.is_ok() && !field.name().starts_with(OF_LOG) {
            self.outcome = self.write(field.name(), value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
        if value.source().is_some() && self.outcome.is_ok() {
            self.outcome = self.write(&format!("{}.sources", field.name()), &Sources(value));
        }
    }
}

/// The causes of an error.
struct Sources<'a>(&'a (dyn Error + 'static));

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = std::iter::successors(self.0.source(), |cause| (*cause).source());
        f.debug_list().entries(causes.map(|cause| fmt::from_fn(move |f| fmt::Display::fmt(cause, f)))).finish()
    }
}
