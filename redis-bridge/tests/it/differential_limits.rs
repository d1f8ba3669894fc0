//! Random takes and returns of all algorithms with all options, time that jumps, garbage in the keys:
//! script and model agree on every answer and on every byte they keep.

use crate::both::{Both, MS, SECOND, T0};
use crate::differential::{Step, check, check_on, clock, garbage, persisted, planted, text};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use redis_bridge::core::Command;
use redis_bridge::model::Data;
use redis_bridge::script::Script;

/// One limit, as a script is asked for it; its key says all its parameters, as the filter makes it.
#[derive(Debug, Clone)]
struct Limit {
    algorithm: &'static str,
    limit: u64,
    window: u64,
    burst: u64,
}

/// All keys share a hash tag, as a Cluster wants.
const OWN_KEY: &[u8] = b"{t}own";

/// Few of each algorithm, so that they are met again.
const HOT: [Limit; 8] = [
    limit("calendar_window", 5, 0, 0),
    limit("concurrency", 3, 10 * SECOND, 0),
    limit("fixed_window", 3, SECOND, 0),
    limit("fixed_window", 100, 60 * SECOND, 0),
    limit("leaky_bucket", 10, SECOND, 300 * MS),
    limit("sliding_window", 20, SECOND, 0),
    limit("sliding_window_log", 8, SECOND, 0),
    limit("token_bucket", 10, SECOND, 20),
];

const fn limit(algorithm: &'static str, limit: u64, window: u64, burst: u64) -> Limit {
    Limit {
        algorithm,
        limit,
        window,
        burst,
    }
}

impl Limit {
    fn key(&self) -> Vec<u8> {
        format!("{{t}}l{}{}/{}", self.algorithm, self.limit, self.window).into_bytes()
    }

    /// Its `burst`; of a calendar its days, three of them around the time.
    fn burst(&self, slot: u8) -> Vec<u8> {
        match self.algorithm {
            "calendar_window" => {
                let day = 86_400 * SECOND;
                let days = (0..4).map(|n| (T0 - day + n * day).to_string());
                days.collect::<Vec<_>>().join(" ").into_bytes()
            }
            "concurrency" => vec![b's', slot],
            _ => text(self.burst),
        }
    }

    fn base(&self, slot: u8) -> Vec<Vec<u8>> {
        let base = [text(self.limit), text(self.window.max(1)), self.burst(slot)];
        [vec![self.algorithm.into()], base.to_vec()].concat()
    }
}

fn hot() -> impl Strategy<Value = Limit> {
    select(HOT.to_vec())
}

/// Other parameters of the same algorithms.
fn any_limit() -> impl Strategy<Value = Limit> {
    let window = select(vec![
        1,
        7,
        1000,
        333_333,
        SECOND,
        60 * SECOND,
        86_400 * SECOND,
    ]);
    let names: Vec<&str> = HOT.iter().map(|limit| limit.algorithm).collect();
    (
        select(names),
        select(vec![1_u64, 3, 10, 999]),
        window,
        select(vec![1_u64, 5, 400_000]),
    )
        .prop_map(|(algorithm, n, window, burst)| limit(algorithm, n, window, burst))
}

fn cost() -> impl Strategy<Value = u64> {
    let large = vec![8, 9, 10, 11, 100, (1 << 31) + 1, 1 << 40, 1 << 53];
    prop_oneof![6 => 0..4_u64, 1 => select(large)]
}

/// What is asked of one limit beside its parameters.
#[derive(Debug, Clone)]
struct Ask {
    cost: u64,
    need: u64,
    lease: u64,
    force: bool,
    own: bool,
    slot: u8,
}

fn ask() -> impl Strategy<Value = Ask> {
    let need = prop_oneof![5 => Just(None), 1 => cost().prop_map(Some)];
    let lease = prop_oneof![3 => Just(0), 1 => select(vec![1_u64, 3, 50, 1 << 53])];
    let own = proptest::bool::weighted(0.3);
    (
        cost(),
        need,
        lease,
        proptest::bool::weighted(0.1),
        own,
        0..5_u8,
    )
        .prop_map(|(cost, need, lease, force, own, slot)| Ask {
            cost,
            need: need.unwrap_or(cost),
            lease,
            force,
            own,
            slot,
        })
}

fn take(limits: Vec<(Limit, Ask)>, provisional: bool) -> Step {
    let mut limits = limits;
    limits.sort_by_key(|(limit, _)| limit.key());
    limits.dedup_by_key(|(limit, _)| limit.key());
    let mut keys: Vec<Vec<u8>> = limits.iter().map(|(limit, _)| limit.key()).collect();
    let mut args = vec![text(u64::from(provisional))];
    for (limit, ask) in &limits {
        let own = own_key(&mut keys, ask.own);
        let numbers = [ask.cost, ask.need, ask.lease, u64::from(ask.force), own];
        args.extend(limit.base(ask.slot));
        args.extend(numbers.map(text));
    }
    Step::Call(Command {
        script: Script::LimitTake,
        keys,
        args,
    })
}

fn own_key(keys: &mut Vec<Vec<u8>>, own: bool) -> u64 {
    if !own {
        return 0;
    }
    keys.push(OWN_KEY.to_vec());
    keys.len() as u64
}

fn plain(limits: Vec<(Limit, u64)>) -> Step {
    let mut limits = limits;
    limits.sort_by_key(|(limit, _)| limit.key());
    limits.dedup_by_key(|(limit, _)| limit.key());
    limits.retain(|(limit, _)| matches!(limit.algorithm, "fixed_window" | "token_bucket"));
    if limits.is_empty() {
        return Step::Clock(0);
    }
    let args = limits
        .iter()
        .map(|(limit, cost)| [limit.base(0), vec![text(*cost)]].concat());
    Step::Call(Command {
        script: Script::LimitTakePlain,
        args: args.collect::<Vec<_>>().concat(),
        keys: limits.iter().map(|(limit, _)| limit.key()).collect(),
    })
}

/// Marks are where windows of a second end, and a little beside.
fn give_back() -> impl Strategy<Value = Step> {
    let mark = prop_oneof![
        4 => (0..8_u64).prop_map(|n| T0 + n * 500 * MS),
        2 => (0..30_u64).prop_map(|n| T0 + n * 100 * MS),
        2 => (0..10_u64).prop_map(|n| T0 + n),
        1 => Just(T0 + 86_400 * SECOND),
        1 => Just(0),
    ];
    (hot(), ask(), mark, 0..4_u8).prop_map(|(limit, ask, mark, id)| {
        let mut keys = vec![limit.key()];
        let own = own_key(&mut keys, ask.own);
        keys.push(format!("{{t}}r{id}").into_bytes());
        let rest = [ask.cost.min(1 << 40), mark, own].map(text);
        Step::Call(Command {
            script: Script::LimitReturn,
            args: [limit.base(ask.slot), rest.to_vec()].concat(),
            keys,
        })
    })
}

/// What an override may say, and what it must not.
fn own() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        2 => select(vec!["1", "7", "50", "10000", "10001", "9007199254740992"]),
        2 => select(vec!["5 burst=2", "50 burst=1", "50 burst=0", "0 burst=5", "5 burst=", "5  burst=1"]),
        1 => select(vec!["", "0", "-1", "007", "1e3", "9007199254740993", " 5", "5 ", "many"]),
    ];
    let data = prop_oneof![
        8 => value.prop_map(|value| Data::Text(value.into())),
        1 => garbage().prop_map(Data::Text),
        1 => Just(Data::Hash([(b"a".to_vec(), b"b".to_vec())].into())),
    ];
    let ttl = proptest::option::weighted(0.9, 1_u64..1_000_000);
    (data, ttl).prop_map(|(data, ttl)| Step::Plant(OWN_KEY.to_vec(), data, ttl))
}

/// Sorted sets that look like a log or like slots.
fn logged() -> impl Strategy<Value = Step> {
    let time = (0..3_000_000_u64).prop_map(|us| T0 - 1_500_000 + us);
    let entry = (time, 0..4_u64)
        .prop_map(|(at, cost)| (format!("{at}:{cost}").into_bytes(), at.cast_signed()));
    let other = prop_oneof![
        (0..20_i64).prop_map(|n| (b"s".to_vec(), -n)),
        Just((b"p".to_vec(), -(T0 + SECOND).cast_signed())),
        (garbage(), 0_i64..1 << 53),
        (0..5_u8, 0..20_u64).prop_map(|(n, s)| (vec![b's', n], (T0 + s * SECOND).cast_signed())),
    ];
    let members = vec(prop_oneof![2 => entry, 1 => other], 1..6);
    let key = select(vec![HOT[1].key(), HOT[6].key()]);
    (key, members, proptest::option::of(1_u64..100_000)).prop_map(|(key, members, ttl)| {
        Step::Plant(key, Data::Zset(members.into_iter().collect()), ttl)
    })
}

/// Values that look like a counter with a provisional charge.
fn marked() -> impl Strategy<Value = Step> {
    let number = prop_oneof![
        0..30_u64,
        (0..3_u64).prop_map(|n| T0 / SECOND - 1 + n),
        (0..4_000_000_u64).prop_map(|us| T0 - SECOND + us),
    ];
    let value = vec(number, 1..5).prop_map(|numbers| {
        let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
        Data::Text(texts.join(":").into_bytes())
    });
    let key = hot().prop_map(|limit| limit.key());
    (key, value).prop_map(|(key, value)| Step::Plant(key, value, Some(60_000)))
}

fn names() -> Vec<&'static str> {
    let names = HOT
        .iter()
        .map(|limit| String::from_utf8(limit.key()).unwrap());
    names.map(|name| &*name.leak()).collect()
}

#[test]
fn limits_agree() {
    check(steps());
}

#[test]
fn limits_agree_on_a_cluster() {
    check_on(Both::cluster(), steps());
}

fn steps() -> impl Strategy<Value = Step> {
    let one = (hot(), ask()).prop_map(|one| take(vec![one], false));
    let some = (vec((hot(), ask()), 1..4), any::<bool>()).prop_map(|(some, p)| take(some, p));
    let others = vec((any_limit(), ask()), 1..4).prop_map(|some| take(some, false));
    let plain = vec((prop_oneof![hot(), any_limit()], cost()), 1..4).prop_map(plain);
    let channel = || vec![b"channel".to_vec()];
    let reset = hot().prop_map(move |limit| {
        Step::Call(Command {
            script: Script::LimitReset,
            keys: vec![limit.key()],
            args: channel(),
        })
    });
    let set = select(vec![
        vec![],
        vec!["9", "60000", "channel"],
        vec!["", "0", "channel"],
    ]);
    let set = set.prop_map(|args| {
        Step::Call(Command {
            script: Script::LimitOwn,
            keys: vec![OWN_KEY.to_vec()],
            args: args.into_iter().map(Into::into).collect(),
        })
    });
    prop_oneof![
        10 => one,
        4 => some,
        3 => others,
        5 => plain,
        4 => give_back(),
        1 => reset,
        1 => set,
        2 => own(),
        5 => clock(),
        1 => planted(names(), vec!["a"]),
        1 => logged(),
        1 => marked(),
        1 => persisted(names()),
    ]
}

/// Sliding windows with large numbers: Lua's doubles and the model's.
#[test]
fn sliding_windows_agree_on_large_numbers() {
    let units = prop_oneof![0..1000_u64, 0..1_u64 << 53, (1_u64 << 52)..1 << 53];
    let window = select(vec![
        1_u64,
        999_983,
        SECOND,
        86_400 * SECOND,
        366 * 86_400 * SECOND,
    ]);
    let step = (
        units.clone(),
        units.clone(),
        units.clone(),
        units,
        window,
        -1..3_u64.cast_signed(),
    );
    check(
        step.prop_flat_map(|(limit, previous, current, need, window, ahead)| {
            let key = format!("s{limit}/{window}").into_bytes();
            let id = (T0 / window).saturating_add_signed(ahead);
            let value = format!("{id}:{previous}:{current}").into_bytes();
            let numbers = [0, need, 0, 0, 0].map(text);
            let base = [text(limit.max(1)), text(window), text(0)];
            let args = [
                vec![text(0), b"sliding_window".to_vec()],
                base.to_vec(),
                numbers.to_vec(),
            ];
            let call = Command {
                script: Script::LimitTake,
                keys: vec![key.clone()],
                args: args.concat(),
            };
            let plant = Step::Plant(key, Data::Text(value), Some(1_000_000));
            prop_oneof![Just(plant), Just(Step::Call(call)), clock()]
        }),
    );
}

/// Any bytes as a set's members.
#[test]
fn sets_of_anything_agree() {
    let members = btree_map(vec(any::<u8>(), 0..6), -(1_i64 << 53)..1 << 53, 1..5);
    let plant = (select(vec![HOT[1].key(), HOT[6].key()]), members)
        .prop_map(|(key, members)| Step::Plant(key, Data::Zset(members), Some(60_000)));
    let sets = select(vec![HOT[1].clone(), HOT[6].clone()]);
    let one = (sets, ask()).prop_map(|one| take(vec![one], false));
    check(prop_oneof![1 => plant, 4 => one, 1 => clock()]);
}
