//! Which policy judges a request: the one that Envoy's route names, else that of the first of `routes` that
//! takes it, else `default_policy`.

use super::{Config, Target};
use crate::http::Headers;

/// Where a request belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routed {
    /// No route takes it, and there is no `default_policy`.
    Nowhere,
    /// To a policy.
    To(Target),
    /// To a policy of this name, which nobody wrote.
    Unknown(Vec<u8>),
}

impl Config {
    /// Finds the policy of a request with these fields, whose route's metadata has that name of one.
    pub fn route(&self, named: Option<Vec<u8>>, headers: &Headers) -> Routed {
        let by_name = |policy| Target {
            route: usize::MAX,
            policy,
        };
        if let Some(name) = named {
            return match self.policy_named(&name) {
                Some(policy) => Routed::To(by_name(policy)),
                None => Routed::Unknown(name),
            };
        }
        let field = |name| headers.only(name).unwrap_or_default();
        let found = (self.router).find(field(":authority"), field(":path"), field(":method"));
        let found = found.or_else(|| self.default_policy.map(by_name));
        found.map_or(Routed::Nowhere, Routed::To)
    }

    /// The index of the policy called `name`.
    pub fn policy_named(&self, name: &[u8]) -> Option<usize> {
        let by_name = |policy: &super::Policy| policy.name.as_bytes().cmp(name);
        self.policies.binary_search_by(by_name).ok()
    }
}
