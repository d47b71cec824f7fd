//! A `TradingAlgo`: what it asks for, and what it says.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    namespace::Namespace,
    object::{EVENT, Kind, Object, TRADING_ALGO, number, text, until_any},
};

/// A resource that was applied.
pub struct Algo<'a> {
    namespace: &'a Namespace,
    name: String,
    object: Object,
}

/// The manifest of an algorithm that buys for 1.23 at every quote on its namespace's channel, which its 10,000 pays 8,130
/// times, with `changes` merged into its spec.
pub fn manifest(namespace: &Namespace, name: &str, changes: Value) -> Value {
    let mut spec = json!({
        "algorithm": {"builtin": "random", "parameters": {"seed": 7}},
        // Above 0 is every draw but one in 2^53.
        "threshold": 0,
        "portfolio": {"policy": "fixed-amount", "amount": "1.23"},
        "channels": {"subscribe": [channel(namespace)]},
    });
    merge(&mut spec, changes);
    json!({
        "apiVersion": "intuition.dev/v1alpha1",
        "kind": "TradingAlgo",
        "metadata": {"name": name, "namespace": namespace.name()},
        "spec": spec,
    })
}

/// The channel of [`manifest`], which no other test publishes on.
pub fn channel(namespace: &Namespace) -> String {
    format!("quotes/{}", namespace.name())
}

/// JSON merge patch: objects are merged, `null` removes.
fn merge(target: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *target = changes;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), change);
        }
    }
}

impl<'a> Algo<'a> {
    /// Applies [`manifest`].
    pub async fn apply(namespace: &'a Namespace, name: &str, changes: Value) -> anyhow::Result<Self> {
        namespace.apply(&manifest(namespace, name, changes)).await?;
        Ok(Self::applied(namespace, name))
    }

    /// Applies [`manifest`] and waits until it trades.
    pub async fn start(namespace: &'a Namespace, name: &str, changes: Value) -> anyhow::Result<Self> {
        let algo = Self::apply(namespace, name, changes).await?;
        algo.is_ready().await?;
        Ok(algo)
    }

    /// One that was applied by other means.
    pub fn applied(namespace: &'a Namespace, name: &str) -> Self {
        Self::applied_as(namespace, TRADING_ALGO, name)
    }

    /// One of our kinds whose conditions are read in the same way.
    pub fn applied_as(namespace: &'a Namespace, kind: Kind, name: &str) -> Self {
        Self { namespace, name: name.to_owned(), object: namespace.object(kind, name) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub const fn namespace(&self) -> &'a Namespace {
        self.namespace
    }

    /// The resource.
    pub const fn object(&self) -> &Object {
        &self.object
    }

    /// Merges `changes` into its spec.
    pub async fn change(&self, changes: Value) -> anyhow::Result<()> {
        self.object.merge(&json!({"spec": changes})).await
    }

    /// Waits until it trades by its newest spec.
    pub async fn is_ready(&self) -> anyhow::Result<()> {
        self.shows("Ready", "True", "Trading").await.map(drop)
    }

    /// Waits until a condition has this status and reason for the newest spec, and gives its message.
    pub async fn shows(&self, condition: &str, status: &str, reason: &str) -> anyhow::Result<String> {
        let what = format!("{condition} is {status} because {reason}");
        self.until(&what, |algo| {
            let found = current(algo, condition)?;
            let right = text(found, "/status") == status && text(found, "/reason") == reason;
            right.then(|| text(found, "/message").to_owned())
        })
        .await
    }

    /// Waits until a condition has this status for the newest spec, and gives reason and message.
    pub async fn says(&self, condition: &str, status: &str) -> anyhow::Result<(String, String)> {
        self.until(&format!("{condition} is {status}"), |algo| {
            let found = current(algo, condition)?;
            let said = || (text(found, "/reason").to_owned(), text(found, "/message").to_owned());
            (text(found, "/status") == status).then(said)
        })
        .await
    }

    /// Waits until nothing is wrong or under way: every condition true, `Reconciling` and `Stalled` gone.
    pub async fn is_settled(&self) -> anyhow::Result<()> {
        self.is_ready().await?;
        self.until("every condition is true, none is abnormal", |algo| {
            let conditions = algo.pointer("/status/conditions")?.as_array()?;
            let fine = |condition: &Value| match text(condition, "/type") {
                "Reconciling" | "Stalled" => false,
                _ => text(condition, "/status") == "True",
            };
            conditions.iter().all(fine).then_some(())
        })
        .await
    }

    /// Waits until the runtime runs by its newest spec.
    pub async fn is_in_force(&self) -> anyhow::Result<()> {
        self.until("the newest generation is effective", |algo| {
            (number(algo, "/status/effectiveGeneration") == number(algo, "/metadata/generation")).then_some(())
        })
        .await
    }

    /// Waits until its account shows that many decisions, and gives `status.account`.
    pub async fn account(&self, decisions: i64) -> anyhow::Result<Value> {
        self.until(&format!("its account shows {decisions} decisions"), |algo| {
            let account = algo.pointer("/status/account")?;
            (number(account, "/decisions") == decisions).then(|| account.clone())
        })
        .await
    }

    /// Watches it, as long as it is there, until `probe` has an answer.
    pub async fn until<T>(&self, what: &str, mut probe: impl FnMut(&Value) -> Option<T>) -> anyhow::Result<T> {
        self.object.until(what, |algo| probe(algo?)).await
    }

    /// Its status.
    pub async fn status(&self) -> anyhow::Result<Value> {
        self.object.read().await?.get("status").cloned().with_context(|| format!("{} has no status", self.object))
    }

    /// Its uid.
    pub async fn uid(&self) -> anyhow::Result<String> {
        Ok(text(&self.object.read().await?, "/metadata/uid").to_owned())
    }

    /// Waits for an Event about it with this type and reason, and gives what it says.
    pub async fn event(&self, kind: &str, reason: &str) -> anyhow::Result<String> {
        let uid = self.uid().await?;
        let namespace = self.namespace;
        until_any(namespace.client(), EVENT, namespace.name(), "", |event| {
            let fits = text(event, "/regarding/uid") == uid && text(event, "/type") == kind;
            (fits && text(event, "/reason") == reason).then(|| text(event, "/note").to_owned())
        })
        .await
        .with_context(|| format!("no Event {kind} {reason} about {}", self.object))
    }

    /// The columns of `kubectl get ta`, by their titles.
    pub async fn columns(&self) -> anyhow::Result<Vec<(String, String)>> {
        let table = self.namespace.kubectl(&format!("get ta {}", self.name)).await?;
        let mut lines = table.lines().map(|line| line.split_whitespace().map(str::to_owned));
        let titles = lines.next().with_context(|| format!("no titles: {table}"))?;
        Ok(titles.zip(lines.next().with_context(|| format!("no line: {table}"))?).collect())
    }
}

/// The condition of a resource, if it speaks of the newest spec.
fn current<'a>(algo: &'a Value, condition: &str) -> Option<&'a Value> {
    let conditions = algo.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|found| text(found, "/type") == condition)?;
    (number(found, "/observedGeneration") == number(algo, "/metadata/generation")).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_merged_and_null_removes() {
        let mut spec = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut spec, json!({"a": {"b": null, "e": {"f": 3}}, "d": [2]}));
        assert_eq!(spec, json!({"a": {"c": 2, "e": {"f": 3}}, "d": [2]}));
    }
}
