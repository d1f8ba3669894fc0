use super::*;

#[test]
fn the_shipped_file_embeds_the_sample_policy() {
    let path = spec::root().join("envoy/policy.yaml");
    let sample = parse(&path, &files::read(&path).unwrap()).unwrap();
    assert_eq!(policy(shipped().unwrap()).unwrap(), sample);
}

#[test]
fn policy_and_module_are_replaced() {
    let other = json!({ "version": 1 });
    let answer = make(&other, Path::new("/m.wasm")).unwrap();
    assert_eq!(module(answer.clone()).unwrap(), Path::new("/m.wasm"));
    assert!(!answer.to_string().contains("/etc/envoy"));
    assert_eq!(policy(answer).unwrap(), other);
}

#[test]
fn only_a_module_without_guards_may_read_which_are_off() {
    let (policy, path) = (json!({ "version": 1 }), Path::new("/m.wasm"));
    let shipped = make(&policy, path).unwrap().to_string();
    assert!(!shipped.contains(spec::UNGUARDED));
    let other = make_unguarded(&policy, path).unwrap().to_string();
    assert!(other.contains(spec::UNGUARDED));
}
