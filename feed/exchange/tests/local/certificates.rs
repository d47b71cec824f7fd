//! Certificates by openssl, as an authority of a company makes them.

use std::{fs, path::Path, process::Command};

/// Makes `ca.crt` and, signed by it, `server.crt` with `server.key` for 127.0.0.1.
pub(crate) fn make(directory: &Path) {
    fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for command in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days 2",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=exchange",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -days 2 -out server.crt",
    ] {
        let output = Command::new("openssl").args(command.split(' ')).current_dir(directory).output();
        let output = output.expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
