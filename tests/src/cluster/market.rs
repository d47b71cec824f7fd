//! The market of one algorithm: real quotes go in, decisions come out, and everything must add up.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    PATIENCE,
    algo::{Algo, channel},
    books::{self, Books, Deposit},
    broker::Access,
    history::History,
    object::text,
    pods,
};
use crate::{
    amounts::{MONEY_PLACES, units},
    mqtt::{self, Subscriber},
    wait,
};

/// One batch of a flow each so often, which leaves two cores the time to do what the test is about.
const PACE: Duration = Duration::from_millis(250);
const BATCH: i64 = 1;
/// How long a broker may take for a batch before it is published again.
const BROKER_TAKES: Duration = Duration::from_secs(10);

/// Publishes the quotes of one algorithm and sees its decisions. Quotes are numbered: one that has to be published again
/// is the same quote.
pub struct Market {
    outlet: Outlet,
    access: Access,
    consumer: Subscriber,
    deposits: Vec<Deposit>,
    decided: BTreeSet<i64>,
    denied: BTreeSet<i64>,
    flow: Option<Flow>,
}

/// Where quotes are published, and how far.
#[derive(Clone)]
struct Outlet {
    history: Arc<History>,
    port: u16,
    login: mqtt::Login,
    channel: String,
    source: String,
    published: Arc<AtomicI64>,
}

/// Quotes published until it is told to stop.
struct Flow {
    first: i64,
    stop: CancellationToken,
    task: JoinSet<anyhow::Result<()>>,
}

impl Market {
    /// On the broker that the chart brings, for an algorithm that was paid 10,000.
    pub async fn open(algo: &Algo<'_>) -> anyhow::Result<Self> {
        Self::on(Access::to_default().await?, algo).await
    }

    /// On another broker.
    pub async fn on(access: Access, algo: &Algo<'_>) -> anyhow::Result<Self> {
        Self::on_channel(access, algo, &channel(algo.namespace())).await
    }

    /// On another channel than that of the namespace.
    pub async fn on_channel(access: Access, algo: &Algo<'_>, channel: &str) -> anyhow::Result<Self> {
        let namespace = algo.namespace().name();
        let filter = format!("intuition/{namespace}/{}/#", algo.name());
        let consumer = wait::until_within(PATIENCE, "the broker takes the consumer", async || {
            Ok(Subscriber::start(access.port(), access.login(), &filter).await.ok())
        })
        .await?;
        let outlet = Outlet {
            history: Arc::new(History::read()?),
            port: access.port(),
            login: access.login().clone(),
            channel: channel.to_owned(),
            source: namespace.to_owned(),
            published: Arc::default(),
        };
        let deposits = vec![Deposit { after: 0, cents: 1_000_000 }];
        Ok(Self { outlet, access, consumer, deposits, decided: BTreeSet::new(), denied: BTreeSet::new(), flow: None })
    }

    /// The way to the broker.
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// Who sees what the algorithm publishes.
    pub const fn consumer(&self) -> &Subscriber {
        &self.consumer
    }

    /// Publishes quotes each of which is to be decided.
    pub async fn publish(&mut self, quotes: i64) -> anyhow::Result<()> {
        let published = self.outlet.publish(quotes).await?;
        self.decided.extend(published);
        Ok(())
    }

    /// Publishes quotes none of which is to be decided, and waits until the runtime has taken them: what is changed after
    /// them comes too late for them.
    pub async fn publish_in_vain(&mut self, algo: &Algo<'_>, quotes: i64) -> anyhow::Result<()> {
        let before = pods::ticks(algo).await?;
        let published = self.outlet.publish(quotes).await?;
        self.denied.extend(published);
        wait::until_every(PACE, PATIENCE, "the runtime has taken what was published", async || {
            Ok((pods::ticks(algo).await? >= before + quotes).then_some(()))
        })
        .await
    }

    /// Publishes quotes that may or may not be decided.
    pub async fn publish_to_chance(&self, quotes: i64) -> anyhow::Result<()> {
        self.outlet.publish(quotes).await.map(drop)
    }

    /// From now on `startingCash` is that much higher: for a time at which nothing is under way.
    pub fn deposited(&mut self, amount: &str) -> anyhow::Result<()> {
        let after = self.books()?.decisions;
        self.deposits.push(Deposit { after, cents: units(amount, MONEY_PLACES)? });
        Ok(())
    }

    /// Publishes quotes that are to be decided, a few each second, until [`Self::stop_flow`].
    pub fn start_flow(&mut self) {
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(flow(self.outlet.clone(), stop.clone()));
        self.flow = Some(Flow { first: self.outlet.published.load(Ordering::SeqCst) + 1, stop, task });
    }

    /// Ends the flow, once the broker has taken what was begun.
    pub async fn stop_flow(&mut self) -> anyhow::Result<()> {
        let mut flow = self.flow.take().context("no quotes flow")?;
        flow.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, flow.task.join_next()).await;
        ended.context("the broker takes no quotes")?.context("the flow has a task")???;
        self.decided.extend(flow.first..=self.outlet.published.load(Ordering::SeqCst));
        Ok(())
    }

    /// Waits for a decision that was not seen before now.
    pub async fn next_decision(&self) -> anyhow::Result<()> {
        let before = self.consumer.count("decisions");
        self.until("the consumer sees another decision", |market| Ok(market.consumer.count("decisions") > before)).await
    }

    /// Waits until there are more decisions than in `before`.
    pub async fn decided_more(&self, before: &Books) -> anyhow::Result<()> {
        let what = format!("there are more than {} decisions", before.decisions);
        self.until(&what, |market| Ok(market.books()?.decisions > before.decisions)).await
    }

    /// Waits until every quote that is to be decided is, and checks everything: each of them once and in order, none of
    /// those that were published in vain, the cash to the cent, and the resource's account, the ledger in the pod and the
    /// decisions seen by the consumer all say the same.
    pub async fn settles(&self, algo: &Algo<'_>) -> anyhow::Result<Books> {
        let last = self.decided.last().copied().unwrap_or_default();
        self.until(&format!("quote {last} is decided"), |market| {
            Ok(last == 0
                || market.consumer.count("decisions") >= market.decided.len() && market.books()?.quotes.contains(&last))
        })
        .await?;
        let books = self.books()?;
        let missing: Vec<_> = self.decided.difference(&books.quotes).collect();
        ensure!(missing.is_empty(), "never decided: quotes {missing:?}");
        let wrong: Vec<_> = self.denied.intersection(&books.quotes).collect();
        ensure!(wrong.is_empty(), "decided against the spec: quotes {wrong:?}");
        self.agrees(algo, &books).await?;
        Ok(books)
    }

    /// The decisions seen so far, recomputed.
    pub fn books(&self) -> anyhow::Result<Books> {
        books::check(&self.consumer.json("decisions")?, &self.deposits)
    }

    async fn agrees(&self, algo: &Algo<'_>, books: &Books) -> anyhow::Result<()> {
        let account = algo.account(books.decisions).await?;
        ensure!(text(&account, "/cash") == books.cash, "the decisions leave {}, the status says {account}", books.cash);
        let ledger = pods::verify(algo).await?;
        for (name, said) in [
            ("decisions", &Value::from(books.decisions).to_string()),
            ("cash", &books.cash),
            ("invested", &text(&account, "/invested").to_owned()),
        ] {
            let found = ledger.iter().find(|(found, _)| found == name).map(|(_, value)| value);
            ensure!(found == Some(said), "{name} is {said}, and the ledger says {ledger:?}");
        }
        Ok(())
    }

    async fn until(&self, what: &str, probe: impl Fn(&Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let done = wait::until_within(PATIENCE, what, async || Ok(probe(self)?.then_some(()))).await;
        done.with_context(|| {
            format!(
                "{} quotes published, {} decisions seen",
                self.outlet.published.load(Ordering::SeqCst),
                self.consumer.count("decisions")
            )
        })
    }
}

impl Outlet {
    /// Publishes the next quotes, again and again until the broker has taken them all. Gives their numbers.
    async fn publish(&self, quotes: i64) -> anyhow::Result<RangeInclusive<i64>> {
        wait::until_within(PATIENCE, "the broker takes quotes", async || self.try_publish(quotes).await).await
    }

    /// Publishes the next quotes; without an answer of the broker they stay the next ones.
    async fn try_publish(&self, quotes: i64) -> anyhow::Result<Option<RangeInclusive<i64>>> {
        let first = self.published.load(Ordering::SeqCst) + 1;
        let numbers = first..=first + quotes - 1;
        let quote = |number| self.history.quote(&self.channel, &self.source, number);
        let messages = numbers.clone().map(quote).collect::<anyhow::Result<Vec<_>>>()?;
        let attempt = mqtt::publish_all(self.port, &self.login, &messages);
        let Ok(Ok(())) = tokio::time::timeout(BROKER_TAKES, attempt).await else { return Ok(None) };
        self.published.store(*numbers.end(), Ordering::SeqCst);
        Ok(Some(numbers))
    }
}

async fn flow(outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complete = true;
    // A batch that was begun is brought to its end.
    while !stop.is_cancelled() || !complete {
        ticks.tick().await;
        complete = outlet.try_publish(BATCH).await?.is_some();
    }
    Ok(())
}
