//! A site for people with a browser: a form to log in, a page that says who one is, a button to log out.
//!
//! It keeps no session and reads no cookie. Who is asking stands in the `x-session-*` fields of the request,
//! and a session begins and ends with a field of the answer. That is all an application has to do.

use super::answer::Answer;
use super::request::{Request, form};
use serde_json::json;

/// The password of every name.
const PASSWORD: &str = "tide";
/// Longest name, bytes; a session's user is no longer.
const NAME_MAX: usize = 128;

/// Answers `/login`, `/account` and `/logout`; `None` for another path.
pub(super) fn answer(request: &Request, body: &[u8]) -> Option<Answer> {
    Some(match (request.path(), request.method.as_str()) {
        ("/login", "GET" | "HEAD") => login_form(200, ""),
        ("/login", "POST") => login(request, body),
        ("/login", _) => only("GET, HEAD, POST"),
        ("/account", "GET" | "HEAD") => account(request),
        ("/account", _) => only("GET, HEAD"),
        ("/logout", "POST") => see_other("/login").field("x-session-end", "this"),
        // A link or an image of another site must not log anybody out.
        ("/logout", _) => only("POST"),
        _ => return None,
    })
}

fn login(request: &Request, body: &[u8]) -> Answer {
    let fields = form(&String::from_utf8_lossy(body));
    let value = |name: &str| {
        let found = fields.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let name = value("name");
    if value("password") != PASSWORD {
        return login_form(403, "Wrong name or password.");
    }
    if !is_name(name) {
        return login_form(400, "A name is made of letters, digits and . _ : @ -");
    }
    let Some(nonce) = request.field("x-session-nonce") else {
        return login_form(503, "The proxy lets nobody log in on this route.");
    };
    let roles: &[&str] = match name {
        "admin" => &["user", "admin"],
        _ => &["user"],
    };
    let session = json!({ "n": nonce, "uid": name, "roles": roles, "data": {} });
    see_other("/account").field("x-session-set", session.to_string())
}

fn account(request: &Request) -> Answer {
    let field = |name: &str| escape(&request.field(name).unwrap_or_default());
    let rows: String = ["user", "roles", "id", "state"]
        .map(|name| {
            let value = field(&format!("x-session-{name}"));
            format!("<tr><th>{name}</th><td id=\"{name}\">{value}</td></tr>\n")
        })
        .concat();
    let user = match request.field("x-session-user") {
        Some(user) => escape(&user),
        None => "nobody".into(),
    };
    page(
        200,
        "Account",
        &format!(
            "<p>You are <strong>{user}</strong>.</p>\n<table>\n{rows}</table>\n\
             <form method=\"post\" action=\"/logout\"><button id=\"logout\">Log out</button></form>"
        ),
    )
}

fn login_form(status: u16, complaint: &str) -> Answer {
    page(
        status,
        "Log in",
        &format!(
            "<p id=\"complaint\">{}</p>\n<form method=\"post\" action=\"/login\">\n\
             <label>Name <input id=\"name\" name=\"name\" autocomplete=\"username\"></label>\n\
             <label>Password <input id=\"password\" name=\"password\" type=\"password\"></label>\n\
             <button id=\"login\">Log in</button>\n</form>",
            escape(complaint)
        ),
    )
}

fn page(status: u16, title: &str, body: &str) -> Answer {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <h1>{title}</h1>\n{body}\n</html>\n"
    );
    no_store(Answer::new(status, html)).field("content-type", "text/html; charset=utf-8")
}

fn see_other(location: &str) -> Answer {
    no_store(Answer::new(303, "")).field("location", location)
}

fn only(allow: &str) -> Answer {
    no_store(Answer::new(405, format!("only {allow}\n"))).field("allow", allow)
}

fn no_store(answer: Answer) -> Answer {
    answer.field("cache-control", "no-store")
}

/// What a session's user may be.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:@-".contains(&b);
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// Text as HTML, in elements and in quoted attributes.
fn escape(text: &str) -> String {
    let one = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests;
