//! Labels, and the selectors that match them.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Deserialize;
use serde_json::Value;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// The labels that stand in an object's metadata.
pub fn labels(metadata: &Value) -> anyhow::Result<Labels> {
    Ok(serde_json::from_value(metadata["labels"].clone())?)
}

/// A label selector. An empty one matches everything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    #[serde(default)]
    match_labels: Labels,
    #[serde(default)]
    match_expressions: Vec<Expression>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Selector {
    /// Whether these labels are selected.
    pub fn matches(&self, labels: &Labels) -> anyhow::Result<bool> {
        let mut all = self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        for expression in &self.match_expressions {
            all &= expression.matches(labels)?;
        }
        Ok(all)
    }
}

impl Expression {
    fn matches(&self, labels: &Labels) -> anyhow::Result<bool> {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        Ok(match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            other => bail!("a selector has no operator {other}"),
        })
    }
}
