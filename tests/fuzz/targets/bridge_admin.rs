#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| redis_bridge::fuzz::run("bridge_admin", data));
