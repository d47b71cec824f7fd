//! The network policies as rendered: over flows that must pass, and some that must not.

use anyhow::{Context as _, ensure};
use e2e::chart::{
    helm::Release,
    network::{End, Pod, Policies, Protocol},
    rendered::Rendered,
    selector::labels,
};
use serde_json::json;

/// The ends of the flows, by name: our pods as rendered, the children of a resource as the operator makes them, and others.
fn end(rendered: &Rendered, name: &str) -> anyhow::Result<End> {
    let ours = |component: &str| -> anyhow::Result<End> {
        for pod in rendered.pods() {
            let labels = labels(pod.metadata)?;
            if labels["app.kubernetes.io/component"] == component {
                return Ok(End::Pod(Pod { namespace: "intuition-system".to_owned(), labels, ..Pod::default() }));
            }
        }
        Err(anyhow::anyhow!("no pod of {component} was rendered"))
    };
    let pod = |namespace: &str, labels: &[(&str, &str)]| End::Pod(Pod::new(namespace, labels));
    let child = |namespace: &str, app: &str, component: &str| {
        pod(
            namespace,
            &[
                ("app.kubernetes.io/name", app),
                ("app.kubernetes.io/instance", "goog-random"),
                ("app.kubernetes.io/component", component),
                ("app.kubernetes.io/part-of", "intuition"),
                ("app.kubernetes.io/managed-by", "intuition-operator"),
                ("intuition.dev/uid", "0b5a1bd4-8b0a-4b8c-9d7e-3f9c2a71e0aa"),
            ],
        )
    };
    Ok(match name {
        "operator" | "mosquitto" | "test" => ours(name)?,
        "bridge" => child("desk-a", "tradingalgo", "bridge"),
        "bridge elsewhere" => child("desk-z", "tradingalgo", "bridge"),
        "feed" | "feed elsewhere" => pod(
            if name == "feed" { "desk-a" } else { "desk-z" },
            &[
                ("app.kubernetes.io/name", "feed"),
                ("app.kubernetes.io/instance", "market"),
                ("app.kubernetes.io/component", "feed"),
                ("app.kubernetes.io/part-of", "intuition"),
                ("app.kubernetes.io/managed-by", "intuition-operator"),
            ],
        ),
        "runtime" => child("desk-a", "tradingalgo", "runtime"),
        "runtime elsewhere" => child("desk-z", "tradingalgo", "runtime"),
        "indicator runtime" => child("desk-a", "indicator", "runtime"),
        "indicator bridge" => child("desk-a", "indicator", "bridge"),
        "algorithm" | "algorithm elsewhere" => pod(
            if name == "algorithm" { "desk-a" } else { "desk-z" },
            &[
                ("app.kubernetes.io/name", "algorithm"),
                ("app.kubernetes.io/instance", "mean-reversion"),
                ("app.kubernetes.io/component", "algorithm"),
                ("app.kubernetes.io/part-of", "intuition"),
                ("app.kubernetes.io/managed-by", "intuition-operator"),
                ("intuition.dev/image", "0123abcd"),
            ],
        ),
        "publisher" => pod("apps", &[("app", "prices")]),
        "neighbour" => pod("intuition-system", &[("app", "other")]),
        "prometheus" => pod("monitoring", &[("app", "prometheus")]),
        "dns" => pod("kube-system", &[("k8s-app", "kube-dns")]),
        "dns on the node" => End::Address("169.254.20.10".parse()?),
        "api server" => End::Address("172.18.0.2".parse()?),
        "host inside" => End::Address("10.2.3.4".parse()?),
        "host outside" => End::Address("203.0.113.7".parse()?),
        other => anyhow::bail!("nothing is called {other}"),
    })
}

/// Each line: source -> destination port[/udp] yes|no.
fn check(release: &Release, flows: &str) -> anyhow::Result<()> {
    let rendered = release.render()?;
    let policies = Policies::of(rendered.objects(), "intuition-system")?;
    for line in flows.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (from, rest) = line.split_once(" -> ").with_context(|| line.to_owned())?;
        let (rest, expected) = rest.rsplit_once(' ').with_context(|| line.to_owned())?;
        let (to, port) = rest.rsplit_once(' ').with_context(|| line.to_owned())?;
        let (port, protocol) = match port.strip_suffix("/udp") {
            Some(port) => (port, Protocol::Udp),
            None => (port, Protocol::Tcp),
        };
        let passes = policies.allow(&end(&rendered, from)?, &end(&rendered, to)?, port.parse()?, protocol)?;
        ensure!(passes == (expected == "yes"), "{line}: it is the other way round");
    }
    Ok(())
}

#[test]
fn by_default_pods_reach_broker_and_directory_but_not_the_operator() -> anyhow::Result<()> {
    check(
        &Release::default(),
        "
        operator -> api server 443 yes
        operator -> api server 6443 yes
        operator -> dns 53/udp yes
        operator -> dns 53 yes
        operator -> dns on the node 53/udp yes
        operator -> runtime 50051 yes
        operator -> runtime 8080 yes
        operator -> runtime elsewhere 50051 yes
        operator -> bridge 8080 yes
        operator -> feed 8080 yes
        operator -> indicator runtime 50051 yes
        operator -> indicator bridge 8080 yes
        operator -> indicator bridge 22 no
        operator -> feed 22 no
        operator -> algorithm 9000 yes
        operator -> algorithm elsewhere 9000 yes
        operator -> runtime 22 no
        operator -> mosquitto 1883 no
        operator -> neighbour 8080 no
        operator -> publisher 8080 no
        operator -> host outside 80 no
        operator -> host outside 50051 yes
        operator -> host outside 9000 no
        publisher -> operator 50052 yes
        host outside -> operator 50052 no
        test -> operator 8080 yes
        test -> mosquitto 1883 yes
        test -> dns 53/udp yes
        test -> host outside 1883 no
        publisher -> test 1883 no
        prometheus -> operator 8080 no
        publisher -> operator 8080 no
        neighbour -> operator 8080 no
        host outside -> operator 8080 no
        bridge -> operator 8080 no
        bridge -> mosquitto 1883 yes
        feed -> mosquitto 1883 yes
        indicator bridge -> mosquitto 1883 yes
        bridge elsewhere -> mosquitto 1883 yes
        publisher -> mosquitto 1883 yes
        neighbour -> mosquitto 1883 yes
        publisher -> mosquitto 22 no
        publisher -> mosquitto 1883/udp no
        host outside -> mosquitto 1883 no
        mosquitto -> dns 53/udp no
        mosquitto -> api server 6443 no
        mosquitto -> publisher 80 no
        mosquitto -> host outside 443 no
        ",
    )
}

#[test]
fn metrics_the_broker_and_the_directory_are_for_those_who_are_named() -> anyhow::Result<()> {
    let values = json!({"networkPolicy": {
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "brokerFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "apiServerPorts": [6443],
        "backendsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}],
        "algorithmPorts": [9000],
    }});
    check(
        &Release::with(values),
        "
        prometheus -> operator 8080 yes
        prometheus -> operator 443 no
        prometheus -> operator 50052 no
        publisher -> operator 50052 yes
        neighbour -> operator 50052 no
        operator -> host outside 9000 yes
        operator -> host outside 50051 no
        operator -> bridge 50051 no
        prometheus -> mosquitto 1883 no
        publisher -> operator 8080 no
        operator -> api server 6443 yes
        operator -> api server 443 no
        host inside -> mosquitto 1883 yes
        host outside -> mosquitto 1883 no
        publisher -> mosquitto 1883 no
        bridge -> mosquitto 1883 yes
        test -> mosquitto 1883 yes
        ",
    )?;
    check(
        &Release::with(json!({"networkPolicy": {"brokerFrom": [], "backendsFrom": [], "algorithmPorts": []}})),
        "
        publisher -> operator 50052 no
        operator -> host outside 50051 no
        operator -> algorithm 50051 yes
        publisher -> mosquitto 1883 no
        neighbour -> mosquitto 1883 no
        bridge -> mosquitto 1883 yes
        ",
    )
}

#[test]
fn with_namespaces_named_others_are_not_reached() -> anyhow::Result<()> {
    check(
        &Release::with(json!({"operator": {"watchNamespaces": ["desk-a"]}, "networkPolicy": {"brokerFrom": []}})),
        "
        operator -> runtime 50051 yes
        operator -> bridge 8080 yes
        operator -> runtime elsewhere 8080 no
        operator -> bridge elsewhere 8080 no
        operator -> algorithm 9000 yes
        operator -> algorithm elsewhere 9000 no
        bridge -> mosquitto 1883 yes
        bridge elsewhere -> mosquitto 1883 no
        feed elsewhere -> mosquitto 1883 no
        indicator bridge -> mosquitto 1883 yes
        indicator runtime -> mosquitto 1883 no
        ",
    )
}

#[test]
fn a_broker_of_others_is_reached_by_the_test() -> anyhow::Result<()> {
    check(
        &Release::with(json!({"broker": {"url": "mqtts://mqtt.example.com"}})),
        "
        test -> host outside 8883 yes
        test -> host outside 1883 no
        test -> operator 8080 yes
        ",
    )
}

#[test]
fn they_can_be_left_out() -> anyhow::Result<()> {
    let rendered = Release::with(json!({"networkPolicy": {"enabled": false}})).render()?;
    ensure!(rendered.of_kind("NetworkPolicy").is_empty());
    Ok(())
}
