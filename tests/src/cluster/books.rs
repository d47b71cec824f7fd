//! Whether the cash is exact, from what a consumer of the decisions saw: arithmetic of its own, in cents.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    amounts::{MONEY_PLACES, money, units},
    checker,
};

/// Money that came in after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deposit {
    /// The number of the last decision before it.
    pub after: i64,
    /// How much; below 0 for a withdrawal.
    pub cents: i128,
}

/// What the decisions come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// How many there are.
    pub decisions: i64,
    /// What is left, as `1234.56`.
    pub cash: String,
    /// The quotes that led to them, by their numbers.
    pub quotes: BTreeSet<i64>,
}

/// Goes through the decisions, repetitions dropped: numbers from 1 without holes, one ledger, each `cash` the one before
/// less what was bought or more what was sold, never below zero, and no quote decided twice or out of order.
pub fn check(seen: &[Value], deposits: &[Deposit]) -> anyhow::Result<Books> {
    let mut decisions: Vec<&Value> = checker::deduplicate(seen)?.into_values().collect();
    decisions.sort_by_key(|decision| seq(decision));
    let mut cash = paid_in(deposits, 0);
    let mut quotes = BTreeSet::new();
    for (decision, number) in decisions.iter().zip(1..) {
        let fits = (|| {
            ensure!(seq(decision) == number, "its number should be {number}");
            ensure!(ledger(decision)? == ledger(decisions.first().context("there is one")?)?, "another ledger's");
            let amount = units(text(decision, "amount")?, MONEY_PLACES)?;
            cash += if text(decision, "side")? == "buy" { -amount } else { amount };
            ensure!(cash >= 0 && text(decision, "cash")? == money(cash), "its cash should be {}", money(cash));
            let quote = quote(decision)?;
            ensure!(quotes.last().is_none_or(|last| *last < quote), "its quote was decided before, or a later one");
            quotes.insert(quote);
            cash += paid_in(deposits, number);
            Ok(())
        })();
        fits.with_context(|| format!("decision {decision}"))?;
    }
    Ok(Books { decisions: i64::try_from(decisions.len())?, cash: money(cash), quotes })
}

fn paid_in(deposits: &[Deposit], after: i64) -> i128 {
    deposits.iter().filter(|deposit| deposit.after == after).map(|deposit| deposit.cents).sum()
}

fn seq(decision: &Value) -> i64 {
    decision.get("seq").and_then(Value::as_i64).unwrap_or_default()
}

/// `<namespace>/<name>/<ledger>/<seq>`
fn ledger(decision: &Value) -> anyhow::Result<&str> {
    text(decision, "id")?.rsplit_once('/').map(|(ledger, _)| ledger).context("an id without a ledger")
}

/// `<source>/<number>`
fn quote(decision: &Value) -> anyhow::Result<i64> {
    let (_, number) = text(decision, "event")?.rsplit_once('/').context("an event without a number")?;
    number.parse().with_context(|| number.to_owned())
}

fn text<'a>(decision: &'a Value, member: &str) -> anyhow::Result<&'a str> {
    decision.get(member).and_then(Value::as_str).with_context(|| format!("no {member}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(seq: i64, side: &str, amount: &str, cash: &str) -> Value {
        json!({"id": format!("ns/algo/1a2b/{seq}"), "seq": seq, "side": side, "amount": amount, "cash": cash,
               "event": format!("source/{}", seq * 2)})
    }

    #[test]
    fn exact_cash_passes_and_a_cent_or_a_hole_does_not() {
        let deposits = [Deposit { after: 0, cents: 10_000 }, Deposit { after: 1, cents: 500 }];
        let first = decision(1, "buy", "99.99", "0.01");
        let second = decision(2, "sell", "1.20", "6.21");
        let books = check(&[second.clone(), first.clone(), second.clone()], &deposits).unwrap();
        assert_eq!(books, Books { decisions: 2, cash: "6.21".to_owned(), quotes: BTreeSet::from([2, 4]) });
        assert!(check(&[first.clone(), decision(2, "sell", "1.20", "6.20")], &deposits).is_err());
        assert!(check(&[first.clone(), decision(3, "sell", "1.20", "6.21")], &deposits).is_err());
        assert!(check(&[first, second], &deposits[..1]).is_err());
    }
}
