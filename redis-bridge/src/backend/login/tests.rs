use super::*;
use std::path::PathBuf;

fn source(ca: Option<PathBuf>, cert: Option<PathBuf>, key: Option<PathBuf>) -> Source {
    Source {
        user: "TIDEGATE_TEST_NO_SUCH_USER",
        password: "TIDEGATE_TEST_NO_SUCH_PASSWORD",
        files: CertificateFiles { ca, cert, key },
    }
}

#[test]
fn what_is_no_certificate_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    for text in [
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!!\n",
    ] {
        std::fs::write(&path, text).unwrap();
        let error = source(Some(path.clone()), None, None).read().unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with(&path.display().to_string()), "{told}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(source(Some(path.clone()), None, None).read().is_err());
    let half = source(None, Some(path), None).read();
    assert_eq!(half, Err(LoginError::Half));
}

#[test]
fn nothing_of_it_is_printed() {
    let login = Login {
        user: Some(Secret::new("canary")),
        password: Some(Secret::new("canary")),
        certificates: Certificates {
            ca: Some(b"canary".to_vec()),
            ours: Some((b"canary".to_vec(), b"canary".to_vec())),
        },
        tls: true,
    };
    assert!(!format!("{login:?}").contains("canary"));
}
