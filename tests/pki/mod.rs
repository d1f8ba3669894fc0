//! Certificates for tests: a CA, what it signs, and the files that programs read them from.

/// What a certificate is for.
pub(crate) use rcgen::ExtendedKeyUsagePurpose as For;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A certificate authority.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
pub(crate) struct Leaf {
    /// The certificate.
    pub(crate) cert: String,
    /// The key.
    pub(crate) key: String,
}

/// When a certificate is valid, by this machine's clock.
#[derive(Clone, Copy)]
pub(crate) enum When {
    /// It has ended an hour ago.
    Ended,
    /// From an hour ago, for a day.
    Now,
    /// From an hour on.
    Soon,
}

impl Ca {
    /// A fresh one. Those of one name are two all the same, as of a CA whose key was replaced.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name, When::Now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its own certificate, PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs one for `name`.
    pub(crate) fn sign(&self, name: &str, purpose: For, when: When) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = params(name, when);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
        params.extended_key_usages = vec![purpose];
        Leaf {
            cert: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// A server's, valid now.
    pub(crate) fn server(&self, name: &str) -> Leaf {
        self.sign(name, For::ServerAuth, When::Now)
    }

    /// A client's, valid now.
    pub(crate) fn client(&self, name: &str) -> Leaf {
        self.sign(name, For::ClientAuth, When::Now)
    }
}

impl Leaf {
    /// Writes `{name}.pem` and `{name}.key`.
    pub(crate) fn store(&self, dir: &Path, name: &str) {
        replace(&dir.join(format!("{name}.key")), &self.key);
        replace(&dir.join(format!("{name}.pem")), &self.cert);
    }
}

/// As secret managers do: written beside, and moved over.
pub(crate) fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "certificates are of wall clocks")]
fn params(name: &str, when: When) -> CertificateParams {
    const HOUR: u64 = 3600;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    let (from, to) = match when {
        When::Ended => (now - 2 * HOUR, now - HOUR),
        When::Now => (now - HOUR, now + 24 * HOUR),
        When::Soon => (now + HOUR, now + 24 * HOUR),
    };
    let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (at(from), at(to));
    params
}
