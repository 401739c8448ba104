//! TLS, with rustls.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::poll_loop::PollLoop;
use super::socket::DriverIo;
use super::stream::{Stream, TlsBinding};
use super::url::{Checks, Encryption};
use super::{PgError, remedy};

/// Asks a server whether it speaks TLS.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Encrypts a connection on which nothing has been sent yet.
pub(super) fn open(
    mut end: DriverIo,
    name: &str,
    encryption: &Encryption,
    poll_loop: &PollLoop,
    deadline: Instant,
) -> Result<(Stream, TlsBinding), PgError> {
    let lost = |error| PgError::unreachable("the server closed the connection before TLS began", Some(error));
    let agreed = {
        let mut asking = pin!(async {
            end.write_all(&REQUEST).await?;
            end.read_u8().await
        });
        let answer = poll_loop.poll_until(deadline, |context| asking.as_mut().poll(context));
        answer.ok_or_else(remedy::silent)?.map_err(lost)? == b'S'
    };
    if !agreed && encryption.is_required() {
        return Err(PgError::misuse("the server does not speak TLS")
            .remedied("take `sslmode` out of the URL, or switch `ssl` on in the server"));
    }
    if !agreed {
        return Ok((Stream::Plain(end), TlsBinding::default()));
    }
    let connector = TlsConnector::from(Arc::new(configuration(encryption)?));
    let mut shaking = pin!(connector.connect(server_name(name), end));
    let shaken = poll_loop.poll_until(deadline, |context| shaking.as_mut().poll(context));
    let stream = shaken.ok_or_else(remedy::silent)?.map_err(|error| {
        PgError::unreachable("the TLS handshake failed", Some(error))
            .remedied("check `sslmode` and `sslrootcert` in the URL, and the server's certificate")
    })?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let to = certificate.and_then(|certificate| end_point(certificate));
    Ok((Stream::Encrypted(Box::new(stream)), TlsBinding { encrypted: true, to }))
}

/// The name that the server's certificate must have. A name that cannot be in a certificate becomes the unspecified
/// address, because TLS does not send addresses to the server.
fn server_name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned())
        .unwrap_or_else(|_| ServerName::from(std::net::IpAddr::from(std::net::Ipv4Addr::UNSPECIFIED)))
}

fn configuration(encryption: &Encryption) -> Result<ClientConfig, PgError> {
    let provider = Arc::new(provider::default_provider());
    let verifier = Verifier::new(encryption, Arc::clone(&provider))?;
    let wrong = |error: Error| PgError::misuse(format!("TLS cannot be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match (&encryption.certificate, &encryption.key) {
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
            builder.with_client_auth_cert(certificates(certificate)?, key).map_err(wrong)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, PgError> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(file, &error))?;
    certificates.collect::<Result<_, _>>().map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> PgError {
    PgError::misuse(format!("{} cannot be read: {error}", file.display()))
}

/// Checks the server's certificate as strictly as `sslmode` asks, by the rules of `psql`.
#[derive(Debug)]
struct Verifier {
    /// `None` accepts any certificate.
    chains: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(encryption: &Encryption, provider: Arc<CryptoProvider>) -> Result<Self, PgError> {
        let checks_name = encryption.checks == Checks::Name;
        let roots = match &encryption.roots {
            Some(file) if file != Path::new("system") => certificates(file)?,
            None if encryption.checks == Checks::Nothing => {
                return Ok(Self { chains: None, roots: Vec::new(), checks_name, provider });
            }
            _ => rustls_native_certs::load_native_certs().certs,
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let chains =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider)).build();
        let chains = chains
            .map_err(|error| PgError::misuse(format!("the root certificates cannot be used: {error}")))?;
        Ok(Self { chains: Some(chains), roots, checks_name, provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chains) = &self.chains else { return Ok(ServerCertVerified::assertion()) };
        match chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            // The server signed its own certificate, and that certificate is among the roots. The library has already
            // checked its dates, and refuses it only because it may also sign other certificates.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if self.roots.contains(end_entity) => {
                if self.checks_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The `tls-server-end-point` of RFC 5929: the hash of the certificate, by the hash function of the certificate's
/// signature.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (0x30, body, _) = der(certificate)? else { return None };
    let (_, _, after_content) = der(body)?;
    let (0x30, algorithm, _) = der(after_content)? else { return None };
    let (0x06, name, _) = der(algorithm)? else { return None };
    let function = match name {
        // RSA with MD5, SHA-1 and SHA-256, and ECDSA with SHA-1 and SHA-256. The RFC replaces MD5 and SHA-1 by
        // SHA-256.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4 | 5 | 11]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => &ring::digest::SHA256,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => {
            &ring::digest::SHA384
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => {
            &ring::digest::SHA512
        }
        // Other signatures have no hash function of their own, so there is nothing to bind to.
        _ => return None,
    };
    Some(ring::digest::digest(function, certificate).as_ref().to_vec())
}

/// Splits one DER value into its tag and its content, and returns the bytes after it as well.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = bytes else { return None };
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}
