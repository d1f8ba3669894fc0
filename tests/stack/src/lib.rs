//! A whole tidegate on loopback: Redis, bridges, a sample upstream and Envoy, each a real process.
//!
//! The `stack` program gives it to people (`make run`, `make up`, `make down`), the end-to-end tests use
//! it as a library, so what people run is what is tested.
//!
//! ```text
//! StackSpec -> Layout (ports, files) -> Plan (what to launch) -> Stack (running parts) -> Endpoints
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`spec`] | the variables `STACK`, `ENVOYS`, ... and what each part's port and file is |
//! | [`endpoints`] | the JSON line that tells others where everything is |
//! | [`proc`] | starting, pausing, killing and finding again processes that are ours |
//! | [`redis`] | the Redis servers of both roles, standalone, Sentinel and Cluster |
//! | [`bridge`] | the redis-bridge processes and their secrets |
//! | [`envoy`] | Envoy's bootstrap and ECDS file, made from the shipped files, and its statistics |
//! | [`policy`] | checking a policy file |
//! | [`apply`] | swapping a policy or a module into a stack that runs |
//! | [`stack`] | all of it together |
//! | [`own`] | a network, disks and names that are a stack's alone |
//! | [`bench`] | the paired benchmarks |
//! | [`soak`] | a long and steady load of everything |
//! | [`fault`] | what can go wrong on a link, on demand |
//! | [`upstream`] | the sample upstream |
//! | [`http`] | a small blocking HTTP/1.1 client that sends what it is told, byte for byte |

pub mod apply;
pub mod bench;
pub mod bridge;
pub mod clock;
pub mod endpoints;
pub mod envoy;
pub mod error;
pub mod fault;
pub mod files;
pub mod http;
pub mod own;
pub mod policy;
pub mod proc;
pub mod redis;
pub mod soak;
pub mod spec;
pub mod stack;
pub mod upstream;
pub mod usage;
pub mod wait;

pub use clock::Clock;
pub use endpoints::Endpoints;
pub use error::{Error, Result};
pub use spec::{Filter, RedisKind, StackSpec};
pub use stack::Stack;
