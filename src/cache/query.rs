//! The query as it is forwarded and named: without what the policy ignores, and in order.

use crate::policy::Query;

/// `path?query` with the policy's rules applied; `None`: it stays as it is.
///
/// Parameters are split at `&` only, and a name is compared as it stands, because that is what all servers
/// agree on (`;`, and what is percent-encoded, they read differently). Sorting keeps the order of
/// parameters of one name.
pub fn normalised(path: &[u8], rules: &Query) -> Option<Vec<u8>> {
    if rules.ignore.is_empty() && !rules.sort {
        return None;
    }
    let at = path.iter().position(|b| *b == b'?')?;
    let (base, query) = path.split_at_checked(at)?;
    let query = query.get(1..).unwrap_or_default();
    let mut kept: Vec<&[u8]> = query
        .split(|b| *b == b'&')
        .filter(|parameter| !rules.ignores(name(parameter)))
        .collect();
    if rules.sort {
        kept.retain(|parameter| !parameter.is_empty());
        kept.sort_by(|a, b| name(a).cmp(name(b)));
    }
    let mut out = base.to_vec();
    if !kept.is_empty() {
        out.push(b'?');
        out.extend_from_slice(&kept.join(&b"&"[..]));
    }
    (out != path).then_some(out)
}

fn name(parameter: &[u8]) -> &[u8] {
    parameter.split(|b| *b == b'=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
