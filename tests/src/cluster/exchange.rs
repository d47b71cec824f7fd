//! The local exchange in a pod of a test's namespace.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    PATIENCE,
    algo::Algo,
    environment,
    forward::Forward,
    namespace::Namespace,
    object::{DEPLOYMENT, SERVICE},
    pods,
    publication::until_seen,
};
use crate::{feed::Seen, http, mqtt::Subscriber, wait};

const NAME: &str = "exchange";
const PORT: u16 = 9443;
/// The instrument, as Kraken names it.
pub const SYMBOL: &str = "BTC/USD";
/// The source of its quotes.
pub const SOURCE: &str = "kraken:BTC/USD";
/// More connections than a feed tries during a test.
const ALL: u64 = 1_000_000;

/// An exchange that makes a trade where a test asks for it. A restart forgets its record.
pub struct Exchange<'a> {
    namespace: &'a Namespace,
    forward: Forward,
}

impl<'a> Exchange<'a> {
    /// Starts it, and waits until it answers. The image is made by `examples/build market`.
    pub async fn start(namespace: &'a Namespace) -> anyhow::Result<Self> {
        for manifest in manifests() {
            namespace.apply(&manifest).await?;
        }
        let ready = |deployment: Option<&Value>| {
            let ready = deployment?.pointer("/status/readyReplicas").and_then(Value::as_i64);
            (ready == Some(1)).then_some(())
        };
        namespace.object(DEPLOYMENT, NAME).until("runs", ready).await.context("the test's exchange")?;
        let forward = Forward::start(namespace.name(), &format!("service/{NAME}"), PORT)?;
        Ok(Self { namespace, forward })
    }

    /// `spec.source` of a feed of its trades.
    pub fn source(&self) -> Value {
        let host = format!("{NAME}.{}.svc:{PORT}", self.namespace.name());
        json!({"exchange": {
            "name": "Kraken", "symbols": [SYMBOL], "url": format!("ws://{host}/v2"), "restUrl": format!("http://{host}"),
        }})
    }

    /// Makes so many trades, or more where an answer was lost on its way.
    pub async fn make(&self, count: u64) -> anyhow::Result<()> {
        self.post(&format!("/control/make?symbol={SYMBOL}&count={count}"), "").await
    }

    /// Closes its connections, and refuses new ones until [`Self::open`].
    pub async fn close(&self) -> anyhow::Result<()> {
        self.post("/control/faults", &json!({"refuse": ALL}).to_string()).await?;
        self.post("/control/cut", "").await
    }

    /// Takes connections again.
    pub async fn open(&self) -> anyhow::Result<()> {
        self.post("/control/faults", "{}").await
    }

    /// The record: the number and the price of every trade.
    pub async fn trades(&self) -> anyhow::Result<Vec<(u64, String)>> {
        let path = format!("/control/trades?symbol={SYMBOL}");
        let record: Value = wait::until_within(PATIENCE, "the exchange shows its record", async || {
            let page = http::get(self.forward.port(), &path).await?;
            Ok(page.and_then(|(status, text)| serde_json::from_str(&text).ok().filter(|_| status == 200)))
        })
        .await?;
        let trade = |trade: &Value| {
            let number = trade.get("number").and_then(Value::as_u64);
            let price = trade.get("price").and_then(Value::as_str);
            number.zip(price.map(str::to_owned)).with_context(|| format!("no trade: {trade}"))
        };
        record.as_array().context("no list of trades")?.iter().map(trade).collect()
    }

    /// Waits until a consumer has its last trade, checks everything that the consumer saw, and waits until the account has taken
    /// each trade from the first published one on, once.
    pub async fn is_taken(&self, consumer: &Subscriber, algo: &Algo<'_>) -> anyhow::Result<()> {
        let trades = self.trades().await?;
        let last = trades.last().map_or(0, |(number, _)| *number);
        let seen = until_seen(consumer, SOURCE, last).await?;
        self.check(&seen).await?;
        let first = seen.first().map_or(0, |quote| quote.seq);
        let taken = i64::try_from(trades.iter().filter(|(number, _)| *number >= first).count())?;
        wait::until("the account has taken each trade once", async || {
            let ticks = pods::new_ticks(algo).await?;
            ensure!(ticks <= taken, "{ticks} ticks of {taken} trades");
            Ok((ticks == taken).then_some(()))
        })
        .await
    }

    /// Checks the published quotes against the record: every number from the first published one on, each with its price.
    pub async fn check(&self, seen: &[Seen]) -> anyhow::Result<()> {
        let first = seen.first().context("nothing was published")?.seq;
        let record: Vec<_> = self.trades().await?.into_iter().filter(|(number, _)| *number >= first).collect();
        let mut problems = String::new();
        for (number, price) in &record {
            let published: Vec<_> = seen.iter().filter(|quote| quote.seq == *number).collect();
            if published.is_empty() {
                writeln!(problems, "{number} was not published")?;
            }
            for quote in published.iter().filter(|quote| trimmed(&quote.price) != trimmed(price)) {
                writeln!(problems, "{number} was traded at {price} and published at {}", quote.price)?;
            }
        }
        for quote in seen.iter().filter(|quote| !record.iter().any(|(number, _)| *number == quote.seq)) {
            writeln!(problems, "{} is invented", quote.seq)?;
        }
        ensure!(problems.is_empty(), "{problems}");
        Ok(())
    }

    async fn post(&self, path: &str, body: &str) -> anyhow::Result<()> {
        wait::until_every(Duration::from_millis(200), PATIENCE, &format!("the exchange takes {path}"), async || {
            let answer = http::post(self.forward.port(), path, body).await?;
            Ok(answer.filter(|(status, _)| *status == 200).map(drop))
        })
        .await
    }
}

/// A decimal without zeros at its end.
fn trimmed(price: &str) -> &str {
    if price.contains('.') { price.trim_end_matches('0').trim_end_matches('.') } else { price }
}

fn manifests() -> [Value; 2] {
    let labels = json!({"app": NAME});
    let deployment = json!({
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": NAME,
                "image": format!("{}/intuition-examples/market:dev", environment::registry()),
                "imagePullPolicy": "IfNotPresent",
                "args": ["--listen", format!("0.0.0.0:{PORT}"), "--symbol", SYMBOL, "--trades-per-second", "0"],
                "ports": [{"containerPort": PORT}],
                "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        }},
    });
    let service = json!({"selector": labels, "ports": [{"port": PORT}]});
    let object = |version: &str, kind: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": NAME, "labels": labels}, "spec": spec});
    [object("v1", SERVICE.name, service), object("apps/v1", DEPLOYMENT.name, deployment)]
}
