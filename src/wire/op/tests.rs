use super::*;
use crate::wire::resp::decode_all;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Operations with owned arguments: what strategies make.
#[derive(Debug, Clone)]
struct Args {
    bytes: Vec<Vec<u8>>,
    url: Vec<u8>,
    f16: [[u8; 16]; 2],
    f12: [u8; 12],
    f18: [u8; 18],
    ids: Vec<TakeArgs>,
    ttl: u64,
    age: u64,
    touch: Touch,
}

/// The same of one limit.
#[derive(Debug, Clone)]
struct TakeArgs {
    algorithm: Vec<u8>,
    subject: [u8; 16],
    id: [u8; 8],
    numbers: [u64; 4],
    calendar: Option<String>,
    force: bool,
    lease: Option<u64>,
    need: Option<u64>,
    overridable: Option<String>,
    slot: Option<[u8; 16]>,
}

impl TakeArgs {
    fn take(&self) -> Take<'_> {
        let [limit, window_us, burst, cost] = self.numbers;
        Take {
            algorithm: &self.algorithm,
            subject: &self.subject,
            id: &self.id,
            limit,
            window_us,
            burst,
            cost,
            options: TakeOptions {
                calendar: self.calendar.as_deref().map(str::as_bytes),
                force: self.force,
                lease: self.lease,
                need: self.need,
                overridable: self.overridable.as_deref().map(str::as_bytes),
                slot: self.slot.as_ref(),
            },
        }
    }
}

impl Args {
    fn ops(&self) -> Vec<Op<'_>> {
        let [vary, record, realm, ..] = &self.bytes[..] else {
            panic!("three texts");
        };
        let tags: Vec<&[u8]> = self.bytes.iter().map(Vec::as_slice).collect();
        let takes: Vec<_> = self.ids.iter().map(|id| id.take()).collect();
        vec![
            Op::CacheGet(CacheGet {
                url: &self.url,
                field: &self.f16[0],
                vary,
                lease: &self.f16[1],
                lease_ms: self.ttl,
                wait_ms: self.age.min(MAX_HOLD_MS),
                want: [Want::Fill, Want::Read, Want::Refresh, Want::Wait][self.bytes.len() % 4],
            }),
            Op::CacheInvalidate {
                urls: vec![&self.url, &self.url],
            },
            Op::CachePass(CachePass {
                url: &self.url,
                field: &self.f16[0],
                lease: &self.f16[1],
                ttl_ms: self.age.min(MAX_PASS_MS),
            }),
            Op::CachePurge { tag: &self.url },
            Op::CachePut(CachePut {
                url: &self.url,
                field: &self.f16[0],
                vary,
                lease: &self.f16[1],
                asked: &self.f16[0],
                age_ms: self.age,
                fresh_ms: self.ttl / 2,
                ttl_ms: self.ttl,
                record,
                tags,
            }),
            Op::LimitReturn(LimitReturn {
                id: &self.f16[0],
                gives: takes
                    .iter()
                    .map(|&take| Give {
                        mark: take.cost,
                        take,
                    })
                    .collect(),
            }),
            Op::LimitTake(takes),
            Op::SessionGet(SessionGet {
                realm,
                user: &self.f12,
                secret: &self.f18,
                idle_ms: self.ttl,
                touch: self.touch,
                data: self.age.is_multiple_of(2),
            }),
            Op::SessionCreate(SessionCreate {
                realm,
                secret: &self.f18,
                nonce: &self.f12,
                idle_ms: self.ttl,
                absolute_ms: self.ttl,
                uid: record,
                roles: vary,
                data: record,
                old: (self.age.is_multiple_of(2)).then_some((&self.f12, &self.f18)),
                readable: self.age.is_multiple_of(3),
            }),
            Op::SessionEnd(SessionEnd {
                realm,
                user: &self.f12,
                secret: &self.f18,
                scope: [Scope::All, Scope::Others, Scope::This][self.bytes.len() % 3],
            }),
            Op::SessionRotate(SessionRotate {
                realm,
                user: &self.f12,
                secret: &self.f18,
                successor: &self.f18,
                nonce: &self.f12,
                idle_ms: self.ttl,
                grace_ms: self.age.min(MAX_GRACE_MS),
                change: (self.age.is_multiple_of(2)).then_some(Change {
                    version: self.age + 1,
                    roles: vary,
                    data: record,
                }),
            }),
            Op::SessionUpdate(SessionUpdate {
                realm,
                user: &self.f12,
                secret: &self.f18,
                nonce: &self.f12,
                version: self.age + 1,
                data: record,
            }),
        ]
    }
}

fn args() -> impl Strategy<Value = Args> {
    let hostile = select(vec![
        b"\r\n".to_vec(),
        b"\0".to_vec(),
        b"\xff".to_vec(),
        b"{}".to_vec(),
        b"$1\r\nx\r\n*1\r\n".to_vec(),
    ]);
    let text = prop_oneof![vec(any::<u8>(), 1..30), hostile];
    let url = vec(prop_oneof![0x21_u8..0x7f, 0x80_u8..=0xff], 1..60);
    let numbers = [
        1..=MAX_EXACT,
        1..=MAX_TTL_MS * 1000,
        0..=MAX_EXACT,
        0..=MAX_EXACT,
    ];
    let units = 1..=MAX_EXACT;
    let options = (
        option::of("[a-z]{3,5}@[A-Z][A-Za-z_/+-]{2,20}"),
        any::<bool>(),
        option::of(units.clone()),
        option::of(units),
        option::of("[a-z][a-z0-9-]{0,20}"),
        any::<Option<[u8; 16]>>(),
    );
    // No algorithm is called like an option.
    let algorithm = vec(any::<u8>(), 1..20).prop_filter("a word of ours", |name| {
        name.iter().any(|b| !b.is_ascii_uppercase())
    });
    let ids = (
        algorithm,
        any::<[u8; 16]>(),
        any::<[u8; 8]>(),
        numbers,
        options,
    );
    let take = ids.prop_map(|(algorithm, subject, id, numbers, options)| {
        let (calendar, force, lease, need, overridable, slot) = options;
        TakeArgs {
            algorithm,
            subject,
            id,
            numbers,
            calendar,
            force,
            lease,
            need,
            overridable,
            slot,
        }
    });
    (
        vec(text, 4..10),
        url,
        any::<[[u8; 16]; 2]>(),
        any::<[u8; 12]>(),
        any::<[[u8; 9]; 2]>(),
        vec(take, 1..=MAX_LIMITS),
        1..=MAX_TTL_MS,
        0..=MAX_EXACT / 1000,
        select(vec![Touch::Always, Touch::Never, Touch::Threshold]),
    )
        .prop_map(|(bytes, url, f16, f12, f18, ids, ttl, age, touch)| Args {
            bytes,
            url,
            f16,
            f12,
            f18: f18.concat().try_into().unwrap(),
            ids,
            ttl,
            age,
            touch,
        })
}

fn parse_text(items: &[&[u8]]) -> Result<(), OpError> {
    let op = Value::Array(items.iter().map(|item| Value::Bulk(item)).collect());
    Op::parse(&op).map(|_| ())
}

proptest! {
    #[test]
    fn x6_an_operation_parses_to_itself_and_each_argument_stays_one_bulk_string(args in args()) {
        let ops = args.ops();
        let mut message = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut message));
        let values = decode_all(&message).unwrap();
        prop_assert_eq!(values.len(), ops.len());
        for (value, op) in values.iter().zip(&ops) {
            prop_assert!(value.as_array().unwrap().iter().all(|arg| matches!(arg, Value::Bulk(_))));
            let parsed = Op::parse(value);
            prop_assert_eq!(parsed.as_ref(), Ok(op));
        }
    }

    #[test]
    fn x6_any_arguments_return_and_what_parses_is_canonical(
        verb in select(vec!["CACHE.GET", "CACHE.INVALIDATE", "CACHE.PASS", "CACHE.PURGE", "CACHE.PUT", "LIMIT.RETURN", "LIMIT.TAKE", "SESSION.GET"]),
        args in vec(prop_oneof![
            vec(any::<u8>(), 16), vec(any::<u8>(), 8), vec(any::<u8>(), 12), vec(any::<u8>(), 18),
            vec(any::<u8>(), 0..4), "-?[0-9]{1,3}".prop_map(String::into_bytes),
            select(vec![&b"always"[..], b"1", b"http://a/"]).prop_map(<[u8]>::to_vec),
        ], 0..16),
    ) {
        let items = std::iter::once(verb.as_bytes()).chain(args.iter().map(Vec::as_slice));
        let op = Value::Array(items.map(Value::Bulk).collect());
        if let Ok(parsed) = Op::parse(&op) {
            let mut again = Vec::new();
            parsed.encode(&mut again);
            prop_assert_eq!(decode_all(&again), Ok(vec![op]));
        }
    }

    #[test]
    fn x7_an_operation_with_any_one_argument_less_or_more_is_refused(args in args()) {
        // Without tags and with one URL, where their number is free, and without a last word that may be
        // left out.
        for mut op in args.ops() {
            match &mut op {
                Op::LimitReturn(LimitReturn { gives, .. }) => {
                    gives.iter_mut().for_each(|give| give.take.options.force = false);
                }
                Op::LimitTake(takes) => {
                    takes.iter_mut().for_each(|take| take.options.force = false);
                }
                Op::CachePut(put) => put.tags.clear(),
                Op::CacheInvalidate { urls } => urls.truncate(1),
                Op::SessionCreate(new) => new.readable = false,
                Op::SessionGet(get) => get.data = true,
                _ => {}
            }
            let left_out = matches!(op, Op::SessionGet(_));
            let mut bytes = Vec::new();
            op.encode(&mut bytes);
            let Value::Array(mut items) = decode_all(&bytes).unwrap().remove(0) else { panic!() };
            if !matches!(op, Op::CachePut(_) | Op::CacheInvalidate { .. }) {
                items.push(Value::Bulk(b"1"));
                prop_assert_eq!(Op::parse(&Value::Array(items.clone())), Err(OpError::Arity));
                items.pop();
            }
            items.pop();
            if left_out {
                items.pop();
            }
            prop_assert_eq!(Op::parse(&Value::Array(items)), Err(OpError::Arity));
        }
    }
}

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
