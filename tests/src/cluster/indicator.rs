//! An `Indicator` of a test's namespace, and its messages.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    PATIENCE,
    algo::Algo,
    broker::Access,
    exchange::{Exchange, SOURCE},
    namespace::Namespace,
    object::INDICATOR,
};
use crate::{
    amounts::{PRICE_PLACES, units},
    indicator::{Joined, Oracle},
    mqtt::Subscriber,
    wait,
};

/// Periods of the indicators that a [`Stream`] checks.
const PERIODS: (usize, usize, usize) = (3, 8, 14);

/// Applies an indicator with this spec.
pub async fn apply<'a>(namespace: &'a Namespace, name: &str, spec: &Value) -> anyhow::Result<Algo<'a>> {
    let metadata = json!({"name": name, "namespace": namespace.name()});
    let manifest =
        json!({"apiVersion": "intuition.dev/v1alpha1", "kind": INDICATOR.name, "metadata": metadata, "spec": spec});
    namespace.apply(&manifest).await?;
    Ok(Algo::applied_as(namespace, INDICATOR, name))
}

/// Starts an account that trades where the average `fast` of an indicator crosses its average `slow`.
pub async fn follower<'a>(namespace: &'a Namespace, indicator: &str) -> anyhow::Result<Algo<'a>> {
    let changes = json!({
        "algorithm": {"builtin": "indicator-cross", "parameters": {"fast": "fast", "slow": "slow", "seed": null}},
        "channels": {"subscribe": null, "from": [{"indicator": indicator}]},
    });
    Algo::start(namespace, "follower", changes).await
}

/// An indicator that computes [`compute`](crate::indicator::compute)`(3, 8, 14)`, and a consumer of its messages.
pub struct Stream<'a> {
    indicator: Algo<'a>,
    consumer: Subscriber,
}

impl<'a> Stream<'a> {
    /// Applies an indicator and waits until it is ready.
    pub async fn apply(namespace: &'a Namespace, name: &str, spec: &Value, access: &Access) -> anyhow::Result<Self> {
        let topic = format!("intuition/{}/indicator.{name}/joined", namespace.name());
        let consumer = wait::until_within(PATIENCE, "the broker takes the consumer", async || {
            Ok(Subscriber::start(access.port(), access.login(), &topic).await.ok())
        })
        .await?;
        let indicator = apply(namespace, name, spec).await?;
        indicator.until("it is ready", is_ready).await?;
        Ok(Self { indicator, consumer })
    }

    /// The resource and its conditions.
    pub const fn resource(&self) -> &Algo<'a> {
        &self.indicator
    }

    /// Waits until a value of this name came.
    pub async fn has(&self, name: &str) -> anyhow::Result<()> {
        wait::until_within(PATIENCE, &format!("{name} has come"), async || {
            let joined = self.joined()?;
            Ok(joined.values().any(|joined| joined.values.iter().any(|(found, _)| found == name)).then_some(()))
        })
        .await
    }

    /// Waits until the last trade of an exchange came, and checks that each trade from the first one on came with the right values, and
    /// that repetitions are equal.
    pub async fn is_complete(&self, exchange: &Exchange<'_>) -> anyhow::Result<()> {
        let trades = exchange.trades().await?;
        let last = trades.last().context("the exchange has made a trade")?.0;
        let joined = wait::until_within(PATIENCE, &format!("the values of trade {last} have come"), async || {
            Ok(Some(self.joined()?).filter(|joined| joined.contains_key(&last)))
        })
        .await?;
        let first = joined.keys().next().copied().unwrap_or_default();
        let (fast, slow, rsi) = PERIODS;
        let mut oracle = Oracle::new(fast, slow, rsi);
        for (number, price) in trades.iter().filter(|(number, _)| *number >= first) {
            let joined = joined.get(number).with_context(|| format!("trade {number} did not come"))?;
            ensure!(
                units(joined.text("quote")?, PRICE_PLACES)? == units(price, PRICE_PLACES)?,
                "trade {number} was made at {price}: {joined:?}"
            );
            let known = |(name, _): &(String, f64)| ["fast", "slow", "strength"].contains(&name.as_str());
            let values = joined.values.iter().filter(|value| known(value)).cloned().collect();
            Joined { values, quote: joined.quote.clone() }.check(&oracle.next(joined.text("sid")?, price.parse()?))?;
        }
        Ok(())
    }

    /// Waits until the account of [`follower`] has as many decisions as the trades of an exchange call for.
    pub async fn is_decided(&self, exchange: &Exchange<'_>, algo: &Algo<'_>) -> anyhow::Result<()> {
        let first = self.joined()?.keys().next().copied().unwrap_or_default();
        let trades = exchange.trades().await?;
        let prices: Vec<_> =
            trades.into_iter().filter(|(number, _)| *number >= first).map(|(_, price)| price).collect();
        algo.account(crosses(&prices)?).await.map(drop)
    }

    /// The messages by the numbers of their quotes.
    fn joined(&self) -> anyhow::Result<BTreeMap<u64, Joined>> {
        let (mut joined, mut last) = (BTreeMap::new(), 0);
        for message in self.consumer.json("joined")? {
            let message = Joined::read(&message)?;
            ensure!(message.text("source")? == SOURCE, "{message:?}");
            let number =
                message.quote.get("seq").and_then(Value::as_u64).with_context(|| format!("no seq: {message:?}"))?;
            if let Some(earlier) = joined.get(&number) {
                ensure!(*earlier == message, "{earlier:?} came again as {message:?}");
                continue;
            }
            ensure!(number > last, "trade {number} came behind trade {last}");
            last = number;
            joined.insert(number, message);
        }
        Ok(joined)
    }
}

fn is_ready(indicator: &Value) -> Option<()> {
    let conditions = indicator.pointer("/status/conditions")?.as_array()?;
    let is = |condition: &Value, name: &str, value: &str| condition.get(name).and_then(Value::as_str) == Some(value);
    conditions.iter().any(|condition| is(condition, "type", "Ready") && is(condition, "status", "True")).then_some(())
}

/// How often an account with these prices of one symbol trades by the rule of the averages of [`PERIODS`], compared by their sums.
fn crosses(prices: &[String]) -> anyhow::Result<i64> {
    let (fast, slow, _) = PERIODS;
    let prices = prices.iter().map(|price| units(price, PRICE_PLACES)).collect::<anyhow::Result<Vec<_>>>()?;
    let (mut before, mut is_held, mut trades) = (None, false, 0);
    for end in slow..=prices.len() {
        let sum = |period: usize| prices.get(end - period..end).unwrap_or_default().iter().sum::<i128>();
        let now = (sum(fast) * i128::try_from(slow)?).cmp(&(sum(slow) * i128::try_from(fast)?));
        let earlier: Option<std::cmp::Ordering> = before.replace(now);
        if now.is_gt() && earlier.is_some_and(|earlier| !earlier.is_gt()) {
            (is_held, trades) = (true, trades + 1);
        } else if now.is_lt() && earlier.is_some_and(|earlier| !earlier.is_lt()) && std::mem::take(&mut is_held) {
            trades += 1;
        }
    }
    Ok(trades)
}
