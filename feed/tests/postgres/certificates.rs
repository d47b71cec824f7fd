//! Certificates by openssl, as an authority of a company makes them.

use std::{fs, path::Path, process::Command};

/// Makes an authority with the name of the folder: `ca.crt` and, signed by it, `server.crt` with `server.key` for 127.0.0.1.
pub(crate) fn make(directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let name = directory.file_name().unwrap().to_string_lossy();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for command in [
        format!("req -x509 {key} -keyout ca.key -out ca.crt -subj /CN={name} -days 2"),
        format!("req {key} -keyout server.key -out server.csr -subj /CN=database"),
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -days 2 -out server.crt"
            .to_owned(),
    ] {
        let made = Command::new("openssl").args(command.split(' ')).current_dir(directory).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}
