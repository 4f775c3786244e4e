//! The emulator's own certificate authority, kept between runs, and the certificate it signs for the CRM's hosts.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::hosts::CRM_DOMAINS;
use crate::persistence::private_file;

const CA_FILE: &str = "ca.pem";
const CA_KEY_FILE: &str = "ca-key.pem";

/// What is needed to answer TLS as any account of amoCRM.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The certificate clients have to trust.
    pub(crate) ca_file: PathBuf,
}

impl Tls {
    /// Loads the CA of a directory, or makes one, and signs a fresh server certificate with it.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory)
            .with_context(|| format!("{} cannot be made", directory.display()))?;
        let ca_file = directory.join(CA_FILE);
        let key = ca_key(directory, &ca_file)?;
        let issuer = Issuer::new(ca_params(), key);
        let leaf_key = KeyPair::generate()?;
        let leaf = leaf_params()?.signed_by(&leaf_key, &issuer)?;
        let key_der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        // A provider by name: a process-wide default would be the business of the program that uses this library.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key_der)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let ca_file = fs::canonicalize(&ca_file).unwrap_or(ca_file);
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            ca_file,
        })
    }
}

/// The CA's key. Its certificate is written with it, so that clients keep trusting the file they were given once.
fn ca_key(directory: &Path, ca_file: &Path) -> anyhow::Result<KeyPair> {
    let key_file = directory.join(CA_KEY_FILE);
    if key_file.exists() && ca_file.exists() {
        let pem = fs::read_to_string(&key_file)
            .with_context(|| format!("{} cannot be read", key_file.display()))?;
        return KeyPair::from_pem(&pem)
            .with_context(|| format!("{} is not a private key", key_file.display()));
    }
    let key = KeyPair::generate()?;
    let certificate = ca_params().self_signed(&key)?;
    let mut file = private_file(&key_file)
        .with_context(|| format!("{} cannot be written", key_file.display()))?;
    file.write_all(key.serialize_pem().as_bytes())?;
    fs::write(ca_file, certificate.pem())
        .with_context(|| format!("{} cannot be written", ca_file.display()))?;
    Ok(key)
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("amoCRM emulator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params);
    params
}

fn leaf_params() -> anyhow::Result<CertificateParams> {
    let mut names = vec!["localhost".to_owned()];
    for domain in CRM_DOMAINS {
        names.extend([domain.to_owned(), format!("*.{domain}")]);
    }
    let mut params = CertificateParams::new(names)?;
    params
        .subject_alt_names
        .push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    params
        .subject_alt_names
        .push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    params.distinguished_name = name("amoCRM emulator");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Strict verifiers (Python 3.13) insist on it.
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params);
    Ok(params)
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Wide enough for every machine's clock, and within UTCTime, which all parsers know.
fn set_validity(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
}
