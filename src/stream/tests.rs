//! One request's life, as a host would drive it.

mod bridge;
mod policy;
mod rig;
mod run;

mod cache_down;
mod cache_fill;
mod cache_hit;
mod cache_l1;
mod cache_stale;
mod costs;
mod denials;
mod exchange;
mod fills;
mod invalidation;
mod leases;
mod limits;
mod limits_down;
mod order;
mod passing;
mod paths;
mod session_changes;
mod sessions;
mod slots;
mod spoofing;
mod traces;
