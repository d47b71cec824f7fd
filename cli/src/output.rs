//! Output of the commands. All text for a terminal goes through this file, which escapes texts of publishers, algorithms
//! and brokers. Standard output of a run holds decisions as they are published, then a summary of each algorithm.

mod answer;
mod letters;

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Write},
    time::Duration,
};

use algo_runtime::engine::{Tally, counter};
use bridge::Published;
use clap::ValueEnum;
use indicatif::ProgressBar;
use intuition_api::{
    topic,
    v1::{Decision, Side, outbox_entry::Content},
};
use intuition_common::{
    clock::rfc3339_millis,
    text::{printable, printable_lines},
};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{answer::AnswerFormat, letters::Letters};

/// Format of a run's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text: a line per decision, then a table.
    Text,
    /// JSON: an object per decision, exactly as published, then an object per algorithm with its summary.
    Json,
}

/// Summary of one algorithm in this run; money is the account's at its end.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    algo: String,
    /// The own name of the algorithm that decided last.
    algorithm: String,
    /// Its own version; may be empty.
    algorithm_version: String,
    ticks: u64,
    decisions: u64,
    denied: u64,
    /// Denied signals by reason; several may be of one tick.
    signals_denied: BTreeMap<String, u64>,
    dead_lettered: u64,
    not_subscribed: u64,
    not_listed: u64,
    /// The number of sequence numbers that sources left out.
    gaps: u64,
    /// The last gap in this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_gap: Option<LastGap>,
    starting_cash: String,
    cash: String,
    invested: String,
    realised: String,
    /// Time from the first quote to the end, to the millisecond.
    seconds: f64,
    /// Of an indicator's account. `None`: the account trades.
    #[serde(skip)]
    joined: Option<Joined>,
}

/// Counts of an indicator's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Joined {
    messages: u64,
    late: u64,
}

/// Summary of one indicator in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct IndicatorSummary<'a> {
    /// The account, `<namespace>/indicator.<name>`.
    account: &'a str,
    ticks: u64,
    /// Quotes that were published with their values, or bars.
    joined: u64,
    dead_lettered: u64,
    not_listed: u64,
    /// Quotes that were older than the open bar of their symbol.
    late: u64,
    gaps: u64,
}

/// Summary of one feed in this run.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FeedSummary {
    /// `<namespace>/<name>`.
    pub(crate) name: String,
    /// Quotes that the broker has taken.
    pub(crate) published: u64,
}

/// Sequence numbers that a source left out, both ends included.
#[derive(Debug, PartialEq, Serialize)]
struct LastGap {
    channel: String,
    source: String,
    first: i64,
    last: i64,
}

#[derive(Serialize)]
struct FeedLine<'a> {
    feed: &'a FeedSummary,
}

#[derive(Serialize)]
struct IndicatorLine<'a> {
    indicator: IndicatorSummary<'a>,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: &'a Summary,
}

impl Summary {
    /// Whether every quote of this run was dead-lettered.
    pub(crate) const fn is_all_dead(&self) -> bool {
        self.dead_lettered == self.ticks
    }

    /// Whether a quote had an outcome in this run.
    pub(crate) const fn has_ticks(&self) -> bool {
        self.ticks > 0
    }

    /// The difference between two states of an account.
    pub(crate) fn between(start: &Tally, end: &Tally, elapsed: Duration) -> Self {
        let counted = |name| end.count(name).saturating_sub(start.count(name));
        let account = &end.account;
        let gaps = counted(counter::GAPS);
        // Without gaps in this run, the last gap is an earlier run's.
        let last_gap = account.last_gap.as_ref().filter(|_| gaps > 0).map(|gap| LastGap {
            channel: gap.channel.clone(),
            source: gap.source.clone(),
            first: gap.first,
            last: gap.last,
        });
        Self {
            algo: account.account.clone(),
            algorithm: account.algorithm.clone(),
            algorithm_version: account.algorithm_version.clone(),
            ticks: end.ticks().saturating_sub(start.ticks()),
            decisions: account.decisions.saturating_sub(start.account.decisions),
            denied: counted(counter::DENIED),
            signals_denied: signals_denied(start, end),
            dead_lettered: counted(counter::DEAD_LETTERED),
            not_subscribed: counted(counter::NOT_SUBSCRIBED),
            not_listed: counted(counter::NOT_LISTED),
            gaps,
            last_gap,
            starting_cash: account.deposits.clone(),
            cash: account.cash.clone(),
            invested: account.invested.clone(),
            realised: account.realised.clone(),
            seconds: (elapsed.as_secs_f64() * 1e3).round() / 1e3,
            joined: topic::is_indicator_account(&account.account)
                .then(|| Joined { messages: counted(counter::JOINED), late: counted(counter::LATE) }),
        }
    }

    /// The summary of an indicator's account; `None`: the account trades.
    fn of_indicator(&self) -> Option<IndicatorSummary<'_>> {
        let Self { algo: account, ticks, dead_lettered, not_listed, gaps, .. } = self;
        let Joined { messages: joined, late } = self.joined?;
        let (ticks, dead_lettered, not_listed, gaps) = (*ticks, *dead_lettered, *not_listed, *gaps);
        Some(IndicatorSummary { account, ticks, joined, dead_lettered, not_listed, late, gaps })
    }
}

/// Denied signals between two states of an account, by reason.
fn signals_denied(start: &Tally, end: &Tally) -> BTreeMap<String, u64> {
    let before: BTreeMap<_, _> = start.by_reason(counter::SIGNALS_DENIED).collect();
    let counted = end.by_reason(counter::SIGNALS_DENIED).map(|(reason, value)| {
        (reason.to_owned(), value.saturating_sub(before.get(reason).copied().unwrap_or_default()))
    });
    counted.filter(|(_, value)| *value > 0).collect()
}

/// Writes published decisions until all senders are gone, and on standard error the first dead letters of each reason.
/// Blocks: to be called on a thread of its own. When standard output is closed, it cancels `closed` and drops the rest.
pub(crate) fn write_decisions(
    format: Format,
    mut published: UnboundedReceiver<Published>,
    mut letters: Letters,
    bar: Option<&ProgressBar>,
    closed: &CancellationToken,
) -> io::Result<()> {
    while let Some(first) = published.blocking_recv() {
        let (mut text, mut words) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(message) = next {
            match (&message.entry.content, format) {
                (Some(Content::Decision(_)), Format::Json) => text.extend(message.payload.iter().chain(b"\n")),
                (Some(Content::Decision(decision)), Format::Text) => writeln!(text, "{}", printable(&line(decision)))?,
                (Some(Content::DeadLetter(letter)), _) => words.extend(letters.line(&message.topic, letter)),
                (Some(Content::Publication(_) | Content::Joined(_)) | None, _) => {}
            }
            next = published.try_recv().ok();
        }
        let write = || {
            say(&words);
            put(&text)
        };
        // Hides a progress bar on the same terminal meanwhile.
        let written = bar.map_or_else(write, |bar| bar.suspend(write));
        if !is_open(written)? {
            closed.cancel();
            return Ok(());
        }
    }
    Ok(())
}

/// Writes the summaries: those of the accounts that trade, of the indicators, and of the feeds.
pub(crate) fn write_summaries(format: Format, summaries: &[Summary], feeds: &[FeedSummary]) -> io::Result<()> {
    let mut text = Vec::new();
    let traders: Vec<_> = summaries.iter().filter(|summary| summary.joined.is_none()).collect();
    let indicators = summaries.iter().filter_map(Summary::of_indicator);
    match format {
        Format::Json => {
            for summary in traders {
                serde_json::to_writer(&mut text, &SummaryLine { summary })?;
                text.push(b'\n');
            }
            for indicator in indicators {
                serde_json::to_writer(&mut text, &IndicatorLine { indicator })?;
                text.push(b'\n');
            }
            for feed in feeds {
                serde_json::to_writer(&mut text, &FeedLine { feed })?;
                text.push(b'\n');
            }
        }
        Format::Text => {
            let feeds =
                feeds.iter().map(|FeedSummary { name, published }| format!("{name}: {published} quotes published\n"));
            let lines: String = indicators.map(indicator_line).chain(feeds).collect();
            let table = table(&traders) + &lines;
            text.extend(printable_lines(&table).into_bytes());
        }
    }
    is_open(put(&text)).map(drop)
}

fn line(decision: &Decision) -> String {
    let side = if decision.side() == Side::Sell { "sell" } else { "buy" };
    let Decision { algo, seq, sid, quantity, price, amount, cash, time_micros, .. } = decision;
    let time = rfc3339_millis(*time_micros);
    format!("{time}  {algo} #{seq}  {side:<4} {quantity} {sid} at {price} = {amount}  cash {cash}")
}

/// Writes lines to standard error, because standard output is for decisions. A line feed within one of them is escaped.
pub(crate) fn say(lines: &[String]) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        // With a closed stderr there is no way to report the error.
        drop(writeln!(stderr, "{}", printable(line)));
    }
}

/// Writes a text of several lines for people to standard output.
pub(crate) fn put_text(text: &str) -> io::Result<()> {
    put(printable_lines(text).as_bytes())
}

/// Writes bytes to standard output without escapes: JSON, since its encoder escapes, and text that is escaped already.
pub(crate) fn put(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()
}

/// Whether standard output is still open. `| head` is no error.
pub(crate) fn is_open(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// The summaries as columns, names to the left and numbers to the right.
fn table(summaries: &[&Summary]) -> String {
    let head = [
        "algorithm",
        "decided by",
        "ticks",
        "decisions",
        "denied",
        "dead-lettered",
        "not subscribed",
        "not listed",
        "gaps",
        "starting cash",
        "cash",
        "invested",
        "realised",
        "seconds",
    ];
    let rows = summaries.iter().map(|summary| {
        let Summary { ticks, decisions, denied, dead_lettered, not_subscribed, not_listed, gaps, .. } = summary;
        [
            summary.algo.clone(),
            format!("{} {}", summary.algorithm, summary.algorithm_version).trim_end().to_owned(),
            ticks.to_string(),
            decisions.to_string(),
            denied.to_string(),
            dead_lettered.to_string(),
            not_subscribed.to_string(),
            not_listed.to_string(),
            gaps.to_string(),
            summary.starting_cash.clone(),
            summary.cash.clone(),
            summary.invested.clone(),
            summary.realised.clone(),
            format!("{:.3}", summary.seconds),
        ]
    });
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let mut text = "\n".to_owned();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
            let width = width.unwrap_or_default();
            let padding = " ".repeat(width - cell.chars().count());
            let parts = match column {
                0 => [cell.as_str(), &padding, ""],
                1 => ["  ", cell, &padding],
                _ => ["  ", &padding, cell],
            };
            text.extend(parts);
        }
        text.push('\n');
    }
    for summary in summaries {
        text.extend(denied_line(summary));
        text.extend(gap_line(summary));
    }
    text
}

fn indicator_line(summary: IndicatorSummary<'_>) -> String {
    let IndicatorSummary { account, joined, dead_lettered, not_listed, late, gaps, .. } = summary;
    let counts = [(dead_lettered, "dead-lettered"), (not_listed, "not listed"), (late, "late"), (gaps, "missing")];
    let rest = counts.iter().filter(|(count, _)| *count > 0).map(|(count, label)| format!(", {count} {label}"));
    format!("{account}: {joined} quotes published with their values{}\n", rest.collect::<String>())
}

/// Reasons of denied signals, under the table.
fn denied_line(summary: &Summary) -> Option<String> {
    let reasons = summary.signals_denied.iter().map(|(reason, count)| format!("{count} {reason}"));
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    (!reasons.is_empty()).then(|| format!("{}: signals denied: {reasons}\n", summary.algo))
}

/// The last gap of a source, under the table.
fn gap_line(summary: &Summary) -> Option<String> {
    let LastGap { channel, source, first, last } = summary.last_gap.as_ref()?;
    let which = if first == last { format!("number {first}") } else { format!("numbers {first} to {last}") };
    let line = format!("{}: {which} of source {source:?} on {channel} did not come", summary.algo);
    Some(format!("{}\n", printable(&line)))
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::{AccountResponse, Counter, Gap};

    use super::*;

    fn tally(decisions: u64, counters: &[(&str, &str, u64)]) -> Tally {
        let counters = counters.iter().map(|(name, reason, value)| Counter {
            name: (*name).to_owned(),
            reason: (*reason).to_owned(),
            value: *value,
        });
        let account = AccountResponse {
            account: "default/a".to_owned(),
            cash: "1.50".to_owned(),
            invested: "2.00".to_owned(),
            realised: "-6.50".to_owned(),
            deposits: "10.00".to_owned(),
            decisions,
            algorithm: "breakout".to_owned(),
            algorithm_version: "1.2.0".to_owned(),
            counters: counters.collect(),
            ..AccountResponse::default()
        };
        Tally { account, ..Tally::default() }
    }

    fn summary() -> Summary {
        let earlier = [("decided", "", 3), ("noSignal", "", 5), ("signalsDenied", "NothingHeld", 4)];
        let start = tally(3, &earlier);
        let counters = [
            ("decided", "", 7),
            ("noSignal", "", 9),
            ("denied", "TooSmall", 1),
            ("denied", "NothingHeld", 2),
            ("signalsDenied", "TooSmall", 1),
            ("signalsDenied", "NothingHeld", 9),
            ("deadLettered", "NotJson", 3),
            ("deadLettered", "Rejected", 1),
            ("notSubscribed", "", 2),
            ("notListed", "", 6),
            ("duplicates", "", 99),
            ("gaps", "", 3),
            ("gaps", "quotes", 3),
        ];
        let mut end = tally(8, &counters);
        let (channel, source) = ("quotes".to_owned(), "nyse".to_owned());
        end.account.last_gap = Some(Gap { channel, source, first: 7, last: 9, seen_micros: 1 });
        Summary::between(&start, &end, Duration::from_micros(1_234_567))
    }

    #[test]
    fn a_summary_counts_this_run_and_shows_the_accounts_money() {
        let expected = concat!(
            r#"{"summary":{"algo":"default/a","algorithm":"breakout","algorithmVersion":"1.2.0","ticks":23,"#,
            r#""decisions":5,"denied":3,"signalsDenied":{"NothingHeld":5,"TooSmall":1},"deadLettered":4,"notSubscribed":2,"notListed":6,"gaps":3,"#,
            r#""lastGap":{"channel":"quotes","source":"nyse","first":7,"last":9},"#,
            r#""startingCash":"10.00","cash":"1.50","invested":"2.00","realised":"-6.50","seconds":1.235}}"#
        );
        assert_eq!(serde_json::to_string(&SummaryLine { summary: &summary() }).unwrap(), expected);
    }

    #[test]
    fn a_table_lines_its_columns_up() {
        let table = table(&[&summary()]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[3], "default/a: signals denied: 5 NothingHeld, 1 TooSmall");
        assert_eq!(lines[4], r#"default/a: numbers 7 to 9 of source "nyse" on quotes did not come"#);
        assert_eq!(lines[1].len(), lines[2].len());
        assert!(lines[2].starts_with("default/a  breakout 1.2.0  ") && lines[2].ends_with("    1.235"), "{table}");
    }

    #[test]
    fn a_decision_is_a_line() {
        let decision = Decision {
            algo: "default/a".to_owned(),
            seq: 17,
            sid: "GOOG".to_owned(),
            side: Side::Buy.into(),
            amount: "1234.56".to_owned(),
            quantity: "3.57843478".to_owned(),
            price: "345".to_owned(),
            cash: "8765.44".to_owned(),
            time_micros: 1_767_323_045_678_000,
            ..Decision::default()
        };
        let expected = "2026-01-02T03:04:05.678Z  default/a #17  buy  3.57843478 GOOG at 345 = 1234.56  cash 8765.44";
        assert_eq!(line(&decision), expected);
    }
}
