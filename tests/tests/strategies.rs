//! What the algorithms decide, one by one, against values worked out here from the rules alone.
//!
//! `sma-crossover`: sums over `fast` and `slow` quotes of a symbol; the fast average is above the slow one where
//! fast sum x slow > slow sum x fast. Once it could be said at the previous quote too: buy when it becomes above from not
//! above, sell the whole position when it becomes below from not below.
//! `random`: `ChaCha8` from the seed; buys where a draw from 0 to 1 is above the threshold; `random-fraction` draws from the
//! second stream of the same seed.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use e2e::{
    amounts::{PRICE_PLACES, QUANTITY_PLACES, bought, money, plain, proceeds, units},
    checker, command,
    ledger::Ledger,
    process,
    process::Daemon,
    seed, wait,
};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use serde_json::{Value, json};

/// What an account does, from the first cent on.
struct Expected {
    starting_cash: i128,
    cash: i128,
    /// Quantity and cost by symbol.
    holdings: BTreeMap<String, (i128, i128)>,
    realised: i128,
    trades: Vec<Value>,
    denied: u64,
}

impl Expected {
    const fn new(starting_cash: i128) -> Self {
        Self {
            starting_cash,
            cash: starting_cash,
            holdings: BTreeMap::new(),
            realised: 0,
            trades: Vec::new(),
            denied: 0,
        }
    }

    fn buy(&mut self, quote: &Quote, amount: i128) -> anyhow::Result<()> {
        let quantity = bought(amount, quote.units)?;
        if amount < 1 || quantity == 0 || amount > self.cash {
            self.denied += 1;
            return Ok(());
        }
        self.cash -= amount;
        let held = self.holdings.entry(quote.sid.clone()).or_default();
        held.0 += quantity;
        held.1 += amount;
        self.book(quote, "buy", amount, quantity);
        Ok(())
    }

    fn sell_all(&mut self, quote: &Quote) -> anyhow::Result<()> {
        let Some((quantity, cost)) = self.holdings.get(&quote.sid).copied() else {
            self.denied += 1;
            return Ok(());
        };
        let amount = proceeds(quantity, quote.units)?;
        if amount < 1 {
            self.denied += 1;
            return Ok(());
        }
        self.holdings.remove(&quote.sid);
        self.cash += amount;
        self.realised += amount - cost;
        self.book(quote, "sell", amount, quantity);
        Ok(())
    }

    fn book(&mut self, quote: &Quote, side: &str, amount: i128, quantity: i128) {
        self.trades.push(json!({
            "seq": self.trades.len() + 1,
            "sid": quote.sid,
            "side": side,
            "amount": money(amount),
            "quantity": plain(quantity, QUANTITY_PLACES),
            "price": plain(quote.units, PRICE_PLACES),
            "cash": money(self.cash),
            "time": format!("{}T00:00:00.000Z", quote.date),
        }));
    }

    fn summary(&self, ticks: usize) -> Value {
        let invested: i128 = self.holdings.values().map(|(_, cost)| cost).sum();
        json!({
            "ticks": ticks,
            "decisions": self.trades.len(),
            "denied": self.denied,
            "deadLettered": 0,
            "startingCash": money(self.starting_cash),
            "cash": money(self.cash),
            "invested": money(invested),
            "realised": money(self.realised),
        })
    }
}

struct Quote {
    date: String,
    sid: String,
    units: i128,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The closing prices of the example, in the order of the file.
fn example_quotes() -> anyhow::Result<Vec<Quote>> {
    let text = fs::read_to_string(repository().join("examples/data/stocks-daily.csv"))?;
    let parse = |line: &str| -> anyhow::Result<Quote> {
        let fields: Vec<&str> = line.split(',').collect();
        let [date, sid, _open, _high, _low, close, _volume] = fields.as_slice() else { anyhow::bail!("{line}") };
        Ok(Quote { date: (*date).to_owned(), sid: (*sid).to_owned(), units: units(close, PRICE_PLACES)? })
    };
    text.lines().skip(1).map(parse).collect()
}

fn sma_crossover(quotes: &[Quote], fast: usize, slow: usize, cash: i128) -> anyhow::Result<Expected> {
    let mut expected = Expected::new(cash);
    let mut seen: BTreeMap<&str, VecDeque<i128>> = BTreeMap::new();
    let mut before: BTreeMap<&str, std::cmp::Ordering> = BTreeMap::new();
    for quote in quotes {
        let last = seen.entry(&quote.sid).or_default();
        last.push_front(quote.units);
        last.truncate(slow);
        if last.len() < slow {
            continue;
        }
        let fast_sum: i128 = last.iter().take(fast).sum();
        let slow_sum: i128 = last.iter().sum();
        let now = (fast_sum * i128::try_from(slow)?).cmp(&(slow_sum * i128::try_from(fast)?));
        let Some(earlier) = before.insert(&quote.sid, now) else { continue };
        if now.is_gt() && !earlier.is_gt() {
            // Half of the cash there is.
            expected.buy(quote, expected.cash / 2)?;
        } else if now.is_lt() && !earlier.is_lt() {
            expected.sell_all(quote)?;
        }
    }
    Ok(expected)
}

fn random(quotes: &[Quote], seed: u64, threshold: f64, cash: i128) -> anyhow::Result<Expected> {
    let mut expected = Expected::new(cash);
    let mut algorithm = ChaCha8Rng::seed_from_u64(seed);
    let mut policy = ChaCha8Rng::seed_from_u64(seed);
    policy.set_stream(1);
    for quote in quotes {
        if algorithm.random::<f64>() > threshold {
            let draw = i128::from(policy.next_u64() >> 11);
            expected.buy(quote, expected.cash * draw / (1_i128 << 53))?;
        }
    }
    Ok(expected)
}

/// What `intuition run --output json` printed: decisions and the summary.
fn printed(stdout: &str) -> anyhow::Result<(Vec<Value>, Value)> {
    let mut lines = Vec::new();
    for line in stdout.lines() {
        lines.push(serde_json::from_str::<Value>(line).with_context(|| format!("on stdout: {line}"))?);
    }
    let summary = lines.pop().context("nothing on stdout")?;
    Ok((lines, summary.get("summary").context("the last line is no summary")?.clone()))
}

/// The members that `model` has.
fn cut(value: &Value, model: &Value) -> Value {
    let members = model.as_object().into_iter().flatten();
    members.map(|(name, _)| (name.clone(), value.get(name).cloned().unwrap_or_default())).collect()
}

fn compare(stdout: &str, expected: &Expected, ticks: usize) -> anyhow::Result<()> {
    let (decisions, summary) = printed(stdout)?;
    compare_decisions(&decisions, expected)?;
    let right = expected.summary(ticks);
    ensure!(cut(&summary, &right) == right, "{summary}\nright: {right}");
    Ok(())
}

fn compare_decisions(decisions: &[Value], expected: &Expected) -> anyhow::Result<()> {
    for (decided, right) in decisions.iter().zip(&expected.trades) {
        ensure!(cut(decided, right) == *right, "decided: {decided}\nright:   {right}");
    }
    ensure!(
        decisions.len() == expected.trades.len(),
        "{} decisions, right are {}",
        decisions.len(),
        expected.trades.len()
    );
    Ok(())
}

async fn run_example(manifest: &str, folder: &Path) -> anyhow::Result<String> {
    fs::write(folder.join("algo.yaml"), manifest)?;
    let feed = repository().join("examples/data/stocks-daily.csv");
    let arguments = format!("run -f algo.yaml --feed {} --output json", feed.display());
    let ended = command::run("intuition", &arguments, folder).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    Ok(ended.stdout)
}

fn manifest(algorithm: &str, portfolio: &str) -> String {
    format!(
        "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {{name: tested}}\n\
         spec:\n  algorithm: {algorithm}\n  threshold: 0.5\n  startingCash: 10000\n  portfolio: {portfolio}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn sma_crossover_trades_as_the_rule_says_to_the_cent() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let algorithm = "{builtin: sma-crossover, parameters: {fast: 20, slow: 50}}";
    let stdout = run_example(&manifest(algorithm, "{policy: fixed-fraction, fraction: 0.5}"), folder.path()).await?;
    let quotes = example_quotes()?;
    let expected = sma_crossover(&quotes, 20, 50, 1_000_000)?;
    ensure!(expected.trades.len() > 50, "the example crosses often");
    compare(&stdout, &expected, quotes.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn random_with_a_seed_trades_as_its_generator_says_at_every_run() -> anyhow::Result<()> {
    let quotes = example_quotes()?;
    let expected = random(&quotes, 42, 0.5, 1_000_000)?;
    for _ in 0..2 {
        let folder = tempfile::tempdir()?;
        let algorithm = "{builtin: random, parameters: {seed: 42}}";
        let stdout = run_example(&manifest(algorithm, "{policy: random-fraction}"), folder.path()).await?;
        compare(&stdout, &expected, quotes.len())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_and_taken_up_again_ends_as_if_it_had_not_been() -> anyhow::Result<()> {
    let (seed, mut random) = seed::pick()?;
    let folder = tempfile::tempdir()?;
    let algorithm = "{builtin: sma-crossover, parameters: {fast: 20, slow: 50}}";
    fs::write(folder.path().join("algo.yaml"), manifest(algorithm, "{policy: fixed-fraction, fraction: 0.5}"))?;
    let feed = repository().join("examples/data/stocks-daily.csv");
    let arguments = format!("run -f algo.yaml --feed {} --data-dir data --output json", feed.display());
    let ledger = folder.path().join("data/default/tested");
    let quotes = example_quotes()?;
    let lines = i64::try_from(quotes.len())?;
    for kill in 1..4 {
        let mut command = Command::new(process::binary("intuition")?);
        command.args(arguments.split_whitespace()).current_dir(folder.path());
        let mut run = Daemon::start("intuition", command, folder.path().join("run.log"))?;
        let when = lines * kill / 4 - random.random_range(0..lines / 4);
        wait::until("the run is in the middle", async || {
            // It may not have made its ledger yet.
            let outcomes = Ledger::open(&ledger).and_then(|ledger| ledger.progress()).map_or(0, |at| at.outcomes);
            Ok((outcomes >= when).then_some(()))
        })
        .await?;
        run.kill()?;
        checker::audit(&Ledger::open(&ledger)?)?;
    }
    let ended = command::run("intuition", &arguments, folder.path()).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let expected = sma_crossover(&quotes, 20, 50, 1_000_000)?;
    let decisions = checker::audit(&Ledger::open(&ledger)?)?;
    compare_decisions(&decisions, &expected).with_context(|| format!("E2E_SEED={seed} repeats this run"))
}
