//! The independent checker: recomputes a ledger from its journal with arithmetic of its own, and holds the outcomes and
//! what a consumer saw against it.
//!
//! It knows the rules from the documents only: money in exact decimals, every rounding down, entries chained by SHA-256
//! over netstrings.

mod books;
mod chain;

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::{
    amounts::{PRICE_PLACES, units},
    ledger::{Entry, Ledger, Trade, WindowRow},
    quotes::{CHANNEL, Identity, Quote},
};

/// Recomputes everything that the journal says: each entry's arithmetic, the cash at every prefix, the sums, the holdings,
/// the numbers without holes, the chain of hashes. The decisions come back, in order, as they are to be published.
pub fn audit(ledger: &Ledger) -> anyhow::Result<Vec<Value>> {
    let account = ledger.account()?;
    let journal = ledger.journal()?;
    chain::check(&account, &journal).context("the chain of hashes")?;
    let books = books::recompute(&journal)?;
    books.check_totals(&account, ledger.holdings()?.as_deref())?;
    let trades = journal.iter().filter_map(|entry| entry.trade.as_ref().map(|trade| (entry, trade)));
    trades.map(|(entry, trade)| published_form(&account.name, &account.ledger_id, entry, trade)).collect()
}

/// The decision of an entry as the decisions topic is to carry it.
fn published_form(account: &str, ledger_id: &str, entry: &Entry, trade: &Trade) -> anyhow::Result<Value> {
    Ok(json!({
        "id": format!("{account}/{ledger_id}/{}", trade.seq),
        "seq": trade.seq,
        "algo": account,
        "event": trade.event,
        "sid": trade.sid,
        "side": entry.kind,
        "amount": entry.amount,
        "quantity": trade.quantity,
        "price": trade.price,
        "cash": entry.cash,
        "time": rfc3339_millis(trade.time_micros)?,
    }))
}

/// Every quote has exactly one outcome, no identity occurs twice, and every decision belongs to one of them, at the
/// quote's own symbol and price. For ledgers whose window still holds everything.
pub fn check_outcomes(ledger: &Ledger, quotes: &[Quote]) -> anyhow::Result<()> {
    let rows = by_identity(ledger.window()?)?;
    let mut trades = BTreeMap::new();
    for entry in ledger.journal()? {
        if let Some(trade) = entry.trade {
            trades.insert(trade.seq, trade);
        }
    }
    for quote in quotes {
        let identity = quote.identity();
        let row = rows.get(&identity).with_context(|| format!("{identity:?} has no outcome"))?;
        for seq in row.first_seq..row.first_seq + row.seqs {
            let trade =
                trades.remove(&seq).with_context(|| format!("decision {seq} of {identity:?}: not there, or twice"))?;
            ensure!(
                units(&trade.price, PRICE_PLACES)? == units(&quote.price(), PRICE_PLACES)?,
                "decision {seq} traded {identity:?} at {}, quoted {}",
                trade.price,
                quote.price()
            );
        }
        ensure!((row.outcome == "decided") == (row.seqs > 0), "{row:?}");
    }
    ensure!(trades.is_empty(), "decisions without a quote: {:?}", trades.keys());
    Ok(())
}

/// Every quote has been decided once: the counters name as many ticks as there are quotes, and no two decisions answer
/// the same quote. Needs no window, so it holds for any number of quotes; their payloads have to differ.
pub fn check_decided_once(ledger: &Ledger, quotes: &[Quote]) -> anyhow::Result<()> {
    let count = |name| ledger.counter(name, "");
    let (decided, no_signal) = (count("decided")?, count("noSignal")?);
    let wanted = i64::try_from(quotes.len())?;
    ensure!(
        decided + no_signal == wanted,
        "{decided} quotes decided, {no_signal} without a signal, {wanted} published"
    );
    let mut open: BTreeMap<String, &Quote> = quotes.iter().map(|quote| (quote.event(), quote)).collect();
    for trade in ledger.journal()?.into_iter().filter_map(|entry| entry.trade) {
        let quote = open
            .remove(&trade.event)
            .with_context(|| format!("{} was never published, or decided twice", trade.event))?;
        ensure!(
            units(&trade.price, PRICE_PLACES)? == units(&quote.price(), PRICE_PLACES)?,
            "decision {} traded {} at {}, quoted {}",
            trade.seq,
            trade.event,
            trade.price,
            quote.price()
        );
    }
    Ok(())
}

/// For a broker that lost messages: every numbered quote has an outcome or is in a reported gap; none is decided twice.
pub fn check_outcomes_or_gaps(ledger: &Ledger, quotes: &[Quote]) -> anyhow::Result<()> {
    let rows = by_identity(ledger.window()?)?;
    let gaps = ledger.gaps()?;
    let mut had = Vec::new();
    for quote in quotes {
        if rows.contains_key(&quote.identity()) {
            had.push(quote.clone());
            continue;
        }
        let reported = gaps.iter().any(|gap| (gap.first..=gap.last).contains(&quote.number));
        ensure!(reported, "{:?} has neither an outcome nor a gap; gaps: {gaps:?}", quote.identity());
    }
    check_outcomes(ledger, &had)
}

/// What a consumer saw on the decisions topic, repetitions dropped by id, is the journal's decisions, field by field.
pub fn check_published(decisions: &[Value], seen: &[Value]) -> anyhow::Result<()> {
    let seen = deduplicate(seen)?;
    for decision in decisions {
        let id = id(decision)?;
        let published = seen.get(id).with_context(|| format!("decision {id} was never seen by the consumer"))?;
        ensure!(*published == decision, "published: {published}\njournal:   {decision}");
    }
    ensure!(seen.len() == decisions.len(), "{} decisions in the journal, {} seen", decisions.len(), seen.len());
    Ok(())
}

/// For a consumer that may have missed some: everything it saw is in the journal, field by field.
pub fn check_nothing_invented(decisions: &[Value], seen: &[Value]) -> anyhow::Result<()> {
    let mut known = BTreeMap::new();
    for decision in decisions {
        known.insert(id(decision)?, decision);
    }
    for (id, published) in deduplicate(seen)? {
        let decision = known.get(id).with_context(|| format!("{id} was published and is not in the journal"))?;
        ensure!(*decision == published, "published: {published}\njournal:   {decision}");
    }
    Ok(())
}

pub(crate) fn deduplicate(seen: &[Value]) -> anyhow::Result<BTreeMap<&str, &Value>> {
    let mut by_id = BTreeMap::new();
    for decision in seen {
        if let Some(earlier) = by_id.insert(id(decision)?, decision) {
            ensure!(earlier == decision, "one id, two contents:\n{earlier}\n{decision}");
        }
    }
    Ok(by_id)
}

fn id(decision: &Value) -> anyhow::Result<&str> {
    decision.get("id").and_then(Value::as_str).with_context(|| format!("no id in {decision}"))
}

fn by_identity(window: Vec<WindowRow>) -> anyhow::Result<BTreeMap<Identity, WindowRow>> {
    let mut rows = BTreeMap::new();
    for row in window {
        if row.channel != CHANNEL || row.tick_index != 0 {
            continue;
        }
        let identity = match (row.class.as_str(), row.seq) {
            ("sequence", Some(seq)) => Identity::Sequence { source: row.source.clone(), seq },
            ("id", _) => Identity::Id(row.id.clone()),
            _ => Identity::Payload(row.payload_sha256.clone()),
        };
        if let Some(earlier) = rows.insert(identity, row.clone()) {
            anyhow::bail!("two outcomes of one quote:\n{earlier:?}\n{row:?}");
        }
    }
    Ok(rows)
}

/// As `2026-01-02T03:04:05.678Z`.
pub fn rfc3339_millis(micros: i64) -> anyhow::Result<String> {
    let millis = micros.rem_euclid(1_000_000) / 1_000;
    let second = jiff::Timestamp::from_second(micros.div_euclid(1_000_000))?;
    Ok(format!("{}.{millis:03}Z", second.strftime("%Y-%m-%dT%H:%M:%S")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_no_fault_and_everything_else_is() {
        let decision = |id: &str, cash: &str| json!({"id": id, "cash": cash});
        let journal = [decision("a/1", "1.00"), decision("a/2", "2.00")];
        let [first, second] = journal.clone();
        assert!(check_published(&journal, &[first.clone(), second.clone(), first.clone()]).is_ok());
        for seen in [
            vec![first.clone()],
            vec![first.clone(), decision("a/2", "2.01")],
            vec![first.clone(), second.clone(), decision("a/2", "2.01")],
            vec![first.clone(), second.clone(), decision("a/3", "3.00")],
        ] {
            assert!(check_published(&journal, &seen).is_err(), "{seen:?}");
        }
        assert!(check_nothing_invented(&journal, std::slice::from_ref(&first)).is_ok());
        assert!(check_nothing_invented(&journal, &[first, decision("a/3", "3.00")]).is_err());
    }

    #[test]
    fn a_quote_with_two_outcomes_is_found() {
        let row = WindowRow {
            class: "id".to_owned(),
            tick_index: 0,
            channel: CHANNEL.to_owned(),
            source: String::new(),
            seq: None,
            id: "x".to_owned(),
            payload_sha256: String::new(),
            outcome: "no-signal".to_owned(),
            reason: String::new(),
            first_seq: 0,
            seqs: 0,
        };
        assert!(by_identity(vec![row.clone()]).is_ok());
        assert!(by_identity(vec![row.clone(), row]).is_err());
    }
}
