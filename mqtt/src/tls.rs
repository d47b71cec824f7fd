//! TLS towards the broker: ring, the roots of the machine or those of one file.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::LinkError;

/// Settings for a TLS connection that trusts `ca_file`, or the machine's roots where none is named.
pub(super) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, LinkError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let read = |source| LinkError::ReadCaFile { path: path.to_owned(), source };
        for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
            let added = roots.add(certificate.map_err(read)?);
            added.map_err(|source| LinkError::UseCaFile { path: path.to_owned(), source })?;
        }
        if roots.is_empty() {
            return Err(LinkError::EmptyCaFile(path.to_owned()));
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(LinkError::NoCertificates);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(LinkError::SetUpTls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
