//! Brokers in the cluster: the way to the chart's from here, and one that a test may break.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    environment,
    forward::Forward,
    installation,
    namespace::Namespace,
    object::{CONFIG_MAP, DEPLOYMENT, Kind, POD, SERVICE, text},
    shell,
};
use crate::mqtt::Login;

const PORT: u16 = 1883;
const NAME: &str = "broker";
/// The user of a broker that wants one.
pub const USER: &str = "trader";

/// A way to a broker, and who we are there.
pub struct Access {
    forward: Forward,
    login: Login,
}

impl Access {
    /// To the chart's broker, as the chart's user.
    pub async fn to_default() -> anyhow::Result<Self> {
        let login = installation::broker_login().await?;
        let forward = Forward::start(installation::NAMESPACE, installation::BROKER_SERVICE, PORT)?;
        Ok(Self { forward, login: Some(login) })
    }

    /// The port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.forward.port()
    }

    /// The user.
    pub const fn login(&self) -> &Login {
        &self.login
    }
}

/// A mosquitto in the test's namespace, which forgets everything when it ends.
pub struct Broker<'a> {
    namespace: &'a Namespace,
    password: Option<String>,
    /// Access rules, in the form of mosquitto's `acl_file`.
    rules: Option<String>,
}

impl<'a> Broker<'a> {
    /// One that lets everybody in.
    pub async fn start(namespace: &'a Namespace) -> anyhow::Result<Self> {
        Self::run(Self { namespace, password: None, rules: None }).await
    }

    /// One without logins, with these access rules.
    pub async fn start_with_rules(namespace: &'a Namespace, rules: &str) -> anyhow::Result<Self> {
        Self::run(Self { namespace, password: None, rules: Some(rules.to_owned()) }).await
    }

    /// One that lets in only [`USER`] with this password.
    pub async fn start_with_password(namespace: &'a Namespace, password: &str) -> anyhow::Result<Self> {
        Self::run(Self { namespace, password: Some(password.to_owned()), rules: None }).await
    }

    async fn run(self) -> anyhow::Result<Self> {
        for manifest in self.manifests() {
            self.namespace.apply(&manifest).await?;
        }
        self.is_ready().await?;
        Ok(self)
    }

    /// Gives the running broker other access rules. It keeps its connections.
    pub async fn change_rules(&self, rules: &str) -> anyhow::Result<()> {
        let deployment = format!("deployment/{NAME}");
        let exec = ["--namespace", self.namespace.name(), "exec", "--stdin", &deployment, "--"];
        let reload = ["/bin/sh", "-c", "cat > /tmp/rules && kill -HUP 1"];
        shell::feed("kubectl", &[exec.as_slice(), &reload].concat(), rules).await.map(drop)
    }

    /// What `spec.broker.url` is to say.
    pub fn url(&self) -> String {
        format!("mqtt://{NAME}.{}.svc:{PORT}", self.namespace.name())
    }

    /// The way to it from here.
    pub fn access(&self) -> anyhow::Result<Access> {
        let login = self.password.as_ref().map(|password| (USER.to_owned(), password.clone()));
        Ok(Access { forward: Forward::start(self.namespace.name(), &format!("service/{NAME}"), PORT)?, login })
    }

    /// Kills its pod, with all that it held; another takes its place.
    pub async fn kill(&self) -> anyhow::Result<()> {
        let pods = self.namespace.list(POD, &format!("app={NAME}")).await?;
        for pod in &pods {
            self.namespace.object(POD, text(pod, "/metadata/name")).kill().await?;
        }
        Ok(())
    }

    /// Runs that many of it: 0 or 1.
    pub async fn scale(&self, replicas: u8) -> anyhow::Result<()> {
        self.namespace.object(DEPLOYMENT, NAME).merge(&json!({"spec": {"replicas": replicas}})).await
    }

    /// Waits until it takes connections.
    pub async fn is_ready(&self) -> anyhow::Result<()> {
        let deployment = self.namespace.object(DEPLOYMENT, NAME);
        deployment
            .until("runs", |deployment| {
                let ready = deployment?.pointer("/status/readyReplicas").and_then(Value::as_i64);
                (ready == Some(1)).then_some(())
            })
            .await
            .context("the test's broker")
    }

    fn manifests(&self) -> [Value; 3] {
        let mut settings = format!("listener {PORT}\nmax_queued_messages 0\nset_tcp_nodelay true\n");
        let mut start = "exec /usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf".to_owned();
        if let Some(password) = &self.password {
            settings.push_str("allow_anonymous false\npassword_file /tmp/passwords\n");
            start = format!("umask 077; mosquitto_passwd -c -b /tmp/passwords {USER} {password} && {start}");
        } else {
            settings.push_str("allow_anonymous true\n");
        }
        if self.rules.is_some() {
            settings.push_str("acl_file /tmp/rules\n");
            start = format!("umask 077; cat /etc/mosquitto/rules > /tmp/rules && {start}");
        }
        let deployment = json!({
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": NAME}},
            "template": {"metadata": {"labels": {"app": NAME}}, "spec": pod(&start)},
        });
        [
            manifest(
                "v1",
                CONFIG_MAP,
                "data",
                &json!({"mosquitto.conf": settings, "rules": self.rules.as_deref().unwrap_or_default()}),
            ),
            manifest("v1", SERVICE, "spec", &json!({"selector": {"app": NAME}, "ports": [{"port": PORT}]})),
            manifest("apps/v1", DEPLOYMENT, "spec", &deployment),
        ]
    }
}

fn manifest(version: &str, kind: Kind, member: &str, content: &Value) -> Value {
    let metadata = json!({"name": NAME, "labels": {"app": NAME}});
    json!({"apiVersion": version, "kind": kind.name, "metadata": metadata, member: content})
}

fn pod(start: &str) -> Value {
    json!({
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": NAME,
            "image": environment::image("mosquitto"),
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", start],
            "ports": [{"containerPort": PORT}],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "config", "mountPath": "/etc/mosquitto"},
                {"name": "tmp", "mountPath": "/tmp"},
            ],
        }],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}, {"name": "tmp", "emptyDir": {}}],
    })
}
