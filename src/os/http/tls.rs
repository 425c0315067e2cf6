//! TLS of the client: whom it trusts.
//!
//! Owns the two ways to connect, made at the first use: with the certificates of the system, and with any.

use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::HttpError;

/// Speaks TLS over this connection; `name` is who the certificate has to be for.
pub(super) async fn wrap(
    stream: TcpStream,
    name: &str,
    verify: bool,
) -> Result<TlsStream<TcpStream>, HttpError> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| HttpError::NotSendable)?;
    let config = if verify { trusting().await } else { gullible() };
    let config = config.map_err(HttpError::Tls)?;
    let connecting = TlsConnector::from(config).connect(name, stream);
    connecting.await.map_err(|error| HttpError::of_tls(&error))
}

type Made = Result<Arc<ClientConfig>, String>;

static TRUSTING: OnceLock<Made> = OnceLock::new();
static GULLIBLE: OnceLock<Made> = OnceLock::new();

/// Trusts whom the system trusts.
async fn trusting() -> Made {
    if let Some(made) = TRUSTING.get() {
        return made.clone();
    }
    // Some hundred certificates are read from a disk: not where others wait.
    let made = tokio::task::spawn_blocking(|| TRUSTING.get_or_init(read_certificates).clone());
    made.await
        .unwrap_or_else(|_| Err("the daemon is ending".to_owned()))
}

fn read_certificates() -> Made {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let reason = found.errors.first().map(|error| format!(" ({error})"));
        return Err(format!(
            "this host has no certificates to trust{}; install `ca-certificates` and restart buoy",
            reason.unwrap_or_default()
        ));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// Trusts everybody: `verify = false`.
fn gullible() -> Made {
    let make = || {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)));
        Ok(Arc::new(builder.with_no_client_auth()))
    };
    GULLIBLE.get_or_init(make).clone()
}

/// Any certificate will do; that the other side has its key is verified all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
