//! A good operation of each verb, and what is wrong with a spoiled one.

use super::*;

const F8: &[u8] = &[8; 8];
const F12: &[u8] = &[12; 12];
const F16: &[u8] = &[16; 16];
const F18: &[u8] = &[18; 18];

/// A good operation of each verb, to be spoiled.
fn good(verb: &str) -> Vec<&'static [u8]> {
    match verb {
        "CACHE.GET" => vec![
            b"CACHE.GET",
            b"http://a/",
            F16,
            b"",
            F16,
            b"1",
            b"0",
            b"fill",
        ],
        "CACHE.PASS" => vec![b"CACHE.PASS", b"http://a/", F16, F16, b"0"],
        "CACHE.INVALIDATE" => vec![b"CACHE.INVALIDATE", b"http://a/"],
        "CACHE.PURGE" => vec![b"CACHE.PURGE", b"tag"],
        "CACHE.PUT" => {
            vec![
                b"CACHE.PUT",
                b"http://a/",
                F16,
                b"",
                F16,
                F16,
                b"0",
                b"0",
                b"1",
                b"r",
                b"tag",
            ]
        }
        "CACHE.STORE" => {
            let mut args = good("CACHE.PUT");
            args.splice(0..1, [&b"CACHE.STORE"[..]]);
            args.insert(6, b"1");
            args
        }
        "LIMIT.TAKE" => {
            vec![
                b"LIMIT.TAKE",
                b"1",
                b"fixed_window",
                F16,
                F8,
                b"1",
                b"1",
                b"1",
                b"0",
                b"FORCE",
            ]
        }
        "LIMIT.RETURN" => vec![
            b"LIMIT.RETURN",
            F16,
            b"1",
            b"7",
            b"concurrency",
            F16,
            F8,
            b"1",
            b"1",
            b"1",
            b"0",
            b"SLOT",
            F16,
        ],
        "SESSION.GET" => vec![b"SESSION.GET", b"web", F12, F18, b"1", b"always"],
        other => panic!("{other}"),
    }
}

#[test]
fn x7_options_have_one_spelling_and_bounds() {
    let bare = &good("LIMIT.TAKE")[..9];
    let with = |options: &[&'static [u8]]| parse_text(&[bare, options].concat());
    let good: &[&[&'static [u8]]] = &[
        &[b"CALENDAR", b"day@Europe/Berlin"],
        &[b"FORCE"],
        &[b"FORCE", b"LEASE", b"1", b"NEED", b"0"],
        &[b"OVERRIDE", b"per-ip", b"SLOT", F16],
    ];
    for options in good {
        assert_eq!(with(options), Ok(()), "{options:?}");
    }
    let bad: &[(&[&'static [u8]], OpError)] = &[
        (&[b"CALENDAR", b""], OpError::Argument("calendar")),
        (&[b"CALENDAR", b"day@{x}"], OpError::Argument("calendar")),
        (&[b"FORCE", b"FORCE"], OpError::Arity),
        (&[b"LEASE", b"0"], OpError::Argument("lease")),
        (&[b"LEASE", b"-1"], OpError::Argument("lease")),
        (&[b"NEED", b"1", b"LEASE", b"1"], OpError::Arity),
        (&[b"NEED", b"9007199254740993"], OpError::Argument("need")),
        (&[b"OVERRIDE", b"a:b"], OpError::Argument("override")),
        (&[b"SLOT", b"short"], OpError::Argument("slot")),
        (&[b"SLOT"], OpError::Arity),
        (&[b"force"], OpError::Arity),
    ];
    for (options, error) in bad {
        assert_eq!(with(options), Err(*error), "{options:?}");
    }
}

#[test]
fn x7_each_bad_argument_is_named() {
    use OpError::{Argument, Ttl};
    let long_url = vec![b'a'; MAX_URL + 1];
    let long = vec![b'a'; 1025];
    let over_exact = b"9007199254740993";
    let over_ttl = b"31622400001";
    let table: &[(&str, usize, &[&[u8]], OpError)] = &[
        (
            "CACHE.GET",
            1,
            &[b"", b"http://a/ b", b"a\r\nb", b"\0", b"\x7f", &long_url],
            Argument("url"),
        ),
        (
            "CACHE.GET",
            2,
            &[b"", &[0; 15], &[0; 17]],
            Argument("field"),
        ),
        ("CACHE.GET", 3, &[&long], Argument("vary")),
        (
            "CACHE.GET",
            4,
            &[b"", &[0; 15], &[0; 17]],
            Argument("lease"),
        ),
        (
            "CACHE.GET",
            5,
            &[
                b"", b"0", b"-1", b"01", b"+1", b"1 ", b"NaN", b"1.5", over_ttl,
            ],
            Ttl,
        ),
        (
            "CACHE.GET",
            7,
            &[b"", b"Fill", b"fill ", b"store"],
            Argument("want"),
        ),
        (
            "CACHE.INVALIDATE",
            1,
            &[b"", b"a b", &long_url],
            Argument("url"),
        ),
        (
            "CACHE.GET",
            6,
            &[b"", b"-1", b"30001", b"NaN"],
            Argument("wait_ms"),
        ),
        ("CACHE.PASS", 1, &[b"", &long_url], Argument("url")),
        ("CACHE.PASS", 2, &[&[0; 15]], Argument("field")),
        ("CACHE.PASS", 3, &[&[0; 17]], Argument("lease")),
        (
            "CACHE.PASS",
            4,
            &[b"", b"-1", b"3600001"],
            Argument("ttl_ms"),
        ),
        ("CACHE.PURGE", 1, &[b"", &[b't'; 257]], Argument("tag")),
        ("CACHE.PUT", 1, &[b"", &long_url], Argument("url")),
        ("CACHE.PUT", 2, &[&[0; 15]], Argument("field")),
        ("CACHE.PUT", 3, &[&long], Argument("vary")),
        ("CACHE.PUT", 4, &[&[0; 17]], Argument("lease")),
        (
            "CACHE.PUT",
            6,
            &[b"", b"-1", b"9007199254741"],
            Argument("age_ms"),
        ),
        ("CACHE.PUT", 5, &[&[0; 17]], Argument("asked")),
        (
            "CACHE.PUT",
            7,
            &[b"", b"-1", b"00", over_ttl],
            Argument("fresh_ms"),
        ),
        ("CACHE.PUT", 8, &[b"", b"0", b"-1", b"00", over_ttl], Ttl),
        ("CACHE.PUT", 10, &[b"", &[b't'; 257]], Argument("tag")),
        ("CACHE.STORE", 5, &[&[0; 17]], Argument("asked")),
        (
            "CACHE.STORE",
            6,
            &[b"", b"0", b"-1", b"01", b"9007199254740993"],
            Argument("at_us"),
        ),
        ("CACHE.STORE", 7, &[b"-1"], Argument("age_ms")),
        ("CACHE.STORE", 9, &[b"0"], Ttl),
        (
            "LIMIT.TAKE",
            1,
            &[b"", b"0", b"-1", b"17", b"01"],
            Argument("count"),
        ),
        ("LIMIT.TAKE", 1, &[b"2", b"16"], OpError::Arity),
        (
            "LIMIT.TAKE",
            3,
            &[b"", &[0; 15], &[0; 17]],
            Argument("subject"),
        ),
        ("LIMIT.TAKE", 4, &[b"", &[0; 7], &[0; 9]], Argument("id")),
        (
            "LIMIT.TAKE",
            5,
            &[b"", b"0", b"-1", over_exact],
            Argument("limit"),
        ),
        (
            "LIMIT.TAKE",
            6,
            &[b"", b"0", b"-1", b"31622400000001"],
            Argument("window_us"),
        ),
        (
            "LIMIT.TAKE",
            7,
            &[b"", b"-1", over_exact],
            Argument("burst"),
        ),
        (
            "LIMIT.TAKE",
            8,
            &[b"", b"-1", b"NaN", b"1e3", over_exact],
            Argument("cost"),
        ),
        ("LIMIT.TAKE", 2, &[b"", &[b'a'; 65]], Argument("algorithm")),
        ("LIMIT.TAKE", 9, &[b"FORCE?"], OpError::Arity),
        ("LIMIT.RETURN", 1, &[b"", &[0; 15]], Argument("id")),
        ("LIMIT.RETURN", 2, &[b"", b"0", b"17"], Argument("count")),
        (
            "LIMIT.RETURN",
            3,
            &[b"", b"-1", over_exact],
            Argument("mark"),
        ),
        ("LIMIT.RETURN", 12, &[b"", &[0; 15]], Argument("slot")),
        ("SESSION.GET", 1, &[b"", &[b'a'; 65]], Argument("realm")),
        (
            "SESSION.GET",
            2,
            &[b"", &[0; 11], &[0; 13]],
            Argument("user"),
        ),
        (
            "SESSION.GET",
            3,
            &[b"", &[0; 17], &[0; 19]],
            Argument("secret"),
        ),
        ("SESSION.GET", 4, &[b"", b"0", b"-1", over_ttl], Ttl),
        (
            "SESSION.GET",
            5,
            &[b"", b"ALWAYS", b"often"],
            Argument("touch"),
        ),
    ];
    for (verb, at, bad, error) in table {
        assert_eq!(parse_text(&good(verb)), Ok(()), "{verb}");
        for value in *bad {
            let mut args = good(verb);
            args[*at] = value;
            let shown = String::from_utf8_lossy(value);
            assert_eq!(parse_text(&args), Err(*error), "{verb} {at} {shown:?}");
        }
    }
}

#[test]
fn bounds_are_inclusive() {
    let url = vec![b'a'; MAX_URL];
    let most = MAX_EXACT.to_string().into_bytes();
    let ttl = MAX_TTL_MS.to_string().into_bytes();
    let window = (MAX_TTL_MS * 1000).to_string().into_bytes();
    let mut take = good("LIMIT.TAKE");
    (take[5], take[6], take[7], take[8]) = (&most, &window, &most, &most);
    assert_eq!(parse_text(&take), Ok(()));
    let mut get = good("CACHE.GET");
    (get[1], get[5]) = (&url, &ttl);
    assert_eq!(parse_text(&get), Ok(()));
}

#[test]
fn x7_unknown_verbs_and_shapes_are_refused() {
    for verb in [
        "",
        "GET",
        "EVAL",
        "FLUSHALL",
        "cache.get",
        "CACHE.GET ",
        "CACHE.GET\r\n",
    ] {
        let mut args = good("CACHE.GET");
        args[0] = verb.as_bytes();
        assert_eq!(parse_text(&args), Err(OpError::Verb), "{verb:?}");
    }
    let shapes = [
        Value::Null,
        Value::Integer(1),
        Value::Bulk(b"CACHE.GET"),
        Value::Simple(b"CACHE.GET"),
        Value::Array(vec![]),
        Value::Array(vec![Value::Simple(b"CACHE.GET")]),
        Value::Array(vec![Value::Bulk(b"CACHE.INVALIDATE"), Value::Null]),
        Value::Array(vec![Value::Bulk(b"CACHE.INVALIDATE"), Value::Integer(1)]),
        Value::Array(vec![Value::Array(vec![Value::Bulk(b"CACHE.GET")])]),
    ];
    for shape in shapes {
        assert_eq!(Op::parse(&shape), Err(OpError::Shape), "{shape:?}");
    }
}

#[test]
fn x4_lists_are_bounded() {
    let mut urls = vec![&b"CACHE.INVALIDATE"[..]];
    assert_eq!(parse_text(&urls), Err(OpError::Arity));
    urls.extend([&b"u"[..]; MAX_URLS]);
    assert_eq!(parse_text(&urls), Ok(()));
    urls.push(b"u");
    assert_eq!(parse_text(&urls), Err(OpError::Arity));

    let mut put = good("CACHE.PUT");
    put.extend([&b"t"[..]; MAX_TAGS - 1]);
    assert_eq!(parse_text(&put), Ok(()));
    put.push(b"t");
    assert_eq!(parse_text(&put), Err(OpError::Arity));
}
