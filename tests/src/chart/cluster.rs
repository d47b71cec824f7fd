//! What helm's `lookup` finds in a cluster: the answers of an API server that holds one `ConfigMap`. A chart is rendered without
//! a real one, and `lookup` only reads.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// See the module. Ends with its value.
pub struct Cluster {
    folder: TempDir,
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Cluster {
    /// One where the operator's `ConfigMap` has this text as `settings.yaml`.
    pub fn with_settings(namespace: &str, name: &str, settings: &str) -> anyhow::Result<Self> {
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": {"settings.yaml": settings},
        });
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let server = thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                // A client that went away needs no answer.
                drop(stream.and_then(|stream| serve(&stream, &path, &map)));
            }
        });
        let folder = tempfile::tempdir()?;
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string())?;
        Ok(Self { folder, address, is_over, server: Some(server) })
    }

    /// Path of the kubeconfig by which it is reached.
    pub fn kubeconfig(&self) -> String {
        self.folder.path().join("kubeconfig").display().to_string()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the server, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if let Some(server) = self.server.take() {
            drop(server.join());
        }
    }
}

/// Answers one request and closes the connection.
fn serve(stream: &TcpStream, path: &str, map: &Value) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let asked = request.split(' ').nth(1).unwrap_or_default();
    let asked = asked.split('?').next().unwrap_or_default();
    let resource = |name: &str, kind: &str| json!({"name": name, "kind": kind, "namespaced": true, "verbs": ["get"]});
    let (status, body) = match asked {
        "/api/v1" => {
            let resources = [resource("configmaps", "ConfigMap"), resource("secrets", "Secret")];
            ("200 OK", json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": resources}))
        }
        "/api" => ("200 OK", json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => ("200 OK", json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})),
        "/version" => ("200 OK", json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0"})),
        asked if asked == path => ("200 OK", map.clone()),
        _ => {
            let status =
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
            ("404 Not Found", status)
        }
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.shutdown(Shutdown::Write)
}
