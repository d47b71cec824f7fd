//! Facts and failures as lines of text.

use std::fmt::Write as _;

use intuition_api::v1::tick_outcome::Kind;

use crate::facts::{Body, Fact, Place, Time, Violation};

/// The command that plays a seed again.
pub fn replay(seed: u64) -> String {
    format!("cargo run -p simulation -- replay {seed} --trace")
}

/// A failing seed: the promise, what was seen, and how to see it again.
pub fn failure(seed: u64, violation: &Violation) -> String {
    format!("seed {seed}: {violation}\n  {}", replay(seed))
}

/// A fact in one line, with its time.
pub fn line(at: Time, fact: &Fact) -> String {
    let text = match fact {
        Fact::Taken { message, body } => format!("taken: message {message} {}", of_body(body)),
        Fact::Sent { bridge, delivery } => format!(
            "sent: bridge {bridge}, delivery {} on {:?}, packet {}, connection {}, {} places{}{}, sha256 {}",
            delivery.number,
            delivery.topic,
            delivery.packet_id,
            delivery.connection,
            delivery.ticks.len(),
            if delivery.duplicate { ", DUP" } else { "" },
            if delivery.interrupted { ", interrupted" } else { "" },
            hex::encode(&delivery.payload_sha256)
        ),
        Fact::Outcome { bridge, outcome } => {
            let ticks = outcome.ticks.iter().map(|tick| {
                let reason = if tick.reason.is_empty() { String::new() } else { format!(" {}", tick.reason) };
                format!("{}{reason} decisions {:?} positions {:?}", short(tick.kind()), tick.seqs, tick.positions)
            });
            let ticks = ticks.collect::<Vec<_>>().join("; ");
            format!("outcome: bridge {bridge}, delivery {}: {ticks}", outcome.number)
        }
        Fact::Publication { topic, payload, .. } => format!("publication: {topic} {}", text(payload)),
        Fact::Consumed { topic, payload } => format!("consumed: {topic} {}", text(payload)),
        Fact::LedgerOpened { run, snapshot } => format!(
            "ledger opened: run {run}, {} entries, {} decisions, outbox {} to {}, id {}",
            snapshot.account.entries,
            snapshot.account.decisions,
            snapshot.account.published_through,
            snapshot.account.position,
            snapshot.account.ledger_id
        ),
        Fact::Committed { run, changes } => {
            let mut line = format!("committed: run {run}");
            for entry in &changes.journal {
                let seq = entry.trade.as_ref().map_or(String::new(), |trade| {
                    format!(" decision {} of {} {} at {}", trade.seq, trade.quantity, trade.sid, trade.price)
                });
                push(&mut line, format_args!("; {} {}{seq}, cash {}", entry.kind.name(), entry.amount, entry.cash));
            }
            for row in &changes.window {
                let (class, ordinal, kind) = (row.class.name(), row.ordinal, short(row.outcome.kind));
                push(
                    &mut line,
                    format_args!(
                        "; {class} {ordinal} of delivery {} place {}: {kind} {}",
                        row.delivery, row.index, row.outcome.reason
                    ),
                );
            }
            for gap in &changes.gaps {
                push(&mut line, format_args!("; gap of {:?} {} to {}", gap.source, gap.first, gap.last));
            }
            if let Some(account) = &changes.account {
                push(&mut line, format_args!("; outbox {} to {}", account.published_through, account.position));
            }
            if let Some(trading) = &changes.trading {
                push(&mut line, format_args!("; trading {} {:?}", trading.number, trading.causes));
            }
            line
        }
        Fact::Settled { account, runtime_ready, bridge_ready, waiting, .. } => {
            let decisions = account.as_ref().map(|account| account.decisions);
            format!(
                "settled: decisions {decisions:?}, runtime {runtime_ready}, bridge {bridge_ready}, waiting {waiting:?}"
            )
        }
        other => format!("{other:?}"),
    };
    format!("{:>12.6} {}", at.as_secs_f64(), text.replace('\n', " "))
}

fn push(line: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    line.write_fmt(arguments).ok();
}

fn short(kind: Kind) -> &'static str {
    kind.as_str_name().strip_prefix("KIND_").unwrap_or_default()
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

fn of_body(body: &Body) -> String {
    let places = body.places.iter().map(|place| match place {
        Place::Quote(quote) => {
            format!("quote {} {} at {} {:?}", quote.serial, quote.symbol, quote.price, quote.identity)
        }
        Place::Unusable(reason) => format!("unusable {reason}"),
    });
    let places = places.collect::<Vec<_>>().join("; ");
    format!("on {:?} {:?}: {places}", body.topic, body.user_properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_that_plays_it_again() {
        let violation = Violation { promise: "books", text: "at 1.5 s: the cash is -0.01".to_owned() };
        assert_eq!(
            failure(3, &violation),
            "seed 3: books: at 1.5 s: the cash is -0.01\n  \
             cargo run -p simulation -- replay 3 --trace"
        );
    }

    #[test]
    fn a_fact_is_one_line() {
        let fact = Fact::Refused { topic: "a\nb".to_owned(), code: 0x87 };
        assert_eq!(line(Time::from_millis(1_500), &fact), "    1.500000 Refused { topic: \"a\\nb\", code: 135 }");
    }
}
