//! The objects of a resource beside those of the chart: as the operator's own tests hold what it builds, in
//! `operator/tests/children`.

use std::fs;

use anyhow::{Context as _, ensure};
use e2e::chart::{
    helm::Release,
    network::{End, Pod, Policies, Protocol},
    rendered::Rendered,
    restricted,
    selector::labels,
    tools,
};
use serde_json::{Value, json};

/// The children of one resource: `minimal` uses the default broker, `full` one at 192.0.2.7:8884, `served` the `algorithm` at
/// port 9000.
fn children(name: &str) -> anyhow::Result<Rendered> {
    let path = tools::repository().join(format!("operator/tests/children/{name}.children.yaml"));
    Rendered::parse(&fs::read_to_string(&path).with_context(|| path.display().to_string())?)
}

/// The chart as the operator of those tests was set up.
fn chart() -> anyhow::Result<Rendered> {
    let monitoring = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    Release::with(json!({"networkPolicy": {"metricsFrom": monitoring, "brokerFrom": []}})).render()
}

/// The pod of a component among `objects`.
fn pod(objects: &Rendered, component: &str, namespace: &str) -> anyhow::Result<End> {
    for pod in objects.pods() {
        let labels = labels(pod.metadata)?;
        if labels["app.kubernetes.io/component"] == component {
            return Ok(End::Pod(Pod { namespace: namespace.to_owned(), labels, ..Pod::default() }));
        }
    }
    anyhow::bail!("no pod of {component}")
}

#[test]
fn who_needs_whom_reaches_them_and_nobody_else_does() -> anyhow::Result<()> {
    let (chart, minimal, full) = (chart()?, children("minimal")?, children("full")?);
    // Decided by the algorithm.
    let (served, algorithm) = (children("served")?, children("algorithm")?);
    let (market, history) = (children("feed-exchange")?, children("feed-file")?);
    let indicator = children("indicator-feed")?;
    let all = [&chart, &minimal, &full, &served, &algorithm, &market, &history, &indicator];
    let objects = all.into_iter().flat_map(Rendered::objects);
    let policies = Policies::of(objects, "default")?;
    let end = |name: &str| -> anyhow::Result<End> {
        Ok(match name {
            "operator" | "mosquitto" => pod(&chart, name, "intuition-system")?,
            "runtime" | "bridge" => pod(&minimal, name, "trading")?,
            "other-runtime" => pod(&full, "runtime", "trading")?,
            "other-bridge" => pod(&full, "bridge", "trading")?,
            "served-runtime" => pod(&served, "runtime", "trading")?,
            "algorithm" => pod(&algorithm, name, "trading")?,
            "market" => pod(&market, "feed", "desk")?,
            "history" => pod(&history, "feed", "desk")?,
            "indicator-runtime" => pod(&indicator, "runtime", "trading")?,
            "indicator-bridge" => pod(&indicator, "bridge", "trading")?,
            "impostor-runtime" => pod(&minimal, "runtime", "elsewhere")?,
            // The same labels are worth nothing in another namespace.
            "impostor" => pod(&minimal, "bridge", "elsewhere")?,
            "impostor-operator" => pod(&chart, "operator", "elsewhere")?,
            "prometheus" => End::Pod(Pod::new("monitoring", &[])),
            "neighbour" => End::Pod(Pod::new("trading", &[("app", "x")])),
            "dns" => End::Pod(Pod::new("kube-system", &[("k8s-app", "kube-dns")])),
            address => End::Address(address.parse()?),
        })
    };
    let yes = "
        bridge runtime 50051, operator runtime 50051, operator runtime 8080, operator bridge 8080, operator other-runtime 50051,
        bridge mosquitto 1883, other-bridge 192.0.2.7 8884, other-bridge other-runtime 50051,
        bridge dns 53, runtime dns 53, prometheus runtime 8080, prometheus bridge 8080, prometheus operator 8080,
        operator algorithm 9000, served-runtime algorithm 9000, served-runtime dns 53, algorithm 203.0.113.9 443, algorithm dns 53,
        operator market 8080, prometheus market 8080, market 10.0.0.7 9000, market 203.0.113.9 8883, market dns 53, history mosquitto 1883,
        operator indicator-runtime 50051, operator indicator-bridge 8080, indicator-bridge indicator-runtime 50051,
        indicator-bridge mosquitto 1883";
    let no = "
        bridge other-runtime 50051, other-bridge runtime 50051, impostor runtime 50051, neighbour runtime 50051,
        neighbour runtime 8080, neighbour bridge 8080, prometheus runtime 50051, bridge runtime 8080,
        impostor-operator runtime 50051, impostor-operator bridge 8080, mosquitto bridge 8080, mosquitto runtime 50051,
        runtime bridge 8080, runtime mosquitto 1883, runtime 192.0.2.7 8884, runtime 203.0.113.9 443,
        bridge 203.0.113.9 443, bridge operator 8080, runtime operator 8080, bridge neighbour 80,
        other-bridge 192.0.2.8 8884, other-bridge 192.0.2.7 22, other-bridge mosquitto 1883, 203.0.113.9 runtime 50051,
        runtime algorithm 9000, impostor-runtime algorithm 9000, bridge algorithm 9000, neighbour algorithm 9000,
        served-runtime algorithm 50051, served-runtime 203.0.113.9 9000, prometheus algorithm 9000, algorithm runtime 50051, algorithm bridge 8080, runtime algorithm 22,
        neighbour market 8080, impostor-operator market 8080, market 10.0.0.8 9000, market mosquitto 1883, history 203.0.113.9 443,
        market history 8080, market operator 8080, history 10.0.0.7 9000, operator market 22,
        bridge indicator-runtime 50051, indicator-bridge runtime 50051, indicator-runtime mosquitto 1883";
    for (flows, expected) in [(yes, true), (no, false)] {
        for flow in flows.split(',').map(str::trim) {
            let words: Vec<_> = flow.split(' ').collect();
            let [from, to, port] = words.as_slice() else { anyhow::bail!("{flow} is no flow") };
            let passes = policies.allow(&end(from)?, &end(to)?, port.parse()?, Protocol::Tcp)?;
            ensure!(passes == expected, "{flow}: {}", if passes { "passes" } else { "does not pass" });
        }
    }
    Ok(())
}

#[test]
fn their_pods_are_restricted_and_have_no_token() -> anyhow::Result<()> {
    for (name, count) in [
        ("minimal", 2),
        ("full", 2),
        ("served", 2),
        ("algorithm", 1),
        ("feed-exchange", 1),
        ("feed-file", 1),
        ("feed-table", 1),
        ("indicator-feed", 2),
        ("indicator-bars", 2),
    ] {
        let rendered = children(name)?;
        let pods = rendered.pods();
        ensure!(pods.len() == count, "{name}: {} pods", pods.len());
        for pod in pods {
            let problems = restricted::problems(&pod);
            ensure!(problems.is_empty(), "{name}: {problems:#?}");
            ensure!(pod.spec["automountServiceAccountToken"] == Value::Bool(false), "{name}: {}", pod.owner);
        }
    }
    Ok(())
}
