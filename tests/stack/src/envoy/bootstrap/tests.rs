use super::*;

#[test]
fn nothing_of_the_shipped_paths_is_left() {
    let spec = StackSpec {
        faults: true,
        port: 12_000,
        bridges: 3,
        ..StackSpec::new("t")
    };
    let text = make(&spec, &Files::of(&spec), 1).unwrap().to_string();
    for shipped in [
        "/run/tidegate",
        "/etc/envoy",
        "0.0.0.0",
        "\"upstream\"",
        "/dev/stdout",
        "1002",
    ] {
        assert!(!text.contains(shipped), "{shipped} in {text}");
    }
    for own in [
        "12011",
        "12021",
        "12080",
        "envoy-1",
        "bridge-2.faults.sock",
        "access-1.log",
    ] {
        assert!(text.contains(own), "{own} not in {text}");
    }
}

#[test]
fn hardening_of_the_sessions_spec_is_there() {
    let spec = StackSpec::new("t");
    let mut config = make(&spec, &Files::of(&spec), 0).unwrap();
    let hcm = at(&mut config, HCM).unwrap();
    assert_eq!(hcm["normalize_path"], true);
    assert_eq!(hcm["merge_slashes"], true);
    assert_eq!(hcm["path_with_escaped_slashes_action"], "REJECT_REQUEST");
    let common = &hcm["common_http_protocol_options"];
    assert_eq!(common["headers_with_underscores_action"], "REJECT_REQUEST");
}

#[test]
fn without_a_filter_only_the_router_is_left() {
    let spec = StackSpec {
        filter: Filter::None,
        ..StackSpec::new("t")
    };
    let mut config = make(&spec, &Files::of(&spec), 0).unwrap();
    let filters = at(&mut config, &format!("{HCM}/http_filters")).unwrap();
    assert_eq!(filters.as_array().unwrap().len(), 1);
    assert_eq!(filters[0]["name"], "envoy.filters.http.router");
}
