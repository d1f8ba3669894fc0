use super::*;
use proptest::prelude::*;

#[test]
fn each_ambiguity_by_name() {
    for (path, found) in [
        ("", Ambiguity::NotAbsolute),
        ("*", Ambiguity::NotAbsolute),
        ("admin", Ambiguity::NotAbsolute),
        ("http://shop.example/admin", Ambiguity::NotAbsolute),
        ("?x=/admin", Ambiguity::NotAbsolute),
        ("//admin", Ambiguity::EmptySegment),
        ("/admin//", Ambiguity::EmptySegment),
        ("/public/../admin", Ambiguity::DotSegment),
        ("/.", Ambiguity::DotSegment),
        ("/..?", Ambiguity::DotSegment),
        ("/./admin", Ambiguity::DotSegment),
        ("/public/%2e%2e/admin", Ambiguity::EncodedUnreserved),
        ("/public/.%2E/admin", Ambiguity::EncodedUnreserved),
        ("/%61dmin", Ambiguity::EncodedUnreserved),
        ("/a%7Eb", Ambiguity::EncodedUnreserved),
        ("/admin%2fx", Ambiguity::EncodedSlash),
        ("/admin%2Fx", Ambiguity::EncodedSlash),
        ("/admin\\x", Ambiguity::Backslash),
        ("/admin%5cx", Ambiguity::Backslash),
        ("/admin%5Cx", Ambiguity::Backslash),
        ("/admin;x=1", Ambiguity::Parameter),
        ("/admin%3bx", Ambiguity::Parameter),
        ("/..;/admin", Ambiguity::Parameter),
        ("/admin%00.css", Ambiguity::Control),
        ("/admin%0d%0ax", Ambiguity::Control),
        ("/admin\0", Ambiguity::Control),
        ("/ad min", Ambiguity::Control),
        ("/admin\x7f", Ambiguity::Control),
        ("/admin#x", Ambiguity::Fragment),
        ("/admin%252fx", Ambiguity::DoubleEncoded),
        ("/%252e%252e/admin", Ambiguity::DoubleEncoded),
        ("/%25252f", Ambiguity::DoubleEncoded),
        ("/%2561dmin", Ambiguity::DoubleEncoded),
        ("/admin%", Ambiguity::MalformedEscape),
        ("/admin%2", Ambiguity::MalformedEscape),
        ("/admin%zz", Ambiguity::MalformedEscape),
        ("/admin%2?f", Ambiguity::MalformedEscape),
    ] {
        assert_eq!(
            ambiguity(path.as_bytes()),
            Some(found),
            "{path} ({})",
            found.name()
        );
    }
}

#[test]
fn plain_paths_pass() {
    for path in [
        "/",
        "/admin",
        "/admin/",
        "/Admin",
        "/administrator",
        "/a.b/..c/d../...",
        "/caf%C3%A9/a%20b",
        "/caf\u{e9}",
        "/a:b@c!$&'()*+,=~-_",
        "/100%25",
        "/100%25%20off",
        "/50%25-off",
        "/admin?x=//../%2f;\\#%zz",
        "/admin?",
    ] {
        assert_eq!(ambiguity(path.as_bytes()), None, "{path}");
    }
}

#[test]
fn a_long_path_is_one_pass() {
    let long = "/a".repeat(32 * 1024);
    assert_eq!(ambiguity(long.as_bytes()), None);
    assert_eq!(
        ambiguity(format!("{long}%2f").as_bytes()),
        Some(Ambiguity::EncodedSlash)
    );
}

/// Percent-decoded once; a malformed escape stays.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, escaped(after)) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

/// What a lenient server may make of a path: decode, `\` as `/`, cut parameters, merge, resolve dots.
fn lenient(path: &[u8]) -> Vec<u8> {
    let decoded: Vec<u8> = decoded(path).into_iter().take_while(|b| *b != 0).collect();
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|b| matches!(b, b'/' | b'\\')) {
        match segment.split(|b| *b == b';').next().unwrap() {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    segments
        .iter()
        .flat_map(|segment| [b"/", *segment].concat())
        .collect()
}

proptest! {
    /// The point of it all: a path that passes means the same to a lenient server, before and after a
    /// second decoding, so a rule about /admin cannot be walked around.
    #[test]
    fn what_passes_is_read_alike_by_a_lenient_server(
        parts in prop::collection::vec(prop::sample::select(vec![
            "/", "/", "a", "b", "ab", ".", "..", ";", "\\", "%2f", "%2F", "%5c", "%00", "%2e", "%61",
            "%25", "25", "2f", "%", "%41", "c",
        ]), 0..10),
    ) {
        let path = format!("/{}", parts.concat());
        if ambiguity(path.as_bytes()).is_none() {
            let plain = decoded(path.trim_end_matches('/').as_bytes());
            prop_assert_eq!(&lenient(path.as_bytes()), &plain);
            // A server that decodes twice may read another character, but no other structure.
            let twice = decoded(&plain);
            prop_assert_eq!(lenient(&plain), twice);
        }
    }

    #[test]
    fn names_between_slashes_pass(path in "(/[a-zA-Z0-9_~-]{1,5}){1,6}/?", query in "(\\?\\PC*)?") {
        prop_assert_eq!(ambiguity((path + &query).as_bytes()), None);
    }

    #[test]
    fn one_hostile_byte_anywhere_is_found(
        before in prop::collection::vec(any::<u8>(), 0..50),
        hostile in prop::sample::select(b"\\;#\0\r\n \x7f".to_vec()),
        after in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        prop_assume!(!before.contains(&b'?'));
        let path = [b"/", before.as_slice(), &[hostile], &after].concat();
        prop_assert!(ambiguity(&path).is_some());
    }
}
