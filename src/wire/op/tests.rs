use super::*;
use crate::wire::resp::decode_all;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

mod spoiled;

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
                at_us: Some(self.age).filter(|at| *at > 0),
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
        verb in select(vec!["CACHE.GET", "CACHE.INVALIDATE", "CACHE.PASS", "CACHE.PURGE", "CACHE.PUT", "CACHE.STORE", "LIMIT.RETURN", "LIMIT.TAKE", "SESSION.GET"]),
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
