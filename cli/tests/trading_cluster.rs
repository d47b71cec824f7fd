//! `intuition halt`, `reduce` and `resume` against an API server on this machine, for answers that a real one does not
//! give on demand. `tests/tests/cluster` has the tests in a real cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    routing::get,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Behaviour of API server and operator towards one resource.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// The operator confirms at the second look.
    Confirms,
    /// As `Confirms`, after a patch that failed with this code.
    FailsOnce(u16),
    /// The spec asks for Halted as well.
    HaltedBySpec,
    /// The operator does not answer.
    Silent,
    /// The user may not patch it.
    Forbidden,
    /// The user may patch it and not read it.
    Unreadable,
}

struct Algo {
    manner: Manner,
    annotations: BTreeMap<String, String>,
    patches: Vec<String>,
    looks: usize,
}

impl Algo {
    fn object(&self, namespace: &str, name: &str) -> Value {
        let mut causes = Vec::new();
        let mut add = |cause: &str, state: &str, message: &str| {
            causes.push(json!({ "cause": cause, "state": state, "message": message }));
        };
        for (annotation, cause, state) in [("halt", "Halt", "Halted"), ("reduce", "Reduce", "Reducing")] {
            if let Some(text) = self.annotations.get(&format!("intuition.dev/{annotation}")) {
                add(cause, state, text);
            }
        }
        if self.manner == Manner::HaltedBySpec {
            add("User", "Halted", "spec.suspend");
        }
        let strictest =
            ["Halted", "Reducing"].into_iter().find(|state| causes.iter().any(|cause| cause["state"] == **state));
        let state = strictest.unwrap_or("Active");
        let condition = if self.manner == Manner::Silent || self.looks < 2 {
            json!({ "type": "Trading", "status": "Unknown", "reason": "NotConfirmed", "message": "no answer" })
        } else {
            let status = if state == "Active" { "True" } else { "False" };
            json!({ "type": "Trading", "status": status, "reason": state, "message": "" })
        };
        json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
            "metadata": { "name": name, "namespace": namespace, "uid": "u-1", "annotations": self.annotations },
            "spec": { "algorithm": "of a later release" },
            "status": { "conditions": [condition], "trading": { "state": state, "causes": causes } },
        })
    }
}

type Algos = Arc<Mutex<BTreeMap<(String, String), Algo>>>;

struct Cluster {
    algos: Algos,
    folder: TempDir,
    _tokio: tokio::runtime::Runtime,
}

fn failure(code: u16, reason: &str, message: &str) -> (StatusCode, Json<Value>) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
    });
    (StatusCode::from_u16(code).unwrap(), Json(status))
}

fn not_found(name: &str) -> (StatusCode, Json<Value>) {
    failure(404, "NotFound", &format!("tradingalgos.intuition.dev \"{name}\" not found"))
}

fn forbidden(name: &str, verb: &str) -> (StatusCode, Json<Value>) {
    let message = format!("tradingalgos.intuition.dev \"{name}\" is forbidden: User \"alice\" cannot {verb} resource");
    failure(403, "Forbidden", &message)
}

async fn read(
    State(algos): State<Algos>,
    Path((namespace, name)): Path<(String, String)>,
) -> (StatusCode, Json<Value>) {
    let mut algos = algos.lock().unwrap();
    let Some(algo) = algos.get_mut(&(namespace.clone(), name.clone())) else { return not_found(&name) };
    if algo.manner == Manner::Unreadable {
        return forbidden(&name, "get");
    }
    algo.looks += 1;
    (StatusCode::OK, Json(algo.object(&namespace, &name)))
}

async fn patch(
    State(algos): State<Algos>,
    Path((namespace, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: String,
) -> (StatusCode, Json<Value>) {
    let mut algos = algos.lock().unwrap();
    let Some(algo) = algos.get_mut(&(namespace.clone(), name.clone())) else { return not_found(&name) };
    assert!(query.is_some_and(|query| query.contains("fieldManager=intuition-cli")));
    algo.patches.push(body.clone());
    match algo.manner {
        Manner::Forbidden => return forbidden(&name, "patch"),
        Manner::FailsOnce(code) if algo.patches.len() == 1 => return failure(code, "", "try again"),
        _ => {}
    }
    let patch: Value = serde_json::from_str(&body).unwrap();
    for (key, value) in patch.pointer("/metadata/annotations").unwrap().as_object().unwrap() {
        match value.as_str() {
            Some(text) => drop(algo.annotations.insert(key.clone(), text.to_owned())),
            None => drop(algo.annotations.remove(key)),
        }
    }
    algo.looks = 0;
    (StatusCode::OK, Json(algo.object(&namespace, &name)))
}

fn list(algos: &Algos, namespace: Option<&str>) -> Json<Value> {
    let algos = algos.lock().unwrap();
    let wanted = algos.iter().filter(|((within, _), _)| namespace.is_none_or(|namespace| namespace == within));
    let items: Vec<_> = wanted
        .map(|((namespace, name), _)| {
            json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": { "name": name, "namespace": namespace } })
        })
        .collect();
    Json(json!({ "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": items }))
}

impl Cluster {
    fn start(algos: &[(&str, Manner)]) -> Self {
        let named = |(account, manner): &(&str, Manner)| {
            let (namespace, name) = account.split_once('/').unwrap();
            let algo = Algo { manner: *manner, annotations: BTreeMap::new(), patches: Vec::new(), looks: 0 };
            ((namespace.to_owned(), name.to_owned()), algo)
        };
        let algos: Algos = Arc::new(Mutex::new(algos.iter().map(named).collect()));
        let base = "/apis/intuition.dev/v1alpha1";
        let every = |State(algos): State<Algos>| async move { list(&algos, None) };
        let within =
            |State(algos): State<Algos>, Path(namespace): Path<String>| async move { list(&algos, Some(&namespace)) };
        let router = Router::new()
            .route(&format!("{base}/namespaces/{{namespace}}/tradingalgos/{{name}}"), get(read).patch(patch))
            .route(&format!("{base}/namespaces/{{namespace}}/tradingalgos"), get(within))
            .route(&format!("{base}/tradingalgos"), get(every))
            .with_state(Arc::clone(&algos));
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        tokio.spawn(async move {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
        let folder = TempDir::new().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [
                { "name": "here", "cluster": { "server": format!("http://{address}") } },
                { "name": "empty", "cluster": { "server": format!("http://{address}/elsewhere") } },
            ],
            "users": [{ "name": "alice", "user": {} }],
            "contexts": [
                { "name": "here", "context": { "cluster": "here", "user": "alice", "namespace": "team" } },
                { "name": "empty", "context": { "cluster": "empty", "user": "alice" } },
            ],
        });
        fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        Self { algos, folder, _tokio: tokio }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
        command.args(arguments).env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        // An API server on this machine is reached without the proxy of the environment.
        command.env("HTTPS_PROXY", "http://127.0.0.1:1");
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn annotations(&self, account: &str) -> BTreeMap<String, String> {
        let (namespace, name) = account.split_once('/').unwrap();
        self.algos.lock().unwrap().get(&(namespace.to_owned(), name.to_owned())).unwrap().annotations.clone()
    }

    fn halt_text(&self, account: &str) -> Option<String> {
        self.annotations(account).remove("intuition.dev/halt")
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_halt_is_annotated_confirmed_and_resumed() {
    let cluster = Cluster::start(&[("team/goog", Manner::Confirms)]);
    let output = cluster.run(&["halt", "goog", "--reason", "broker\nis wrong"]);
    assert_eq!(text(&output.stdout), "team/goog: Halted by Halt (alice: broker is wrong)\n", "{output:?}");
    assert_eq!(output.status.code(), Some(0));
    let output = cluster.run(&["reduce", "team/goog", "--by", "robot", "--output", "json"]);
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    let account = &listing["accounts"][0];
    assert_eq!((&account["state"], &account["confirmed"]), (&"Halted".into(), &true.into()), "{listing}");
    assert_eq!(account["causes"][1], json!({ "cause": "Reduce", "state": "Reducing", "message": "robot" }));
    let output = cluster.run(&["resume", "goog"]);
    assert_eq!((text(&output.stdout), output.status.code()), ("team/goog: Active\n", Some(0)));
    assert!(cluster.annotations("team/goog").is_empty());
}

#[test]
fn a_resume_names_the_causes_that_remain() {
    let cluster = Cluster::start(&[("team/goog", Manner::HaltedBySpec)]);
    assert_eq!(cluster.run(&["halt", "goog"]).status.code(), Some(0));
    let output = cluster.run(&["resume", "goog"]);
    assert_eq!((text(&output.stdout), output.status.code()), ("team/goog: Halted by User (spec.suspend)\n", Some(1)));
}

#[test]
fn one_account_that_fails_does_not_keep_the_others_from_being_halted() {
    let cluster = Cluster::start(&[
        ("other/aapl", Manner::Confirms),
        ("team/a", Manner::Forbidden),
        ("team/b", Manner::Silent),
        ("team/c", Manner::FailsOnce(409)),
        ("team/d", Manner::FailsOnce(500)),
        ("team/e", Manner::Unreadable),
        ("team/f", Manner::Confirms),
    ]);
    let output = cluster.run(&["halt", "--all", "--timeout", "3s"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "\
team/c: Halted by Halt (alice)
team/d: Halted by Halt (alice)
team/f: Halted by Halt (alice)
";
    assert_eq!(text(&output.stdout), expected);
    let errors: Vec<_> = text(&output.stderr).lines().collect();
    assert_eq!(errors[0], "waiting for the operator to confirm 5 accounts");
    for (error, parts) in errors[1..].iter().zip([
        ["error: team/a: the right to patch tradingalgos.intuition.dev in the namespace team is missing", "alice"],
        ["error: team/b: the annotation intuition.dev/halt is set, but not confirmed within 3 s: ", "NotConfirmed"],
        ["error: team/e: the annotation intuition.dev/halt is set, but ", "the right to get"],
    ]) {
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    assert_eq!(errors.len(), 4, "{errors:#?}");
    for account in ["team/b", "team/c", "team/d", "team/e", "team/f"] {
        assert_eq!(cluster.halt_text(account).as_deref(), Some("alice"), "{account}");
    }
    assert_eq!(cluster.halt_text("other/aapl"), None);
    let output = cluster.run(&["halt", "--all", "-A", "--no-wait", "--output", "json"]);
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listing["accounts"].as_array().unwrap().len(), 7);
    assert_eq!(cluster.halt_text("other/aapl").as_deref(), Some("alice"));
    assert_eq!(output.status.code(), Some(1), "one of them may not be patched");
}

#[test]
fn without_waiting_the_command_ends_once_the_annotation_is_set() {
    let cluster = Cluster::start(&[("team/goog", Manner::Silent)]);
    let output = cluster.run(&["reduce", "goog", "--no-wait"]);
    let expected = "team/goog: the annotation intuition.dev/reduce is set; not confirmed yet\n";
    assert_eq!((text(&output.stdout), text(&output.stderr), output.status.code()), (expected, "", Some(0)));
}

#[test]
fn a_cluster_that_cannot_do_it_is_an_error_in_words() {
    let cluster = Cluster::start(&[("team/goog", Manner::Confirms)]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = cluster.folder.path().join("absent");
    let unreachable = cluster.folder.path().join("unreachable");
    let kubeconfig = fs::read_to_string(cluster.folder.path().join("kubeconfig")).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
    kubeconfig["clusters"][0]["cluster"]["server"] = format!("http://{nobody}").into();
    fs::write(&unreachable, kubeconfig.to_string()).unwrap();
    for (arguments, part) in [
        (&["halt", "msft"][..], "error: team/msft: there is no TradingAlgo msft in the namespace team"),
        (&["halt", "goog", "--context", "empty"], "the cluster does not know the kind TradingAlgo"),
        (&["halt", "--all", "--context", "empty"], "the cluster does not know the kind TradingAlgo"),
        (&["halt", "--all", "-n", "none"], "no TradingAlgo in the namespace none: nothing was changed"),
        (&["halt", "goog", "--context", "none"], "cannot use the kubeconfig"),
        (&["halt", "goog", "--kubeconfig", absent.to_str().unwrap()], "cannot use the kubeconfig"),
        (&["halt", "goog", "--kubeconfig", unreachable.to_str().unwrap()], "cannot reach the API server at http://"),
    ] {
        let output = cluster.run(arguments);
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)), "{arguments:?}");
        assert!(text(&output.stderr).contains(part), "{arguments:?}: {}", text(&output.stderr));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.args(["halt", "goog"]).env_remove("KUBECONFIG").env("HOME", cluster.folder.path());
    let output = command.env_remove("KUBERNETES_SERVICE_HOST").stdin(Stdio::null()).output().unwrap();
    assert!(text(&output.stderr).starts_with("error: no cluster: "), "{}", text(&output.stderr));
}
