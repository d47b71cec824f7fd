//! The releases that every general rule is tried on: each switch of the chart in both positions.

use e2e::chart::helm::Release;
use serde_json::json;

/// Releases, with a word on what is special about each.
pub(crate) fn all() -> Vec<(&'static str, Release)> {
    vec![
        ("defaults", Release::default()),
        ("two namespaces", Release::with(json!({"operator": {"watchNamespaces": ["desk-a", "desk-b"]}}))),
        (
            "a broker of others, with TLS",
            Release::with(json!({"broker": {"url": "mqtts://mqtt.example.com", "credentialsSecret": "mqtt"}})),
        ),
        ("a broker of others, open", Release::with(json!({"broker": {"url": "mqtt://10.0.0.7:11883/"}}))),
        ("no default broker", Release::with(json!({"mosquitto": {"enabled": false}}))),
        (
            "an open mosquitto without a volume",
            Release::with(json!({"mosquitto": {"auth": {"enabled": false}, "persistence": {"enabled": false}}})),
        ),
        (
            "objects that are there already",
            Release::with(json!({
                "crds": {"install": false},
                "serviceAccount": {"create": false, "name": "trader"},
                "rbac": {"create": false, "aggregateToDefaultRoles": false},
                "mosquitto": {"auth": {"existingSecret": "mqtt"}, "persistence": {"existingClaim": "mqtt"}},
            })),
        ),
        (
            "nothing optional",
            Release::with(json!({
                "crds": {"keep": false},
                "operator": {"replicas": 0},
                "networkPolicy": {"enabled": false},
                "podDisruptionBudget": {"enabled": false},
            })),
        ),
        ("everything", everything()),
    ]
}

/// A release that sets all that can be set.
pub(crate) fn everything() -> Release {
    let placement = json!({
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "trading", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60}],
        "priorityClassName": "high",
    });
    let pod = json!({
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}}},
        "podAnnotations": {"example.com/a": "b"},
        // The second is the chart's own, and stays so.
        "podLabels": {"team": "desk", "app.kubernetes.io/component": "other"},
    });
    let resources = json!({
        "requests": {"cpu": 1, "memory": "1Gi", "ephemeral-storage": "1Gi"},
        "limits": {"cpu": "1500m", "memory": "1Gi", "ephemeral-storage": "1Gi"},
    });
    let mut values = json!({
        "nameOverride": "trading",
        "clusterDomain": "example.internal",
        "image": {"registry": "registry.example.com:5000", "repository": "team/intuition", "tag": "1.2.3", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "login"}],
        "rbac": {"aggregateToDefaultRoles": true},
        "broker": {"loginNamespaces": "All"},
        "topics": {
            "prefix": "trading/staging",
            "confine": "Warn",
            "publish": [{"namespace": "desk-a", "topics": ["trades/desk-a"]}],
            "subscribe": [{"namespace": "*", "topics": ["intuition/+/+/decisions"]}],
        },
        "operator": {"installation": "trading/before", "replicas": 3, "concurrency": 4, "resyncSeconds": 30, "logFormat": "text", "log": "info,kube=debug",
            "resources": resources},
        "serviceAccount": {"annotations": {"example.com/role": "x"}},
        "networkPolicy": {
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "brokerFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
            "apiServerPorts": [6443],
            "backendsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "desk"}}}],
            "algorithmPorts": [9000],
        },
        "mosquitto": {
            "persistence": {"size": "10Gi", "className": "fast", "autosaveSeconds": 60},
            "resources": resources,
            "service": {"type": "NodePort", "nodePort": 31883, "annotations": {"example.com/a": "b"}},
            "maxInflightMessages": 20, "maxQueuedMessages": 0, "maxQueuedBytes": 4_294_967_296_u64, "maxPacketBytes": 100_000,
            "persistentClientExpiration": "2m",
            "extraConfig": "# more\nsys_interval 60\n",
        },
        "algos": {
            "runtimeResources": resources, "bridgeResources": resources, "feedResources": resources,
            "bridgeTuning": {"receiveMaximum": 100, "keepAlive": "60s"},
            "imageTag": "1.2.4", "clientIdPrefix": "desk", "logFormat": "text", "log": "debug",
        },
        "metrics": {"serviceMonitor": {"enabled": true, "interval": "15s", "labels": {"prometheus": "main"}}},
    });
    for (part, more) in
        [("operator", [&placement, &pod].as_slice()), ("mosquitto", &[&placement, &pod]), ("algos", &[&placement])]
    {
        for (key, value) in more.iter().filter_map(|more| more.as_object()).flatten() {
            values[part][key] = value.clone();
        }
    }
    Release::with(values).knowing("monitoring.coreos.com/v1")
}
