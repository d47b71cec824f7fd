//! Rendering the chart.

use serde_json::Value;

use super::{
    cluster::Cluster,
    rendered::Rendered,
    tools::{self, Ended},
};

/// Folder of the chart, from the root of the repository.
pub const CHART: &str = "charts/intuition";

/// A release to render: its name, namespace, values, and what the cluster knows beyond Kubernetes itself.
#[derive(Debug, Clone)]
pub struct Release {
    helm: &'static str,
    chart: String,
    name: String,
    namespace: String,
    values: Value,
    kubernetes: String,
    apis: Vec<String>,
    is_upgrade: bool,
    /// The kubeconfig of the cluster that the chart looks things up in.
    kubeconfig: Option<String>,
}

impl Default for Release {
    fn default() -> Self {
        Self {
            helm: "helm",
            chart: CHART.to_owned(),
            name: "intuition".to_owned(),
            namespace: "intuition-system".to_owned(),
            values: Value::Null,
            // A helm built from its module takes itself to be in an old one.
            kubernetes: "v1.33.0".to_owned(),
            apis: Vec::new(),
            is_upgrade: false,
            kubeconfig: None,
        }
    }
}

impl Release {
    /// The release `intuition` in `intuition-system`, with the chart's values changed by `values`.
    pub fn with(values: Value) -> Self {
        Self { values, ..Self::default() }
    }

    /// Another name, another namespace.
    #[must_use]
    pub fn called(self, name: &str, namespace: &str) -> Self {
        Self { name: name.to_owned(), namespace: namespace.to_owned(), ..self }
    }

    /// In a cluster that knows this API, such as `monitoring.coreos.com/v1`.
    #[must_use]
    pub fn knowing(mut self, api: &str) -> Self {
        self.apis.push(api.to_owned());
        self
    }

    /// In a cluster of this version of Kubernetes.
    #[must_use]
    pub fn on(self, kubernetes: &str) -> Self {
        Self { kubernetes: kubernetes.to_owned(), ..self }
    }

    /// As the upgrade of a release that is there.
    #[must_use]
    pub fn upgraded(self) -> Self {
        Self { is_upgrade: true, ..self }
    }

    /// In a cluster that the chart looks things up in. By Helm 3: Helm 4 asks the cluster for more than `lookup` does.
    #[must_use]
    pub fn in_cluster(self, cluster: &Cluster) -> Self {
        Self { helm: "helm3", kubeconfig: Some(cluster.kubeconfig()), ..self }
    }

    /// By Helm 3.
    #[must_use]
    pub fn by_helm_3(self) -> Self {
        Self { helm: "helm3", ..self }
    }

    /// From another folder, or a package.
    #[must_use]
    pub fn of(self, chart: &str) -> Self {
        Self { chart: chart.to_owned(), ..self }
    }

    /// The values that it sets.
    pub fn values(&self) -> &Value {
        &self.values
    }

    /// What `helm template` makes of it, right or wrong.
    pub fn template(&self) -> anyhow::Result<Ended> {
        let values = self.values.to_string();
        let mut arguments = vec!["template", &self.name, &self.chart, "--namespace", &self.namespace, "--values", "-"];
        arguments.extend(["--kube-version", &self.kubernetes]);
        if self.is_upgrade {
            arguments.push("--is-upgrade");
        }
        if let Some(kubeconfig) = &self.kubeconfig {
            arguments.extend(["--dry-run=server", "--kubeconfig", kubeconfig]);
        }
        for api in &self.apis {
            arguments.extend(["--api-versions", api]);
        }
        tools::run(self.helm, &arguments, if self.values.is_null() { "{}" } else { &values })
    }

    /// What `helm install` would say to its user.
    pub fn notes(&self) -> anyhow::Result<String> {
        let values = if self.values.is_null() { "{}".to_owned() } else { self.values.to_string() };
        let arguments =
            ["install", &self.name, &self.chart, "--namespace", &self.namespace, "--dry-run=client", "--values", "-"];
        let output = tools::run(self.helm, &arguments, &values)?.successful()?;
        Ok(output.split_once("\nNOTES:\n").map(|(_, notes)| notes.to_owned()).unwrap_or_default())
    }

    /// The objects.
    pub fn render(&self) -> anyhow::Result<Rendered> {
        Rendered::parse(&self.template()?.successful()?)
    }
}
