//! The list as people read it.

use intuition_common::text::printable;
use serde_json::Value;

use super::{Backend, BuiltIn, Listing, schema};

const HEAD: [&str; 5] = ["NAME", "VERSION", "ADDRESS", "HEALTHY", "USED BY"];

/// A table, then a paragraph about each.
pub(super) fn listing(listing: &Listing) -> String {
    let mut text = table(listing);
    for builtin in &listing.builtins {
        let BuiltIn { name, summary, parameters_schema, .. } = builtin;
        text.push('\n');
        push(&mut text, &format!("{name}: {summary}"));
        push_parameters(&mut text, parameters_schema.as_ref());
    }
    for backend in &listing.backends {
        push_backend(&mut text, backend);
    }
    text
}

fn push_backend(text: &mut String, backend: &Backend) {
    let Backend { address, algorithm, version, contract, channels, healthy, reason, message, .. } = backend;
    text.push('\n');
    push(
        text,
        &match (title(backend), address.as_str()) {
            (title, "") => title,
            (title, address) if title.is_empty() => address.to_owned(),
            (title, address) => format!("{title} at {address}"),
        },
    );
    if !healthy {
        push(text, &format!("  {}: {}", or_dash(reason), or_dash(message)));
    }
    if algorithm.is_empty() {
        // Nobody knows more.
        return;
    }
    push(text, &format!("  algorithm: {algorithm} {version}, speaks {}", or_dash(contract)));
    if !channels.is_empty() {
        push(text, &format!("  channels: {}", channels.join(", ")));
    }
    push_parameters(text, backend.parameters_schema.as_ref());
}

fn push_parameters(text: &mut String, parameters: Option<&Value>) {
    match schema::lines(parameters) {
        Ok(lines) => {
            text.push_str("  parameters:\n");
            for line in lines {
                push(text, &format!("    {line}"));
            }
        }
        Err(instead) => push(text, &format!("  parameters: {instead}")),
    }
}

fn table(listing: &Listing) -> String {
    let builtins = listing
        .builtins
        .iter()
        .map(|builtin| [builtin.name, builtin.version, "built in", "yes", "-"].map(str::to_owned));
    let backends = listing.backends.iter().map(|backend| {
        let healthy = if backend.healthy { "yes".to_owned() } else { format!("no: {}", or_dash(&backend.reason)) };
        let used_by = backend.used_by.join(", ");
        [&title(backend), &backend.version, &backend.address, &healthy, &used_by].map(|cell| one_line(or_dash(cell)))
    });
    let rows: Vec<_> = std::iter::once(HEAD.map(str::to_owned)).chain(builtins).chain(backends).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
            let cell = format!("{cell:<width$}   ", width = width.unwrap_or_default());
            line.push_str(&cell);
        }
        push(&mut text, line.trim_end());
    }
    text
}

/// `<namespace>/<name>`, or the name alone; empty where it is not known.
fn title(backend: &Backend) -> String {
    match &backend.namespace {
        Some(namespace) => format!("{namespace}/{}", backend.name),
        None => backend.name.clone(),
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Adds a line.
fn push(text: &mut String, line: &str) {
    text.push_str(&one_line(line));
    text.push('\n');
}

/// A text of a server must not break the lines.
fn one_line(text: &str) -> String {
    printable(text).into_owned()
}
