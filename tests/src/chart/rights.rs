//! What roles allow, one line for each resource.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;

/// The rules of a role as `group/resource: verbs`, the verbs sorted; with the names where a rule has some:
/// `group/resource[name]: verbs`.
pub fn allowed(role: &Value) -> anyhow::Result<BTreeSet<String>> {
    let mut lines = BTreeSet::new();
    for rule in role["rules"].as_array().context("a role without rules")? {
        let names = match &rule["resourceNames"] {
            Value::Null => String::new(),
            _ => format!("[{}]", texts(rule, "resourceNames")?.join(" ")),
        };
        let verbs: BTreeSet<_> = texts(rule, "verbs")?.into_iter().collect();
        let verbs: Vec<_> = verbs.into_iter().collect();
        for group in texts(rule, "apiGroups")? {
            for resource in texts(rule, "resources")? {
                lines.insert(format!("{group}/{resource}{names}: {}", verbs.join(" ")));
            }
        }
    }
    Ok(lines)
}

fn texts<'a>(rule: &'a Value, key: &str) -> anyhow::Result<Vec<&'a str>> {
    let list = rule[key].as_array().with_context(|| format!("a rule without {key}: {rule}"))?;
    list.iter().map(|item| item.as_str().context("a rule of texts")).collect()
}
