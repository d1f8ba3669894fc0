//! Routes that share their path rule, found by host and method.

/// Routes that share their path rule. At most one route is kept per host and method: the first.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Sorted by host.
    hosts: Vec<(u32, Methods)>,
    lowest: Option<usize>,
}

impl Bucket {
    /// Adds route `index` for `methods` (empty: all) of `host`. Called with rising indices, so what is
    /// there already was written before and stays.
    pub(super) fn insert(&mut self, host: u32, methods: &[String], index: usize) {
        self.lowest = self.lowest.or(Some(index));
        let at = match self.hosts.binary_search_by_key(&host, |(h, _)| *h) {
            Ok(at) => at,
            Err(at) => {
                self.hosts.insert(at, (host, Methods::default()));
                at
            }
        };
        if let Some((_, entry)) = self.hosts.get_mut(at) {
            entry.insert(methods, index);
        }
    }

    /// Whether it holds a route that comes before `best`.
    pub(super) fn could_beat(&self, best: Option<usize>) -> bool {
        match (self.lowest, best) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(lowest), Some(best)) => lowest < best,
        }
    }

    /// The first route for exactly this host entry and `method`.
    pub(super) fn first(&self, host: u32, method: &[u8]) -> Option<usize> {
        let at = self.hosts.binary_search_by_key(&host, |(h, _)| *h).ok()?;
        let (_, methods) = self.hosts.get(at)?;
        methods.first(method)
    }
}

#[derive(Debug, Default)]
struct Methods {
    any: Option<usize>,
    /// Sorted by method.
    named: Vec<(Box<[u8]>, usize)>,
}

impl Methods {
    fn insert(&mut self, methods: &[String], index: usize) {
        if methods.is_empty() {
            self.any = self.any.or(Some(index));
        }
        for method in methods {
            let found = self
                .named
                .binary_search_by(|(m, _)| (**m).cmp(method.as_bytes()));
            if let Err(at) = found {
                self.named.insert(at, (method.as_bytes().into(), index));
            }
        }
    }

    fn first(&self, method: &[u8]) -> Option<usize> {
        let found = self.named.binary_search_by(|(m, _)| (**m).cmp(method));
        let named = found
            .ok()
            .and_then(|at| self.named.get(at))
            .map(|(_, index)| *index);
        match (named, self.any) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
