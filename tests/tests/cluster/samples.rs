//! Every sample in `crds/samples`: the valid ones are taken, the invalid ones are refused by the API server or, where only
//! the operator can tell, in their status.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use e2e::cluster::{
    algo::{Algo, manifest},
    broker::Broker,
    environment, in_namespace,
    namespace::Namespace,
    object::{ALGORITHM, INDICATOR, Kind, TRADING_ALGO, text},
};
use serde_json::{Value, json};

/// What the API server, or kubectl before it, says of what it does not take.
const REFUSALS: [&str; 7] = [
    "is invalid",
    "strict decoding error",
    "no matches for kind",
    "unable to decode",
    "cannot unmarshal",
    "may not be empty",
    "does not match the namespace",
];

#[tokio::test(flavor = "multi_thread")]
async fn valid_samples_are_taken() -> anyhow::Result<()> {
    in_namespace("valid", async |namespace| {
        for (path, sample) in samples("valid")? {
            let taken = namespace.apply_with(&placed(&sample, namespace)?, &["--dry-run=server"]).await;
            taken.with_context(|| format!("{} is refused", path.display()))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_samples_trade_and_can_be_applied_as_read_back() -> anyhow::Result<()> {
    in_namespace("run", async |namespace| {
        let broker = Broker::start(namespace).await?;
        let by_itself = |sample: &Value| sample.pointer("/spec/algorithm/builtin").is_some();
        for (path, sample) in samples("valid")?.into_iter().filter(|(_, sample)| by_itself(sample)) {
            let mut sample = placed(&sample, namespace)?;
            // Their broker and their storage class are not here. At the chart's broker quotes of other tests would spend the
            // cash, which several samples of one name share with other amounts.
            if let Some(spec) = sample.pointer_mut("/spec").and_then(Value::as_object_mut) {
                spec.insert("broker".to_owned(), json!({"url": broker.url()}));
            }
            if let Some(storage) = sample.pointer_mut("/spec/storage").and_then(Value::as_object_mut) {
                storage.remove("className");
            }
            let algo = run(namespace, &sample).await.with_context(|| path.display().to_string())?;
            algo.object().delete().await?;
            algo.object().is_gone().await?;
        }
        Ok(())
    })
    .await
}

async fn run<'a>(namespace: &'a Namespace, sample: &Value) -> anyhow::Result<Algo<'a>> {
    namespace.apply(sample).await?;
    let algo = Algo::applied(namespace, text(sample, "/metadata/name"));
    let halted = sample.pointer("/spec/suspend") == Some(&json!(true));
    algo.shows("Ready", "True", if halted { "Halted" } else { "Trading" }).await?;
    let mut read = algo.object().read().await?;
    // Otherwise it would be refused where the status was written since, as any update of an older version.
    if let Some(metadata) = read.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    namespace.apply(&read).await.context("what was read back is refused")?;
    let generation = "/metadata/generation";
    let again = algo.object().read().await?;
    ensure!(again.pointer(generation) == read.pointer(generation), "what was read back is something else: {again:#}");
    Ok(algo)
}

/// A sample in the test's namespace, topics too, without what only the server may say of an object that is not there yet.
fn placed(sample: &Value, namespace: &Namespace) -> anyhow::Result<Value> {
    let mut sample: Value = serde_json::from_str(&in_its_place(&sample.to_string(), namespace))?;
    if let Some(metadata) = sample.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("namespace".to_owned(), json!(namespace.name()));
        metadata.retain(|member, _| !["uid", "resourceVersion", "creationTimestamp"].contains(&member.as_str()));
    }
    Ok(sample)
}

/// Samples name topics of the namespaces `default` and `trading`.
fn in_its_place(text: &str, namespace: &Namespace) -> String {
    let own = format!("intuition/{}/", namespace.name());
    text.replace("intuition/default/", &own).replace("intuition/trading/", &own)
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_samples_are_refused() -> anyhow::Result<()> {
    in_namespace("invalid", async |namespace| {
        for (path, sample) in samples("invalid")? {
            let expected = expected_message(&path)?;
            // The API server drops a null; only `intuition validate` sees it.
            if expected.ends_with("is null") {
                continue;
            }
            // As a person would apply it: the namespace stays what the sample says.
            let refused = namespace.apply_with(&sample, &["--dry-run=server"]).await;
            match refused {
                Err(refusal) => names_the_field(&refusal.to_string(), &expected),
                Ok(_) => is_refused_in_status(namespace, &sample, &expected).await,
            }
            .with_context(|| format!("{}: {expected}", path.display()))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_to_what_cannot_be_are_refused() -> anyhow::Result<()> {
    in_namespace("updates", async |namespace| {
        for path in files("invalid-updates")? {
            let versions: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(&path)?)?;
            let [before, after] = versions.as_slice() else { bail!("{}: not two documents", path.display()) };
            namespace.apply(before).await?;
            let refused = namespace.apply(after).await;
            let refusal = refused.err().with_context(|| format!("{} is taken", path.display()))?;
            names_the_field(&refusal.to_string(), &expected_message(&path)?)?;
            let algo = Algo::applied(namespace, text(before, "/metadata/name"));
            algo.object().delete().await?;
            algo.object().is_gone().await?;
        }
        Ok(())
    })
    .await
}

/// The API server words it in its own way, but a person finds the field.
fn names_the_field(refusal: &str, expected: &str) -> anyhow::Result<()> {
    // The first line is the command, which names a namespace and files.
    let (_, refusal) = refusal.split_once('\n').context("a command and what it said")?;
    ensure!(REFUSALS.iter().any(|words| refusal.contains(words)), "it is another error: {refusal}");
    let (path, message) = expected.split_once(": ").context("a path, a colon and a message")?;
    let (parent, field) = path.rsplit_once('.').unwrap_or((path, path));
    let field = field.split('[').next().unwrap_or(field);
    // A label's key is in no message. What no API server gets to see is refused by kubectl, by its value.
    let value = message.rsplit('"').nth(1).unwrap_or(message);
    let named =
        refusal.contains(field) || refusal.contains(value) || (parent.contains('.') && refusal.contains(parent));
    ensure!(named, "the refusal names neither {path} nor {value}: {refusal}");
    Ok(())
}

async fn is_refused_in_status(namespace: &Namespace, sample: &Value, expected: &str) -> anyhow::Result<()> {
    let sample = placed(sample, namespace)?;
    namespace.apply(&sample).await?;
    let is_it = |kind: &Kind| text(&sample, "/kind") == kind.name;
    let kind = [ALGORITHM, INDICATOR].into_iter().find(is_it).unwrap_or(TRADING_ALGO);
    let algo = Algo::applied_as(namespace, kind, text(&sample, "/metadata/name"));
    let message = algo.shows("Accepted", "False", "InvalidSpec").await?;
    // Also where it names another resource of the sample's own namespace.
    let expected = in_its_place(expected, namespace).replace("default/", &format!("{}/", namespace.name()));
    ensure!(message.contains(&expected), "the status says {message:?}");
    algo.shows("Stalled", "True", "InvalidSpec").await?;
    algo.event("Warning", "InvalidSpec").await?;
    algo.shows("Ready", "False", "InvalidSpec").await?;
    algo.object().delete().await?;
    algo.object().is_gone().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_cannot_be_that_of_a_service_is_refused_at_once() -> anyhow::Result<()> {
    in_namespace("names", async |namespace| {
        for name in ["1abc", "a.b", "a-", &"a".repeat(51)] {
            let refused = namespace.apply(&manifest(namespace, name, json!({}))).await;
            let refusal = refused.err().with_context(|| format!("{name} is taken"))?.to_string();
            ensure!(
                refusal.contains("at most 50 characters of a-z, 0-9 and -") || refusal.contains("RFC 1123"),
                "{name}: {refusal}"
            );
        }
        Ok(())
    })
    .await
}

fn samples(folder: &str) -> anyhow::Result<Vec<(PathBuf, Value)>> {
    let read = |path: PathBuf| {
        let sample = serde_saphyr::from_str(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
        Ok((path, sample))
    };
    files(folder)?.into_iter().map(read).collect()
}

fn files(folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folder = environment::repository().join("crds/samples").join(folder);
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        paths.push(entry?.path());
    }
    paths.sort();
    ensure!(!paths.is_empty(), "no samples in {}", folder.display());
    Ok(paths)
}

/// The comment in the first line of an invalid sample.
fn expected_message(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path)?;
    let first = text.lines().next().and_then(|line| line.strip_prefix("# "));
    first.map(str::to_owned).context("the first line says what is wrong")
}
