//! End to end, on real processes. One module for each area.

#[path = "e2e/demo.rs"]
mod demo;
#[path = "e2e/deployment.rs"]
mod deployment;
#[path = "e2e/policy.rs"]
mod policy;
#[path = "e2e/program.rs"]
mod program;
#[path = "e2e/proxy.rs"]
mod proxy;
#[path = "e2e/stack.rs"]
mod stack;
