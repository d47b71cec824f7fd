//! TLS towards a server of a source: ring, and the roots of the machine or those of one file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{
    CertificateDer,
    pem::{self, PemObject as _},
};

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with certificates cannot be read.
    #[error("cannot read the certificates in {path}: {source}")]
    ReadCaFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: pem::Error,
    },
    /// A certificate cannot be used.
    #[error("cannot use a certificate in {path}: {source}")]
    UseCaFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
    /// The file has no certificates.
    #[error("{0} has no certificates")]
    EmptyCaFile(PathBuf),
    /// The machine has no roots.
    #[error("the machine has no certificates that TLS could trust")]
    NoCertificates,
    /// The provider refuses the versions of TLS.
    #[error("cannot set TLS up: {0}")]
    SetUp(rustls::Error),
}

/// Settings for connections that trust `ca_file`, or the machine's roots where none is named.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let read = |source| TlsError::ReadCaFile { path: path.to_owned(), source };
        for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
            let added = roots.add(certificate.map_err(read)?);
            added.map_err(|source| TlsError::UseCaFile { path: path.to_owned(), source })?;
        }
        if roots.is_empty() {
            return Err(TlsError::EmptyCaFile(path.to_owned()));
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoCertificates);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::SetUp)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
