use super::*;

fn facts(run_id: &str, policy: &str) -> Facts {
    Facts::parse([Value::BulkString(
        format!("# Server\r\nrun_id:{run_id}\r\n# Memory\r\nmaxmemory_policy:{policy}\r\n")
            .into_bytes(),
    )])
}

#[test]
fn state_must_not_evict_a_cache_may() {
    let keeps = facts("a", "noeviction");
    let evicts = facts("a", "allkeys-lru");
    let other = facts("b", "allkeys-lru");
    assert_eq!(judge(None, None, true), Health::Down);
    assert_eq!(judge(Some(&keeps), None, true), Health::Up);
    assert_eq!(judge(Some(&keeps), Some(&other), false), Health::Up);
    let policy = || "allkeys-lru".to_owned();
    assert_eq!(
        judge(Some(&evicts), None, true),
        Health::Refused(Refusal::Shared { policy: policy() })
    );
    assert_eq!(
        judge(Some(&evicts), Some(&other), false),
        Health::Refused(Refusal::State { policy: policy() })
    );
    assert_eq!(
        judge(Some(&evicts), Some(&evicts), false),
        Health::Refused(Refusal::Shared { policy: policy() }),
        "two addresses of one server"
    );
}

#[test]
fn every_primary_counts() {
    let mut facts = facts("a", "noeviction");
    facts.policies.push("volatile-ttl".to_owned());
    assert!(matches!(
        judge(Some(&facts), None, true),
        Health::Refused(_)
    ));
}

#[test]
fn an_answer_that_says_nothing_refuses_nothing() {
    let facts = Facts::parse([Value::Nil, Value::BulkString(b"\xff".to_vec())]);
    assert_eq!(facts, Facts::default());
    assert_eq!(judge(Some(&facts), None, true), Health::Up);
}
