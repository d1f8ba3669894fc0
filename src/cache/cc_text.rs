//! Cache-Control as it goes to the client: in one line, its members a comma and a space apart.
//!
//! Envoy joins repeated lines of this field with a bare comma (it keeps one of each of a few fields); some
//! clients and tests look for the form that everybody writes.

use super::list;
use crate::http::Headers;

/// Whether the field was changed.
pub fn tidy(headers: &mut Headers) -> bool {
    let lines: Vec<&[u8]> = headers.all("cache-control").collect();
    let mut members: Vec<&[u8]> = Vec::new();
    for line in &lines {
        let mut of_line = list::members(line);
        members.extend(of_line.by_ref());
        if of_line.unbalanced() {
            return false;
        }
    }
    let joined = members.join(&b", "[..]);
    if members.is_empty() || lines == [&joined[..]] {
        return false;
    }
    headers.set("cache-control", joined);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(lines: &[&str]) -> (bool, String) {
        let mut headers = Headers::from_pairs(lines.iter().map(|line| ("cache-control", *line)));
        let changed = tidy(&mut headers);
        let lines: Vec<_> = headers
            .all("cache-control")
            .map(String::from_utf8_lossy)
            .collect();
        (changed, lines.join("|"))
    }

    #[test]
    fn rfc9110_5_3_lines_are_joined_as_everybody_does() {
        assert_eq!(tidied(&["a,b"]), (true, "a, b".to_owned()));
        assert_eq!(
            tidied(&["a", "b=\"c,d\""]),
            (true, "a, b=\"c,d\"".to_owned())
        );
        assert_eq!(tidied(&["a, b"]), (false, "a, b".to_owned()));
        assert_eq!(tidied(&["a=\"b,c"]), (false, "a=\"b,c".to_owned()));
        assert_eq!(tidied(&[]), (false, String::new()));
    }
}
