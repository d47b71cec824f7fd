//! Sources as text.

use intuition_common::text::printable;

use super::Row;

const HEAD: [&str; 7] = ["CHANNEL", "SOURCE", "ERA", "LAST", "TAKEN", "DEAD LETTERS IN A ROW", "REASON"];

/// A table, then a paragraph for each source that has dead letters in a row.
pub(super) fn table(sources: &[Row]) -> String {
    if sources.is_empty() {
        return "the account has no numbered source\n".to_owned();
    }
    let cells = |row: &Row| {
        let last = row.last.map_or_else(|| "-".to_owned(), |last| last.to_string());
        let taken = row.last_time.clone().unwrap_or_else(|| "-".to_owned());
        let reason = if row.conflict_reason.is_empty() { "-" } else { row.conflict_reason.as_str() };
        [&row.channel, &row.source, &row.era.to_string(), &last, &taken, &row.conflicts.to_string(), reason]
            .map(one_line)
    };
    let rows: Vec<_> = std::iter::once(HEAD.map(str::to_owned)).chain(sources.iter().map(cells)).collect();
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    for row in sources.iter().filter(|row| row.conflicts > 0) {
        let Row { source, channel, conflict_reason, conflict_message, .. } = row;
        text.push('\n');
        text.push_str(&one_line(&format!("{source} on {channel}: {conflict_reason}: {conflict_message}")));
        text.push('\n');
    }
    text
}

pub(super) fn reset(source: &str, channel: &str, applied: bool, era: u64) -> String {
    let done = if applied { "is reset" } else { "was reset by an earlier call" };
    one_line(&format!("{source} on {channel} {done} and is in era {era}")) + "\n"
}

pub(super) fn forgotten(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} source{plural} forgotten\n")
}

/// A name from a publisher must not break the lines.
fn one_line(text: &str) -> String {
    printable(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(source: &str, last: Option<i64>, conflicts: u32) -> Row {
        Row {
            channel: "quotes".to_owned(),
            source: source.to_owned(),
            era: 1,
            last,
            last_time: last.map(|_| "2026-01-02T03:04:05.678Z".to_owned()),
            conflicts,
            conflict_reason: if conflicts > 0 { "SequenceWentBack".to_owned() } else { String::new() },
            conflict_message: "why".to_owned(),
        }
    }

    #[test]
    fn a_table_lines_its_columns_up_and_explains_conflicts() {
        let expected = "\
CHANNEL   SOURCE   ERA   LAST   TAKEN                      DEAD LETTERS IN A ROW   REASON
quotes    lse      1     -      -                          0                       -
quotes    ny\\nse   1     17     2026-01-02T03:04:05.678Z   12                      SequenceWentBack

ny\\nse on quotes: SequenceWentBack: why
";
        assert_eq!(table(&[row("lse", None, 0), row("ny\nse", Some(17), 12)]), expected);
        assert_eq!(table(&[]), "the account has no numbered source\n");
    }

    #[test]
    fn what_changed_is_a_sentence() {
        assert_eq!(reset("nyse", "quotes", true, 1), "nyse on quotes is reset and is in era 1\n");
        assert_eq!(reset("nyse", "quotes", false, 1), "nyse on quotes was reset by an earlier call and is in era 1\n");
        assert_eq!(
            (forgotten(1), forgotten(2)),
            ("1 source forgotten\n".to_owned(), "2 sources forgotten\n".to_owned())
        );
    }
}
