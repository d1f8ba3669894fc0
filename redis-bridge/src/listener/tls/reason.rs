//! Why a handshake failed, as few words that a metric can have for a label.

use rustls::{AlertDescription, CertificateError, Error};
use std::io;

/// Every reason. Those that begin with `own_` are the client's word on our certificate, the others of
/// certificates are ours on the client's.
pub const REASONS: [&str; 11] = [
    "bad_certificate",
    "closed",
    "expired",
    "no_certificate",
    "not_yet_valid",
    "own_expired",
    "own_refused",
    "own_unknown_ca",
    "protocol",
    "timeout",
    "unknown_ca",
];

/// Whether it is of certificates, and no mere noise of a network: scanners, probes, clients that left.
pub(super) fn is_of_certificates(reason: &str) -> bool {
    !matches!(reason, "closed" | "protocol" | "timeout")
}

/// The reason of what an accept returned.
pub(super) fn of(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match (inner, error.kind()) {
        (Some(error), _) => of_tls(error),
        (None, io::ErrorKind::TimedOut) => "timeout",
        (None, _) => "closed",
    }
}

fn of_tls(error: &Error) -> &'static str {
    match error {
        Error::NoCertificatesPresented => "no_certificate",
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateExpired => "own_expired",
            AlertDescription::UnknownCA => "own_unknown_ca",
            AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate => "own_refused",
            _ => "protocol",
        },
        _ => "protocol",
    }
}

fn of_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "not_yet_valid"
        }
        // A CA that was replaced by one of the same name did not sign it either.
        CertificateError::BadSignature | CertificateError::UnknownIssuer => "unknown_ca",
        _ => "bad_certificate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_known_and_told_from_noise() {
        let tls = |error| of(&io::Error::new(io::ErrorKind::InvalidData, error));
        let cert = |error| tls(Error::InvalidCertificate(error));
        let alert = |alert| tls(Error::AlertReceived(alert));
        let found = [
            tls(Error::NoCertificatesPresented),
            cert(CertificateError::Expired),
            cert(CertificateError::NotValidYet),
            cert(CertificateError::UnknownIssuer),
            cert(CertificateError::BadSignature),
            cert(CertificateError::InvalidPurpose),
            alert(AlertDescription::CertificateExpired),
            alert(AlertDescription::UnknownCA),
            alert(AlertDescription::CertificateUnknown),
        ];
        assert!(found.iter().all(|reason| is_of_certificates(reason)));
        let noise = [
            alert(AlertDescription::ProtocolVersion),
            tls(Error::DecryptError),
            of(&io::ErrorKind::TimedOut.into()),
            of(&io::ErrorKind::UnexpectedEof.into()),
            of(&io::ErrorKind::ConnectionReset.into()),
        ];
        assert!(!noise.iter().any(|reason| is_of_certificates(reason)));
        let mut all: Vec<_> = found.iter().chain(&noise).copied().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all, REASONS);
    }
}
