//! Random commands, time that jumps, garbage in the keys: script and model agree on every answer and on
//! every byte they keep.

use crate::both::{Both, SECOND};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use redis_bridge::core::Command;
use redis_bridge::model::Data;
use redis_bridge::script::Script;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Call(Command),
    /// Microseconds, forwards or back.
    Clock(i64),
    Plant(Vec<u8>, Data, Option<u64>),
    Persist(Vec<u8>),
}

pub(crate) fn run(both: &mut Both, steps: &[Step]) {
    both.clear();
    for step in steps {
        match step {
            Step::Call(command) => {
                both.call(command);
            }
            Step::Clock(by) => both.now = both.now.checked_add_signed(*by).unwrap(),
            Step::Plant(key, data, ttl) => both.plant(key, data.clone(), *ttl),
            Step::Persist(key) => both.persist(key),
        }
        both.dump();
    }
}

pub(crate) fn check(strategy: impl Strategy<Value = Step>) {
    check_on(Both::new(), strategy);
}

pub(crate) fn check_on(mut both: Both, strategy: impl Strategy<Value = Step>) {
    let config = ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let steps = vec(strategy, 1..40);
    let both = std::cell::RefCell::new(&mut both);
    proptest!(config, |(steps in steps)| run(&mut both.borrow_mut(), &steps));
}

pub(crate) fn clock() -> impl Strategy<Value = Step> {
    let second = SECOND.cast_signed();
    prop_oneof![
        0..2000_i64,
        0..3 * second,
        0..200 * second,
        -2 * second..0,
        -4000 * second..0,
        Just(86_400 * second),
    ]
    .prop_map(Step::Clock)
}

pub(crate) fn text(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

/// A stored text: anything, or numbers that look right.
pub(crate) fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let big = prop_oneof![0..100_u64, any::<u64>(), (1_u64 << 50)..(1 << 54)];
    prop_oneof![
        vec(any::<u8>(), 0..12),
        big.clone().prop_map(text),
        (big.clone(), big).prop_map(|(a, b)| format!("{a}:{b}").into_bytes()),
        select(vec![
            &b"nan"[..],
            b"1e9",
            b"-5",
            b"0x10",
            b" 7",
            b"7 ",
            b"1:",
            b":1",
            b"inf"
        ])
        .prop_map(<[u8]>::to_vec),
    ]
}

pub(crate) fn planted(
    keys: Vec<&'static str>,
    fields: Vec<&'static str>,
) -> impl Strategy<Value = Step> {
    let names = select(fields).prop_map(|name| name.as_bytes().to_vec());
    let data = prop_oneof![
        3 => garbage().prop_map(Data::Text),
        2 => btree_map(names, garbage(), 1..4).prop_map(Data::Hash),
        1 => btree_map(garbage(), 0_i64..1 << 53, 1..4).prop_map(Data::Zset),
    ];
    let ttl = proptest::option::of(1_u64..100_000);
    (select(keys), data, ttl).prop_map(|(key, data, ttl)| Step::Plant(key.into(), data, ttl))
}

pub(crate) fn persisted(keys: Vec<&'static str>) -> impl Strategy<Value = Step> {
    select(keys).prop_map(|key| Step::Persist(key.into()))
}

#[test]
fn the_cache_agrees() {
    const FIELDS: [&str; 4] = ["00", "01", "02", "03"];
    let leases = || select(vec!["a", "b"]).prop_map(|digit| digit.repeat(32).into_bytes());
    let vary = || select(vec!["", "accept", "accept,cookie"]).prop_map(|v| v.as_bytes().to_vec());
    let url = || prop_oneof![9 => Just(b"http://a/".to_vec()), 1 => Just(b"http://b/".to_vec())];
    let field = || select(FIELDS.to_vec()).prop_map(|f| f.as_bytes().to_vec());
    let ms = || select(vec![1_u64, 500, 10_000, 60_000]).prop_map(text);
    let call = |script, args| {
        Step::Call(Command {
            script,
            keys: vec![b"c".to_vec()],
            args,
        })
    };
    let turn = || select(vec![0_u64, 500, 1500]).prop_map(text);
    let want = select(vec!["fill", "fill", "fill", "wait", "read", "refresh"]);
    let want = want.prop_map(|word| word.as_bytes().to_vec());
    let get = (url(), field(), vary(), leases(), (ms(), turn(), want)).prop_map(
        move |(u, f, v, l, (ms, turn, want))| {
            call(Script::CacheGet, vec![u, f, v, l, ms, turn, want])
        },
    );
    let lasting = || select(vec![0_u64, 1, 1000, 120_000]).prop_map(text);
    let pass = (url(), field(), leases(), lasting()).prop_map(move |(u, f, l, ms)| {
        call(Script::CachePass, vec![u, f, l, ms, b"channel".to_vec()])
    });
    let purged = prop_oneof![
        4 => Just(0_u64),
        1 => (0..10_000_000_u64).prop_map(|us| crate::both::T0 + us),
    ];
    let at = prop_oneof![
        1 => Just(0_u64),
        1 => (0..10_000_000_u64).prop_map(|us| crate::both::T0 + us),
    ];
    let fresh = select(vec![0_u64, 400, 10_000, 50_000]).prop_map(text);
    let put = (
        url(),
        field(),
        vary(),
        leases(),
        (at, ms(), fresh, ms(), purged, field()),
    )
        .prop_map(move |(u, f, v, l, (at, age, fresh, ttl, purged, asked))| {
            let args = vec![
                u,
                f,
                v,
                l,
                text(at),
                age,
                fresh,
                ttl,
                text(2),
                text(purged),
                b"record".to_vec(),
                asked,
                b"channel".to_vec(),
            ];
            call(Script::CachePut, args)
        });
    let fields = vec![
        "u", "v", "l:00", "p:00", "m:00", "o:00", "m:01", "o:02", "l:03",
    ];
    check(prop_oneof![
        8 => get,
        8 => put,
        3 => pass,
        1 => Just(call(Script::CacheInvalidate, vec![b"channel".to_vec()])),
        2 => Just(call(Script::CacheSoften, vec![b"channel".to_vec()])),
        3 => clock(),
        1 => planted(vec!["c"], fields),
        1 => persisted(vec!["c"]),
    ]);
}

#[test]
fn tags_agree() {
    let keys = || vec![b"t".to_vec(), b"p".to_vec()];
    let member = || select(vec!["x", "y", "z"]).prop_map(|m| m.as_bytes().to_vec());
    let ttl = select(vec![1_u64, 1000, 60_000, 86_400_000]);
    let add = (member(), ttl).prop_map(move |(member, ttl)| {
        Step::Call(Command {
            script: Script::TagAdd,
            keys: keys(),
            args: vec![member, text(ttl)],
        })
    });
    let done = (member(), 60_000_000..62_000_000_u64);
    let done = vec(done, 0..2).prop_map(|done| {
        let pair = |(member, us)| vec![member, text(crate::both::T0 + us)];
        done.into_iter().flat_map(pair).collect::<Vec<_>>()
    });
    let keep = select(vec![0_u64, 600_000]);
    let take = (1..4_u64, keep, done).prop_map(move |(most, keep, done)| {
        Step::Call(Command {
            script: Script::TagTake,
            keys: keys(),
            args: [vec![text(most), text(keep)], done].concat(),
        })
    });
    let scan = select(vec![0_u64, 600_000]).prop_map(move |keep| {
        Step::Call(Command {
            script: Script::TagScan,
            keys: keys(),
            args: vec![text(0), text(128), text(keep)],
        })
    });
    check(prop_oneof![
        6 => add,
        4 => take,
        2 => scan,
        3 => clock(),
        1 => persisted(vec!["t", "p"]),
        1 => garbage().prop_map(|text| Step::Plant(b"p".to_vec(), Data::Text(text), None)),
    ]);
}

#[test]
fn what_bridges_tell_agrees() {
    let tell = select(vec!["beat b 1 200", ""]).prop_map(|message| {
        Step::Call(Command {
            script: Script::FleetTell,
            keys: vec![b"n".to_vec()],
            args: vec![
                b"channel".to_vec(),
                message.as_bytes().to_vec(),
                text(86_400_000),
            ],
        })
    });
    check(prop_oneof![
        6 => tell,
        3 => clock(),
        1 => persisted(vec!["n"]),
        1 => planted(vec!["n"], vec!["a"]),
        1 => garbage().prop_map(|text| Step::Plant(b"n".to_vec(), Data::Text(text), None)),
    ]);
}
