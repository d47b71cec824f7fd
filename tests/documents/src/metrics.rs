//! Metrics: those of a table, and those that a registry shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::{Table, codes, page, section};

/// A table that differs from the registry.
#[derive(Debug)]
pub enum Drift {
    /// The page cannot be read.
    ReadPage(io::Error),
    /// The metrics, or the labels of one, differ.
    Labels {
        /// Of the table.
        documented: Labels,
        /// Of the registry.
        shown: Labels,
    },
    /// The values of a metric's labels differ.
    Values {
        /// Name of the metric.
        metric: String,
        /// The codes in its description.
        documented: BTreeSet<String>,
        /// The values in the registry.
        shown: BTreeSet<String>,
    },
}

/// Compares the metrics with a prefix in the table of docs/operations.md with a page of `/metrics` in the format `OpenMetrics`, on
/// which every family has a series. `fixed`: metrics, with their labels that have the codes of the description as values.
pub fn compare(text: &str, prefix: &str, fixed: &[(&str, &[&str])]) -> Result<(), Drift> {
    let documented = Documented::read(&page("docs/operations.md").map_err(Drift::ReadPage)?, prefix);
    let shown = Shown::read(text);
    if documented.labels != shown.labels {
        return Err(Drift::Labels { documented: documented.labels, shown: shown.labels });
    }
    for (metric, labels) in fixed {
        let documented = documented.codes.get(*metric).cloned().unwrap_or_default();
        let shown: BTreeSet<_> = labels.iter().flat_map(|label| shown.values(metric, label)).cloned().collect();
        if documented != shown {
            return Err(Drift::Values { metric: (*metric).to_owned(), documented, shown });
        }
    }
    Ok(())
}

/// The labels of each metric, by the metric's name as queries use it.
pub type Labels = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug, Default)]
struct Documented {
    labels: Labels,
    /// The codes in the description of each metric: values of labels, and other words.
    codes: BTreeMap<String, BTreeSet<String>>,
}

impl Documented {
    fn read(page: &str, prefix: &str) -> Self {
        let mut documented = Self::default();
        let tables = Table::all(section(page, "## Metrics"));
        for row in tables.iter().flat_map(Table::rows) {
            let [metrics, description] = row.as_slice() else { continue };
            for metric in codes(metrics).filter(|metric| metric.starts_with(prefix)) {
                let (name, labels) = metric.trim_end_matches('}').split_once('{').unwrap_or((metric, ""));
                let labels = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect();
                documented.labels.insert(name.to_owned(), labels);
                documented.codes.insert(name.to_owned(), codes(description).map(str::to_owned).collect());
            }
        }
        documented
    }
}

#[derive(Debug, Default)]
struct Shown {
    labels: Labels,
    /// The values of each metric and label.
    values: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Shown {
    fn read(page: &str) -> Self {
        let mut shown = Self::default();
        let mut name = String::new();
        for line in page.lines() {
            if let Some((metric, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                name = if kind == "counter" { format!("{metric}_total") } else { metric.to_owned() };
                shown.labels.entry(name.clone()).or_default();
            } else if !line.starts_with('#') {
                let pairs =
                    line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(pairs, _)| pairs);
                for (label, value) in pairs.split(',').filter_map(|pair| pair.split_once('=')) {
                    // The bucket of a histogram.
                    if label != "le" {
                        shown.labels.entry(name.clone()).or_default().insert(label.to_owned());
                        let values = shown.values.entry((name.clone(), label.to_owned())).or_default();
                        values.insert(value.trim_matches('"').to_owned());
                    }
                }
            }
        }
        shown
    }

    fn values(&self, metric: &str, label: &str) -> impl Iterator<Item = &String> {
        self.values.get(&(metric.to_owned(), label.to_owned())).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_and_page_are_compared_by_name_and_labels() {
        let page = "\n## Metrics\n\n| Metric | |\n|---|---|\n| `a_ticks_total{outcome}` | `decided`, `denied` |\n| `a_x`, `b_y` | |\n";
        let documented = Documented::read(page, "a_");
        let shown = Shown::read(
            "# HELP a_ticks Ticks.\n# TYPE a_ticks counter\na_ticks_total{outcome=\"decided\"} 1\n\
             a_ticks_total{outcome=\"denied\"} 2\n# TYPE a_x histogram\na_x_sum 1.0\na_x_bucket{le=\"+Inf\"} 1\n# EOF\n",
        );
        assert_eq!(documented.labels, shown.labels);
        assert_eq!(documented.labels.keys().collect::<Vec<_>>(), ["a_ticks_total", "a_x"]);
        assert!(documented.codes["a_ticks_total"].iter().eq(shown.values("a_ticks_total", "outcome")));
        assert_eq!(shown.values("a_ticks_total", "outcome").collect::<Vec<_>>(), ["decided", "denied"]);
    }

    #[test]
    fn drift_is_in_a_metric_or_in_a_value() {
        let drift = |text: &str, fixed: &[(&str, &[&str])]| compare(text, "tradingalgo_operator_watch", fixed).err();
        let text = "# TYPE tradingalgo_operator_watch_errors counter\ntradingalgo_operator_watch_errors_total 0\n";
        assert!(drift(text, &[]).is_none());
        assert!(matches!(drift("", &[]), Some(Drift::Labels { .. })));
        let labelled = text.replace("total 0", "total{kind=\"a\"} 0");
        assert!(matches!(drift(&labelled, &[]), Some(Drift::Labels { .. })));
        let errors = "# TYPE tradingalgo_operator_reconcile_errors counter\n\
                      tradingalgo_operator_reconcile_errors_total{reason=\"Apply\"} 1\n";
        let (metric, prefix) = ("tradingalgo_operator_reconcile_errors_total", "tradingalgo_operator_reconcile_errors");
        assert!(matches!(compare(errors, prefix, &[(metric, &["reason"])]), Err(Drift::Values { .. })));
    }
}
