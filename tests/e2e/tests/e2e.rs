//! End to end, on real processes. One module for each area.

#[path = "e2e/at_once.rs"]
mod at_once;
#[path = "e2e/bad_modules.rs"]
mod bad_modules;
#[path = "e2e/bridge_faults.rs"]
mod bridge_faults;
#[path = "e2e/bridge_tls.rs"]
mod bridge_tls;
#[path = "e2e/browser.rs"]
mod browser;
#[path = "e2e/cache.rs"]
mod cache;
#[path = "e2e/cache_kit.rs"]
mod cache_kit;
#[path = "e2e/cache_refresh.rs"]
mod cache_refresh;
#[path = "e2e/cache_rules.rs"]
mod cache_rules;
#[path = "e2e/collector.rs"]
mod collector;
#[path = "e2e/conformance.rs"]
mod conformance;
#[path = "e2e/demo.rs"]
mod demo;
#[path = "e2e/deployment.rs"]
mod deployment;
#[path = "e2e/exchange.rs"]
mod exchange;
#[path = "e2e/faults.rs"]
mod faults;
#[path = "e2e/faults_kit.rs"]
mod faults_kit;
#[path = "e2e/garbage.rs"]
mod garbage;
#[path = "e2e/invalidation.rs"]
mod invalidation;
#[path = "e2e/kit.rs"]
mod kit;
#[path = "e2e/l1.rs"]
mod l1;
#[path = "e2e/liar.rs"]
mod liar;
#[path = "e2e/limits.rs"]
mod limits;
#[path = "e2e/limits_calendar.rs"]
mod limits_calendar;
#[path = "e2e/limits_cost.rs"]
mod limits_cost;
#[path = "e2e/limits_failover.rs"]
mod limits_failover;
#[path = "e2e/limits_fleet.rs"]
mod limits_fleet;
#[path = "e2e/limits_memory.rs"]
mod limits_memory;
#[path = "e2e/limits_pacing.rs"]
mod limits_pacing;
#[path = "e2e/origin.rs"]
mod origin;
#[path = "e2e/policy.rs"]
mod policy;
#[path = "e2e/program.rs"]
mod program;
#[path = "e2e/proxy.rs"]
mod proxy;
#[path = "e2e/recorder.rs"]
mod recorder;
#[path = "e2e/redis_faults.rs"]
mod redis_faults;
#[path = "e2e/redis_liar.rs"]
mod redis_liar;
#[path = "e2e/response_phase.rs"]
mod response_phase;
#[path = "e2e/rules_kit.rs"]
mod rules_kit;
#[path = "e2e/secrets.rs"]
mod secrets;
#[path = "e2e/session_bridge.rs"]
mod session_bridge;
#[path = "e2e/session_csrf.rs"]
mod session_csrf;
#[path = "e2e/session_failure.rs"]
mod session_failure;
#[path = "e2e/session_keys.rs"]
mod session_keys;
#[path = "e2e/session_kit.rs"]
mod session_kit;
#[path = "e2e/session_life.rs"]
mod session_life;
#[path = "e2e/session_login.rs"]
mod session_login;
#[path = "e2e/session_paths.rs"]
mod session_paths;
#[path = "e2e/session_races.rs"]
mod session_races;
#[path = "e2e/session_readable.rs"]
mod session_readable;
#[path = "e2e/session_restore.rs"]
mod session_restore;
#[path = "e2e/session_spoofing.rs"]
mod session_spoofing;
#[path = "e2e/session_token.rs"]
mod session_token;
#[path = "e2e/sessions.rs"]
mod sessions;
#[path = "e2e/sessions_down.rs"]
mod sessions_down;
#[path = "e2e/stack.rs"]
mod stack;
#[path = "e2e/stampede.rs"]
mod stampede;
#[path = "e2e/stampede_faults.rs"]
mod stampede_faults;
#[path = "e2e/swaps.rs"]
mod swaps;
#[path = "e2e/tracing.rs"]
mod tracing;
#[path = "e2e/ttl.rs"]
mod ttl;
#[path = "e2e/vm_memory.rs"]
mod vm_memory;
#[path = "e2e/webdriver.rs"]
mod webdriver;
