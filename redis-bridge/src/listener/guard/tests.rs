use super::*;
use crate::secrets::Secret;
use http::HeaderName;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

#[test]
fn browsers_are_refused() {
    for (field, status) in [
        (("origin", "https://evil.example"), 403),
        (("origin", "null"), 403),
        (("sec-fetch-site", "same-origin"), 403),
        (("sec-fetch-mode", "no-cors"), 403),
        (("content-type", "text/plain"), 415),
        (("content-type", "Text/Plain;charset=UTF-8"), 415),
        (("content-type", "multipart/form-data; boundary=x"), 415),
    ] {
        let refused = refuse_browsers(&headers(&[field])).unwrap_err();
        assert_eq!(refused.status.as_u16(), status, "{field:?}");
    }
    for field in [
        ("content-type", "application/grpc"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", "curl/8"),
    ] {
        refuse_browsers(&headers(&[field])).unwrap();
    }
}

#[test]
fn two_credentials_are_none() {
    let credential = Credential::new(&Secret::new("right"));
    authorize(&headers(&[("authorization", "Bearer right")]), &credential).unwrap();
    for fields in [
        &[][..],
        &[("authorization", "Bearer righ")],
        &[
            ("authorization", "Bearer right"),
            ("authorization", "Bearer right"),
        ],
    ] {
        let refused = authorize(&headers(fields), &credential).unwrap_err();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
}
