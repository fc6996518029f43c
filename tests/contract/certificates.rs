//! A certificate authority of the tests' own, made anew for each test that needs one.

use native_tls::{Identity, TlsAcceptor};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// What a TLS server and its trusting client need.
pub(crate) struct Certificates {
    /// For the server: a certificate for the names given, signed by the authority.
    pub(crate) acceptor: TlsAcceptor,
    /// For the client: the authority's certificate as PEM, the content of an `SSL_CERT_FILE`.
    pub(crate) authority_pem: String,
}

/// Makes an authority and a certificate of it for these names (addresses are names, too).
pub(crate) fn certificates_for(names: &[&str]) -> Certificates {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "authority of a test");
    let authority_pem = authority.self_signed(&authority_key).expect("a certificate").pem();
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let parameters = CertificateParams::new(names).expect("names");
    let certificate = parameters.signed_by(&key, &issuer).expect("a certificate");
    let identity =
        Identity::from_pkcs8(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())
            .expect("an identity");
    Certificates { acceptor: TlsAcceptor::new(identity).expect("an acceptor"), authority_pem }
}
