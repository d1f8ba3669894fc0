use super::*;

/// What is live in Redis is named by these. A line changes only with a change of a script on purpose.
const GOLDEN: [(Script, &str); Script::ALL.len()] = [
    (Script::CacheGet, "22daa714a46890e530bd2531dbd319cb8af0648a"),
    (
        Script::CacheInvalidate,
        "e3e7abf26ac39900e335030c44e893cf2d172852",
    ),
    (
        Script::CachePass,
        "159420523939e9a9792f12b82857d22925bc5830",
    ),
    (Script::CachePut, "84197833bdda6c1cc39ed30e4a956a83829810db"),
    (
        Script::CacheSoften,
        "1b6b0dbf163cc3da95e3a1636d60c42a464d6f97",
    ),
    (
        Script::FleetTell,
        "8b4c4e8f12dd78b5af8ee5de3b39bc8720b7101d",
    ),
    (Script::LimitOwn, "f9f9d3f10ca0edb01dde37b80237963b02f46488"),
    (
        Script::LimitReset,
        "4a142e32da642d6392e6b02019a737e322b3a914",
    ),
    (
        Script::LimitReturn,
        "f48c049ebdff763ba08fd89c82e79083bd6e035d",
    ),
    (
        Script::LimitTake,
        "096f58844b8bd3335967af272593896265feeccf",
    ),
    (
        Script::LimitTakePlain,
        "4e5896099eb886a6082ca64f517e355b9f5d9a1b",
    ),
    (
        Script::SessionCreate,
        "001a54626c1048e77dd8ced87f13fe0915466102",
    ),
    (
        Script::SessionEndOthers,
        "bfda2d4973cdc6f04e265bfa4f2a88a065c852a4",
    ),
    (
        Script::SessionGet,
        "662c6f69a38cc067f23571265f4cfa4303759341",
    ),
    (
        Script::SessionList,
        "1b98817e9df13985ed1dfc3a2003f233b4f2e67d",
    ),
    (
        Script::SessionRead,
        "68fc1b6a4b27f6736c541807281b2e8fce33270b",
    ),
    (
        Script::SessionRevoke,
        "fc637a9a9aad3f00d74d5426891b087689558fa3",
    ),
    (
        Script::SessionRevokeUser,
        "dde80b521fdc9e135522ead4fa20dffd2a59b57c",
    ),
    (
        Script::SessionRotate,
        "5676a7a52f71d568394af3ab1377f856c03a587c",
    ),
    (
        Script::SessionUpdate,
        "2b7936aea7f6ca04ef00ed246f22b11c75f9e46a",
    ),
    (Script::TagAdd, "0cd0608805e965ccdda9122c7abc52afaf73df48"),
    (Script::TagScan, "d2c1acc8c1377d2b0f7ef004d88662bfd887e6f1"),
    (Script::TagTake, "005614186f2f058a8753a03541c65b653471147e"),
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
