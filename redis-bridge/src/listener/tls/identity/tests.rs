use super::*;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::path::PathBuf;

struct Made {
    cert: String,
    key: String,
}

/// A certificate that signs itself, for the years `from` to `to`.
fn made(from: i32, to: i32) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["bridge".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    Made {
        cert: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

fn read(cert: &str, key: &str, ca: Option<&str>) -> Result<Identity, TlsError> {
    let dir = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Identity::read(&CertificateFiles {
        cert: Some(written("cert.pem", cert)),
        key: Some(written("key.pem", key)),
        ca: ca.map(|ca| written("ca.pem", ca)),
    })
}

#[test]
fn of_a_chain_the_first_end_counts_and_of_cas_the_last() {
    let (long, short, shorter) = (made(2020, 2100), made(2021, 2090), made(2020, 2080));
    let chain = format!("{}{}", long.cert, short.cert);
    let cas = format!("{}{}", shorter.cert, short.cert);
    let identity = read(&chain, &long.key, Some(&cas)).unwrap();
    let year = |year| date_time_ymd(year, 1, 1).unix_timestamp().cast_unsigned();
    assert_eq!(identity.not_after_s(), year(2090));
    assert_eq!(identity.own.not_before_s, year(2021));
    assert_eq!(identity.ca_not_after_s(), Some(year(2090)));
    assert_eq!(identity.valid(), Ok(()));
    let alone = read(&long.cert, &long.key, None).unwrap();
    assert_eq!(alone.ca_not_after_s(), None);
    assert!(alone != identity);
    for (from, to) in [(2000, 2010), (2100, 2110)] {
        let made = made(from, to);
        let identity = read(&made.cert, &made.key, None).unwrap();
        assert!(matches!(identity.valid(), Err(TlsError::NotNow { .. })));
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_its_file() {
    let (ours, other) = (made(2020, 2100), made(2020, 2100));
    let half = &ours.cert[..ours.cert.len() / 2];
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (cert, key, ca, file) in [
        ("", ours.key.as_str(), None, "cert.pem"),
        (half, &ours.key, None, "cert.pem"),
        (garbage, &ours.key, None, "cert.pem"),
        (&ours.key, &ours.key, None, "cert.pem"),
        (&ours.cert, "", None, "key.pem"),
        (&ours.cert, &ours.cert, None, "key.pem"),
        // Half of a rotation: the certificate is there, and the old key.
        (&ours.cert, &other.key, None, "cert.pem"),
        (&ours.cert, &ours.key, Some(""), "ca.pem"),
        (&ours.cert, &ours.key, Some(half), "ca.pem"),
        (&ours.cert, &ours.key, Some(garbage), "ca.pem"),
    ] {
        let error = read(cert, key, ca).unwrap_err().to_string();
        assert!(error.contains(&format!("{file}: ")), "{error}");
    }
}

#[test]
fn nothing_of_a_key_is_printed() {
    let made = made(2020, 2100);
    let identity = read(&made.cert, &made.key, None).unwrap();
    let secret = made.key.lines().nth(1).unwrap();
    assert!(!format!("{identity:?}").contains(secret));
}
