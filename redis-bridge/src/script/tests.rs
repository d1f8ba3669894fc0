use super::*;

/// What is live in Redis is named by these. A line changes only with a change of a script on purpose.
const GOLDEN: [(Script, &str); Script::ALL.len()] = [
    (Script::CacheGet, "adb75e23d7818fc674f9d6b3bbefea3f5da08d08"),
    (
        Script::CacheInvalidate,
        "fb31acd5720f8b0ca24f6cc1df600fb9e188bb25",
    ),
    (Script::CachePut, "b83471e12c8669df9232d7edd2868c14b8d2d880"),
    (
        Script::LimitReset,
        "02fdab2a9bff8d33ce8cc2e6fe186ea708250e45",
    ),
    (
        Script::LimitReturn,
        "f1b4e767b2d65a559bedbeba14079c90d1edafa8",
    ),
    (
        Script::LimitTake,
        "ddf3a0f83b9e5eacc56ae4a3d66224fcf74b2f04",
    ),
    (
        Script::SessionCreate,
        "a89127414a295533a3fe6b97a5f63dbab1026766",
    ),
    (
        Script::SessionGet,
        "4730b3c7d281c6239e05d97ff5bd40638fd0924d",
    ),
    (
        Script::SessionList,
        "943ac1b92820426b0ae6f6b69f658506d85d56e0",
    ),
    (
        Script::SessionRevoke,
        "8d844d15c148836c689f1115d32ea0e4795b7472",
    ),
    (
        Script::SessionRevokeUser,
        "778c6659e5addda97532ce5b745af69ebe50b745",
    ),
    (Script::TagAdd, "70a3e4d9fec14f9534efb2f076f7ff385af89212"),
    (Script::TagTake, "e0ad56974aae769bbc1237971bbef0995211b664"),
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
