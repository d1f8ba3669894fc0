use super::*;

/// What is live in Redis is named by these. A line changes only with a change of a script on purpose.
const GOLDEN: [(Script, &str); Script::ALL.len()] = [
    (Script::CacheGet, "9e76c6d1b8890e8ec598a01e2526c562298ce9fb"),
    (
        Script::CacheInvalidate,
        "faace0760a04126ef810a84fd827b6581b85d08d",
    ),
    (Script::CachePut, "3f61b904e7096069e58313cca76dbb2782b45ee6"),
    (
        Script::LimitReset,
        "e9e833d3b1c5ac852d8655c7c5e9e5788865dc4a",
    ),
    (
        Script::LimitReturn,
        "cf0b2c993529884f3ea1cb93373e28695d4d1a61",
    ),
    (
        Script::LimitTake,
        "cbb1ac4cccdd79ec5ab08f13edc6e15a13c5ff25",
    ),
    (
        Script::SessionCreate,
        "30f721dc81435a387705c476dc23eac4355deb10",
    ),
    (
        Script::SessionGet,
        "c53c827ec136546db0611fbcf3cb4c15dd3adc89",
    ),
    (
        Script::SessionList,
        "7d1e208f52a5de284de4748f43a034b669df26ac",
    ),
    (
        Script::SessionRevoke,
        "8d4e290109c3ed41bd5316e3f4f0929e964b3414",
    ),
    (
        Script::SessionRevokeUser,
        "74381e572a7ece55c0c83b74b03c1f0105c6da8b",
    ),
    (Script::TagAdd, "17d706dbbad287cfd8a28a3d6aece575e2db0197"),
    (Script::TagTake, "914fce870e5d063c412d546e2dbdeb1b9c3ba87c"),
];

#[test]
fn sources_are_what_was_reviewed() {
    for (script, sha1) in GOLDEN {
        assert_eq!(script.sha1(), sha1, "{script}: {}", script.sha1());
    }
}

#[test]
fn all_is_in_the_order_of_the_enum_and_complete() {
    for (at, script) in Script::ALL.into_iter().enumerate() {
        assert_eq!(script as usize, at);
        assert_eq!(GOLDEN[at].0, script);
    }
}

#[test]
fn every_script_states_its_contract_and_asks_redis_for_the_time() {
    for script in Script::ALL {
        let source = script.source();
        assert!(
            source.contains(&format!("-- {}: ", script.name())),
            "{script}"
        );
        for part in ["-- KEYS ", "-- Answer ", "-- Again "] {
            let is_list = script == Script::SessionList && part == "-- Again ";
            assert!(is_list || source.contains(part), "{script} {part}");
        }
        assert_eq!(source.matches("redis.call").count(), 1, "{script}");
        assert!(!source.contains("os.time"), "{script}");
    }
}
