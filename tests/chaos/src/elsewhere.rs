//! Faults that tests of their own make: without load, or with what a row has no place for.

/// Id, fault, file below the repository's root, test.
pub const ROWS: &[(&str, &str, &str, &str)] = &[
    (
        "A7",
        "whatever a stream says, the bridge lives",
        "redis-bridge/tests/bridge/stream.rs",
        "a_stream_that_breaks_the_protocol_is_closed_and_the_bridge_lives",
    ),
    (
        "A7",
        "a panic in a request",
        "redis-bridge/tests/bridge/faults.rs",
        "a7_a_panic_in_a_request_ends_that_request",
    ),
    (
        "A7",
        "a panic of the core",
        "redis-bridge/tests/bridge/faults.rs",
        "a7_a_panic_of_the_core_ends_the_process",
    ),
    (
        "B5",
        "Redis that is not ready yet",
        "redis-bridge/tests/bridge/faults.rs",
        "redis_comes_later",
    ),
    (
        "B9",
        "one Redis that evicts, for both roles",
        "redis-bridge/tests/bridge/life.rs",
        "what_must_not_be_used_is_refused_at_start_in_one_line",
    ),
    (
        "C4",
        "a replica that lagged is promoted",
        "tests/e2e/tests/e2e/limits_failover.rs",
        "r7_a_replica_that_lagged_loses_at_most_its_lag_and_never_more_than_a_limit",
    ),
    (
        "E6",
        "an Envoy drains: its leases",
        "tests/e2e/tests/e2e/limits_memory.rs",
        "leases_are_given_back_when_idle_and_when_the_policy_is_swapped_and_when_envoy_drains",
    ),
    (
        "E7",
        "a request is held once more at another bridge",
        "tests/e2e/tests/e2e/stampede_faults.rs",
        "c11_no_request_fails_when_a_bridge_or_redis_goes_while_they_wait",
    ),
    (
        "E9",
        "exchanges after the upstream's answer, and no bridge",
        "tests/e2e/tests/e2e/response_phase.rs",
        "e9_an_answer_is_unharmed_when_what_follows_it_finds_no_bridge",
    ),
    (
        "E10",
        "ten thousand silent connections",
        "redis-bridge/tests/bridge/overload.rs",
        "ten_thousand_silent_connections_cost_bounded_memory",
    ),
    (
        "E11",
        "a worker that holds all it may",
        "tests/e2e/tests/e2e/vm_memory.rs",
        "e11_a_worker_that_holds_all_it_may_decides_and_lives",
    ),
    (
        "E12",
        "Envoy's default circuit breakers",
        "tests/e2e/tests/e2e/deployment.rs",
        "e12_the_dump_of_a_running_envoy_is_checked",
    ),
    (
        "F5",
        "days of zones with summer time",
        "tests/e2e/tests/e2e/limits_calendar.rs",
        "f5_a_day_in_berlin_across_both_changes_of_the_clock",
    ),
    (
        "G1",
        "bodies of 100 MB",
        "redis-bridge/tests/bridge/overload.rs",
        "bodies_of_100_megabytes_cost_bounded_memory",
    ),
    (
        "G4",
        "cache writes beside decisions",
        "redis-bridge/tests/bridge/overload.rs",
        "cache_writes_do_not_starve_decisions",
    ),
    (
        "H5",
        "modules that do not load",
        "tests/e2e/tests/e2e/bad_modules.rs",
        "h5_twenty_modules_that_are_none_are_refused_and_the_old_one_serves",
    ),
    (
        "H8",
        "a cluster that does not exist",
        "tests/e2e/tests/e2e/swaps.rs",
        "a_cluster_that_does_not_exist_is_on_error_and_not_a_hang",
    ),
    (
        "I1",
        "certificates that expire, are of another CA or name, or are replaced",
        "redis-bridge/tests/bridge/data_tls.rs",
        "certificates_are_replaced_while_the_bridge_runs",
    ),
    (
        "I2",
        "logins of Redis are rotated",
        "redis-bridge/tests/bridge/tls.rs",
        "a_user_is_rotated_under_load_without_a_failed_exchange",
    ),
    (
        "I3",
        "credentials that are none",
        "redis-bridge/tests/bridge/refusals.rs",
        "over_tcp_only_the_whole_credential_is_served",
    ),
    (
        "I4",
        "a flood of forged tokens",
        "tests/e2e/tests/e2e/exchange.rs",
        "a_flood_of_forged_tokens_does_not_reach_redis",
    ),
    (
        "I5",
        "fields that are no text",
        "tests/e2e/tests/e2e/session_failure.rs",
        "fields_that_are_no_text_open_nothing_and_break_nothing",
    ),
    (
        "I6",
        "streams reset as soon as opened",
        "redis-bridge/tests/bridge/overload.rs",
        "streams_reset_as_soon_as_opened_end_their_connection",
    ),
    (
        "I7",
        "what is no exchange",
        "redis-bridge/tests/bridge/unary.rs",
        "what_is_no_exchange_is_refused_and_nothing_reaches_redis",
    ),
    (
        "I8",
        "hostile bytes in values",
        "redis-bridge/tests/bridge/unary.rs",
        "hostile_bytes_in_values_are_only_bytes",
    ),
    (
        "K3",
        "rotations at once",
        "tests/e2e/tests/e2e/session_login.rs",
        "s7_rotations_at_once_give_one_token_and_the_old_one_dies",
    ),
    (
        "J5",
        "a purge while a worker hears nothing",
        "tests/e2e/tests/e2e/l1.rs",
        "c1_a_purge_waits_for_workers_that_hear_nothing",
    ),
    (
        "M11",
        "an outage under which each request gives cause to log",
        "tests/e2e/tests/e2e/response_phase.rs",
        "m11_what_fails_for_each_request_is_logged_once_a_second",
    ),
];

#[cfg(test)]
mod tests {
    use super::ROWS;

    #[test]
    fn every_test_that_is_named_is_there() {
        for (id, _, file, test) in ROWS {
            let text = std::fs::read_to_string(tidegate_stack::spec::root().join(file)).unwrap();
            assert!(
                text.contains(&format!("fn {test}()")),
                "{id}: {file}: {test}"
            );
        }
    }
}
