use super::rig::*;
use crate::core::keys::hash16;
use crate::core::{AdminOp, AdminReply, Transmit, Value};
use std::time::Duration;
use tidegate::wire::Op;
use tidegate::wire::op::{CacheGet, CachePut, Want};

fn word(value: &Value) -> &[u8] {
    match value {
        Value::Array(items) => items[0].as_bytes().unwrap(),
        value => value.as_bytes().unwrap_or_default(),
    }
}

fn look(rig: &mut Rig) -> Vec<u8> {
    word(&rig.post(&[cache_get(URL)])[0]).to_vec()
}

fn store(rig: &mut Rig, tags: &[&[u8]]) -> Vec<u8> {
    word(&rig.post(&[cache_put(URL, b"record", tags)])[0]).to_vec()
}

/// A store that was sent at `at_us` of Redis' clock.
fn store_of(at_us: u64, ttl_ms: u64, rig: &mut Rig) -> Vec<u8> {
    let Op::CachePut(put) = cache_put(URL, b"record", &[]) else {
        panic!("not a put");
    };
    let put = CachePut {
        at_us: Some(at_us),
        age_ms: 1_000,
        fresh_ms: ttl_ms / 2,
        ttl_ms,
        ..put
    };
    word(&rig.post(&[Op::CachePut(put)])[0]).to_vec()
}

/// C8: a bridge that was frozen stores what it had been told before; what it stores is not younger for that.
#[test]
fn c8_a_store_ages_on_its_way() {
    let mut rig = Rig::new();
    look(&mut rig);
    let at_us = rig.redis_us();
    rig.now += Duration::from_secs(3);
    assert_eq!(store_of(at_us, 10_000, &mut rig), b"stored");
    let hit = Value::Array(vec![
        Value::simple("hit"),
        Value::Integer((at_us - 1_000_000).cast_signed()),
        Value::Integer(rig.redis_us().cast_signed()),
        Value::bulk("record"),
    ]);
    assert_eq!(rig.post(&[cache_get(URL)]), [hit]);
    rig.now += Duration::from_secs(2);
    assert_eq!(look(&mut rig), b"stale");
    rig.now += Duration::from_secs(5);
    assert_eq!(look(&mut rig), b"miss");
}

#[test]
fn c8_a_store_that_comes_when_it_is_of_no_use_is_refused_and_the_next_one_fills() {
    let mut rig = Rig::new();
    look(&mut rig);
    let at_us = rig.redis_us();
    rig.now += Duration::from_secs(3);
    assert_eq!(store_of(at_us, 3_000, &mut rig), b"refused");
    assert_eq!(look(&mut rig), b"miss");
    assert_eq!(store(&mut rig, &[]), b"stored");
}

/// F3: Redis' clock was set back, or another one answers that is behind.
#[test]
fn f3_a_store_of_a_time_to_come_is_of_now() {
    let mut rig = Rig::new();
    look(&mut rig);
    let (now_us, hour_us) = (rig.redis_us(), 3_600_000_000);
    assert_eq!(store_of(now_us + hour_us, 10_000, &mut rig), b"stored");
    assert_eq!(look(&mut rig), b"hit");
    rig.now += Duration::from_secs(10);
    assert_eq!(look(&mut rig), b"miss");
}

/// 300 objects with a tag of their own, and one more.
fn shoes(rig: &mut Rig) -> Vec<Vec<u8>> {
    let urls: Vec<Vec<u8>> = (0..300)
        .map(|n| format!("http://a/{n}").into_bytes())
        .collect();
    for url in &urls {
        rig.post(&[cache_get(url)]);
        assert_eq!(
            word(&rig.post(&[cache_put(url, b"r", &[b"shoes", b"all"])])[0]),
            b"stored"
        );
    }
    urls
}

#[test]
fn missed_filled_hit_expired() {
    let mut rig = Rig::new();
    let now = rig.redis_us().cast_signed();
    let miss = Value::Array(vec![
        Value::simple("miss"),
        Value::Integer(now),
        Value::bulk(LEASE),
    ]);
    assert_eq!(rig.post(&[cache_get(URL)]), [miss]);
    assert_eq!(store(&mut rig, &[]), b"stored");
    let hit = Value::Array(vec![
        Value::simple("hit"),
        Value::Integer(now),
        Value::Integer(now),
        Value::bulk("record"),
    ]);
    assert_eq!(rig.post(&[cache_get(URL)]), [hit]);
    rig.now += Duration::from_secs(50);
    let now = rig.redis_us().cast_signed();
    let stale = |claimed| {
        Value::Array(vec![
            Value::simple("stale"),
            Value::Integer(now - 50_000_000),
            Value::Integer(now),
            Value::bulk("record"),
            Value::bulk(LEASE),
            Value::Integer(claimed),
        ])
    };
    assert_eq!(rig.post(&[cache_get(URL)]), [stale(1)]);
    let Op::CacheGet(get) = cache_get(URL) else {
        panic!("not a get");
    };
    let other = Op::CacheGet(CacheGet {
        lease: &[0xcd; 16],
        ..get
    });
    assert_eq!(rig.post(&[other]), [stale(0)], "one refreshes it");
    assert_eq!(store(&mut rig, &[]), b"stored");
    assert_eq!(look(&mut rig), b"hit");
    rig.now += Duration::from_secs(60);
    assert_eq!(look(&mut rig), b"miss");
}

#[test]
fn what_a_look_up_is_for_decides_about_its_lease() {
    let mut rig = Rig::new();
    let wanting = |want| {
        let Op::CacheGet(get) = cache_get(URL) else {
            panic!("not a get");
        };
        Op::CacheGet(CacheGet { want, ..get })
    };
    let nothing = rig.post(&[wanting(Want::Read)]);
    assert_eq!(nothing[0].as_array().unwrap()[2], Value::Null);
    assert_eq!(store(&mut rig, &[]), b"refused", "a reader got no lease");
    look(&mut rig);
    store(&mut rig, &[]);
    assert_eq!(word(&rig.post(&[wanting(Want::Read)])[0]), b"hit");
    assert_eq!(word(&rig.post(&[wanting(Want::Refresh)])[0]), b"stale");
    assert_eq!(store(&mut rig, &[]), b"stored", "a refresh may store");
    rig.now += Duration::from_secs(55);
    assert_eq!(word(&rig.post(&[wanting(Want::Read)])[0]), b"stale");
    assert_eq!(store(&mut rig, &[]), b"stored", "a reader may freshen");
}

#[test]
fn c3_without_its_lease_nothing_is_stored() {
    let mut rig = Rig::new();
    assert_eq!(store(&mut rig, &[]), b"refused", "no lease");
    look(&mut rig);
    let removed = rig.post(&[Op::CacheInvalidate {
        urls: vec![URL, b"http://b/"],
    }]);
    assert_eq!(removed, [Value::Integer(0)]);
    assert_eq!(store(&mut rig, &[]), b"refused", "an invalidation ends it");
    look(&mut rig);
    rig.now += Duration::from_secs(10);
    assert_eq!(store(&mut rig, &[]), b"refused", "it ran out");
}

#[test]
fn an_invalidation_counts_what_it_removed() {
    let mut rig = Rig::new();
    look(&mut rig);
    store(&mut rig, &[]);
    let purge = AdminOp::PurgeUrl { url: URL.to_vec() };
    assert_eq!(rig.admin(&purge), AdminReply::Count(1));
    assert_eq!(look(&mut rig), b"miss");
}

#[test]
fn a_tag_purges_all_its_objects_in_steps() {
    let mut rig = Rig::new();
    let urls = shoes(&mut rig);
    rig.post(&[cache_get(URL)]);
    assert_eq!(store(&mut rig, &[b"hats"]), b"stored");
    let purge = AdminOp::PurgeTag {
        tag: b"shoes".to_vec(),
    };
    assert_eq!(rig.admin(&purge), AdminReply::Count(300));
    assert_eq!(rig.admin(&purge), AdminReply::Count(0));
    assert!(
        urls.iter()
            .all(|url| word(&rig.post(&[cache_get(url)])[0]) == b"miss")
    );
    assert_eq!(look(&mut rig), b"hit");
}

#[test]
fn what_is_purged_softly_stays_and_is_no_longer_fresh() {
    let mut rig = Rig::new();
    look(&mut rig);
    store(&mut rig, &[]);
    let soft = AdminOp::Soften(vec![hash16(URL)]);
    assert_eq!(rig.admin(&soft), AdminReply::Count(1));
    assert_eq!(rig.admin(&soft), AdminReply::Count(1), "it is there still");
    assert_eq!(look(&mut rig), b"stale");
    let none = AdminOp::Soften(vec![hash16(b"http://a.example/none")]);
    assert_eq!(rig.admin(&none), AdminReply::Count(0));
    // Who looked before it may not store what he has as fresh.
    let other: &[u8] = b"http://a.example/2";
    rig.post(&[cache_get(other)]);
    rig.admin(&AdminOp::Soften(vec![hash16(other)]));
    assert_eq!(
        word(&rig.post(&[cache_put(other, b"r", &[])])[0]),
        b"refused"
    );
}

#[test]
fn a_tag_is_purged_softly_in_steps_and_stays_a_tag() {
    let mut rig = Rig::new();
    let urls = shoes(&mut rig);
    look(&mut rig);
    rig.now += Duration::from_millis(1);
    let tag = b"shoes".to_vec();
    let soft = AdminOp::SoftenTag { tag: tag.clone() };
    assert_eq!(rig.admin(&soft), AdminReply::Count(300));
    assert!(
        urls.iter()
            .all(|url| word(&rig.post(&[cache_get(url)])[0]) == b"stale")
    );
    assert_eq!(store(&mut rig, &[b"shoes"]), b"refused", "it began before");
    let hard = AdminOp::PurgeTag { tag };
    assert_eq!(rig.admin(&hard), AdminReply::Count(300));
    assert_eq!(rig.admin(&soft), AdminReply::Count(0));
}

#[test]
fn c3_a_purge_of_a_tag_refuses_the_fill_that_began_before_it() {
    let mut rig = Rig::new();
    look(&mut rig);
    rig.now += Duration::from_millis(1);
    rig.admin(&AdminOp::PurgeTag {
        tag: b"shoes".to_vec(),
    });
    assert_eq!(store(&mut rig, &[b"shoes"]), b"refused");
    rig.now += Duration::from_millis(1);
    assert_eq!(look(&mut rig), b"miss");
    assert_eq!(
        store(&mut rig, &[b"shoes"]),
        b"stored",
        "a fill that began after it"
    );
}

#[test]
fn c3_a_purge_between_the_two_steps_of_a_store_is_not_missed() {
    let mut rig = Rig::new();
    look(&mut rig);
    let conn = rig.open(1);
    rig.exchange(conn, 1, 1000, &[cache_put(URL, b"old", &[b"shoes"])]);
    let add = rig.core.poll_batch(rig.now).unwrap();
    let added = rig.execute(&add);
    rig.now += Duration::from_millis(1);
    rig.admin(&AdminOp::PurgeTag {
        tag: b"shoes".to_vec(),
    });
    rig.core.handle_replies(add.id, Ok(added), rig.now);
    rig.run();
    let sent: Vec<Transmit> = rig.collect();
    assert_eq!(replies(&sent)[0].2, [Value::simple("refused")]);
    assert_eq!(look(&mut rig), b"miss");
}

#[test]
fn another_vary_list_is_told() {
    let mut rig = Rig::new();
    look(&mut rig);
    let Op::CachePut(mut put) = cache_put(URL, b"r", &[]) else {
        panic!("not a put");
    };
    put.vary = b"accept";
    assert_eq!(rig.post(&[Op::CachePut(put)]), [Value::simple("stored")]);
    let vary = Value::Array(vec![Value::simple("vary"), Value::bulk("accept")]);
    assert_eq!(rig.post(&[cache_get(URL)]), [vary]);
}
