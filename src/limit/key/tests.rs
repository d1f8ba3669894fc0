use super::*;
use crate::limit::client_ip::Client;
use crate::limit::subject;
use crate::policy::ClientIp;
use proptest::prelude::*;

fn client(address: &str) -> ClientKey {
    let rule = ClientIp {
        prefix_v4: 32,
        prefix_v6: 64,
        trusted_hops: 0,
    };
    Client::find(&rule, address.as_bytes(), core::iter::empty())
        .unwrap()
        .key()
}

fn header(name: &str) -> KeyPart {
    KeyPart::Header(name.to_owned())
}

fn cookie_part(name: &str) -> KeyPart {
    KeyPart::Cookie(name.to_owned())
}

fn query(name: &str) -> KeyPart {
    KeyPart::Query(name.to_owned())
}

#[test]
fn each_part_is_read_from_its_place() {
    let headers = Headers::from_pairs([
        ("x-key", "one"),
        ("cookie", "a=1; lang=de"),
        ("x-key", "two"),
        ("x-empty", ""),
        ("cookie", "lang=en"),
    ]);
    let request = RequestView {
        method: b"POST",
        host: b"Shop.Example:8080",
        path: b"/cart?item=7",
        headers: &headers,
        client_ip: Some(client("1.2.3.4:5")),
        route: Some("carts"),
        session: Some(SessionKey {
            user: &[1; 12],
            id: &[2; 15],
        }),
    };
    let table: [(KeyPart, &[u8]); 12] = [
        (KeyPart::ClientIp, &[1, 2, 3, 4]),
        (cookie_part("a"), b"1"),
        (cookie_part("lang"), b"de; en"),
        (header("x-key"), b"one, two"),
        (header("x-empty"), b""),
        (KeyPart::Host, b"shop.example"),
        (KeyPart::Literal("all".to_owned()), b"all"),
        (KeyPart::Method, b"POST"),
        (KeyPart::Path, b"/cart"),
        (query("item"), b"7"),
        (KeyPart::Route, b"carts"),
        (KeyPart::SessionUser, &[1; 12]),
    ];
    for (part, value) in &table {
        assert_eq!(
            resolve(core::slice::from_ref(part), &request),
            Ok(subject(&[value])),
            "{part:?}"
        );
    }
    assert_eq!(
        resolve(&[KeyPart::SessionId], &request),
        Ok(subject(&[&[2; 15]]))
    );
    let (parts, values): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    assert_eq!(resolve(&parts, &request), Ok(subject(&values)));
}

#[test]
fn a_part_the_request_lacks_is_named() {
    let headers = Headers::from_pairs([("x-other", "1"), ("cookie", "other=1; x")]);
    let request = RequestView {
        method: b"GET",
        host: b"",
        path: b"/?y=1",
        headers: &headers,
        client_ip: None,
        route: None,
        session: None,
    };
    for (part, text) in [
        (KeyPart::ClientIp, "no client address"),
        (cookie_part("x"), "no cookie x"),
        (header("x-key"), "no header x-key"),
        (query("x"), "no query parameter x"),
        (KeyPart::Route, "no route"),
        (KeyPart::SessionId, "no session"),
        (KeyPart::SessionUser, "no session"),
    ] {
        let parts = [KeyPart::Method, part.clone(), KeyPart::Path];
        let missing = resolve(&parts, &request).unwrap_err();
        assert_eq!(missing, Missing(&part));
        assert_eq!(missing.to_string(), text);
    }
    let always = [
        KeyPart::Host,
        KeyPart::Literal(String::new()),
        KeyPart::Method,
        KeyPart::Path,
    ];
    assert!(resolve(&always, &request).is_ok());
}

#[test]
fn query_parameters() {
    for (path, value) in [
        ("/?a=1", Some("1")),
        ("/?b=2&a=1", Some("1")),
        ("/?a=1&a=2", Some("1")),
        ("/?a", Some("")),
        ("/?a=", Some("")),
        ("/?&&a=1&", Some("1")),
        ("/?a=1=2", Some("1=2")),
        ("/?a=1;b=2", Some("1;b=2")),
        ("/?a=x%20y%2B+z", Some("x y++z")),
        ("/?%61=1", Some("1")),
        ("/?a=%zz%4", Some("%zz%4")),
        ("/?a=%26b%3D", Some("&b=")),
        ("/?x?a=1", None),
        ("/?x=1?&a=1", Some("1")),
        ("/a=1", None),
        ("/?A=1", None),
        ("/?a%=1", None),
        ("/?b=1#&a=1", None),
        ("/", None),
        ("/?", None),
    ] {
        let found = query_value(path.as_bytes(), b"a");
        assert_eq!(found.as_deref(), value.map(str::as_bytes), "{path}");
    }
    assert_eq!(
        query_value(b"/?a=%ff%00", b"a").as_deref(),
        Some(b"\xff\0".as_slice())
    );
}

#[test]
fn hosts_without_their_port() {
    for (host, bare) in [
        ("shop.example", "shop.example"),
        ("shop.example:443", "shop.example"),
        ("shop.example:", "shop.example"),
        ("[::1]:443", "[::1]"),
        ("[::1]", "[::1]"),
        ("::1", "::1"),
        ("shop.example:http", "shop.example:http"),
        ("", ""),
        (":80", ""),
    ] {
        assert_eq!(
            host_without_port(host.as_bytes()),
            bare.as_bytes(),
            "{host}"
        );
    }
}

proptest! {
    /// However a name and a value are escaped, they are the same parameter.
    #[test]
    fn escaping_does_not_make_another_parameter(
        name in prop::collection::vec(any::<u8>(), 1..6),
        value in prop::collection::vec(any::<u8>(), 0..6),
        upper: bool,
    ) {
        let escape = |bytes: &[u8]| -> String {
            bytes.iter().map(|b| if upper { format!("%{b:02X}") } else { format!("%{b:02x}") }).collect()
        };
        let path = format!("/?z=0&{}={}&{0}=other", escape(&name), escape(&value));
        let found = query_value(path.as_bytes(), &name);
        prop_assume!(name != b"z");
        prop_assert_eq!(found.as_deref(), Some(value.as_slice()));
    }

    #[test]
    fn any_bytes(path in prop::collection::vec(any::<u8>(), 0..60), host in prop::collection::vec(any::<u8>(), 0..20)) {
        let headers = Headers::from_pairs([("cookie", path.clone())]);
        let request = RequestView {
            method: &path, host: &host, path: &path, headers: &headers, client_ip: None, route: None,
            session: None,
        };
        let parts = [KeyPart::Method, KeyPart::Host, KeyPart::Path];
        prop_assert!(resolve(&parts, &request).is_ok());
        let _ = resolve(&[query("a"), cookie_part("a")], &request);
    }
}
