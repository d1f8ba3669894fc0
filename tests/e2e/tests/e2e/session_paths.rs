//! Every spelling of a path: it falls under the rule of what the upstream will see, or it is refused.

use tidegate_e2e::{Client, Lab, Request};

/// `/admin` needs the role, `/public` nothing, the rest a session.
const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid }
policies:
  admin:  { session: { use: web, roles: [admin] } }
  public: { session: { use: web, required: false } }
  web:    { session: web }
default_policy: web
routes:
  - { match: { path_prefix: /admin }, policy: admin }
  - { match: { path_prefix: /public }, policy: public }
";

/// Which rule a target falls under, and the target the upstream sees when it passes.
#[derive(Debug, Clone, Copy)]
enum Rule<'a> {
    Admin(&'a str),
    Default(&'a str),
    Public(&'a str),
    /// 400, for anybody.
    Refused,
}

/// The status and, of a 200, the target that the upstream saw.
fn ask(client: &mut Client, method: &str, target: &[u8], cookie: &str) -> (u16, Option<String>) {
    let request = Request::new(method, target).field("cookie", cookie);
    let answer = client.send(&request).unwrap();
    let seen = answer.json().ok();
    let seen = seen.and_then(|seen| seen["target"].as_str().map(str::to_owned));
    (answer.status, seen.filter(|_| answer.status == 200))
}

#[test]
fn every_spelling_of_a_path_falls_under_the_rule_of_what_the_upstream_sees() {
    let lab = Lab::new(POLICY);
    let mut client = lab.client(0);
    let cookie = |roles: &[&str]| format!("sid={}", lab.login("web", "ada", roles).unwrap());
    let (user, admin) = (cookie(&["user"]), cookie(&["admin"]));
    let long = |unit: &str, n: usize, end: &str| format!("/{}{end}", unit.repeat(n));
    let (deep, dots, escapes, slashes, plain) = (
        format!("/admin/{}", "a".repeat(8_000)),
        long("a/../", 1_600, "admin"),
        long("%61", 2_700, ""),
        long("/", 8_000, "admin"),
        long("a", 2_700, ""),
    );
    use Rule::{Admin, Default, Public, Refused};
    for (target, rule) in [
        ("/admin", Admin("/admin")),
        ("/admin/", Admin("/admin/")),
        ("/admin?x=/public", Admin("/admin?x=/public")),
        ("/admin?", Admin("/admin?")),
        ("/public/../admin", Admin("/admin")),
        ("/public/./../admin/x", Admin("/admin/x")),
        ("/../../admin", Admin("/admin")),
        ("//admin", Admin("/admin")),
        ("/.//admin", Admin("/admin")),
        ("/%61dmin", Admin("/admin")),
        ("/public/%2e%2e/admin", Admin("/admin")),
        // Envoy reads a segment as a URL's: `\\` is `/`, and a parameter is none of its name.
        ("/public\\..\\admin", Admin("/admin")),
        ("/public/..;/admin", Admin("/admin")),
        ("/public;/../admin", Admin("/admin")),
        ("http://x/admin", Admin("/admin")),
        ("http://evil.example/public/../admin", Admin("/admin")),
        ("http://x//admin", Admin("/admin")),
        (&deep, Admin(&deep)),
        (&dots, Admin("/admin")),
        (&slashes, Admin("/admin")),
        // Another resource, under the rule for all that is not named.
        ("/Admin", Default("/Admin")),
        ("/ADMIN/x", Default("/ADMIN/x")),
        ("/administrator", Default("/administrator")),
        ("/admin.css", Default("/admin.css")),
        ("/", Default("/")),
        ("/nowhere?x=/public", Default("/nowhere?x=/public")),
        ("/admin/../nowhere", Default("/nowhere")),
        (&escapes, Default(&plain)),
        ("/public", Public("/public")),
        ("/public/a?x=/admin", Public("/public/a?x=/admin")),
        ("/publicity", Default("/publicity")),
        // What two servers may read differently.
        ("/admin%2fx", Refused),
        ("/public%2f..%2fadmin", Refused),
        ("/public/..%5cadmin", Refused),
        ("/admin;x", Refused),
        ("/admin%00", Refused),
        ("/admin%00/../public", Refused),
        ("/%2561dmin", Refused),
        ("/public/%252e%252e/admin", Refused),
        ("/admin%", Refused),
        ("/public#/../admin", Refused),
        ("admin", Refused),
        ("*", Refused),
    ] {
        let (wanted, seen) = match rule {
            Admin(seen) => ([401, 403, 200], seen),
            Default(seen) => ([401, 200, 200], seen),
            Public(seen) => ([200, 200, 200], seen),
            Refused => ([400, 400, 400], ""),
        };
        for (who, wanted) in ["", &user, &admin].into_iter().zip(wanted) {
            let name = &target[..target.len().min(60)];
            let (status, target) = ask(&mut client, "GET", target.as_bytes(), who);
            assert_eq!(status, wanted, "{name} {rule:.60?} {who}");
            if status == 200 {
                assert_eq!(target.as_deref(), Some(seen), "{name} {who}");
            }
        }
    }
}

#[test]
fn odd_methods_and_targets_get_past_no_rule() {
    let lab = Lab::new(POLICY);
    let mut client = lab.client(0);
    for (method, target, wanted) in [
        ("OPTIONS", "*".as_bytes(), &[400, 404][..]),
        ("OPTIONS", b"/admin", &[401]),
        ("HEAD", b"/admin", &[401]),
        ("TRACE", b"/admin", &[401]),
        ("PURGE", b"/admin", &[401]),
        ("get", b"/admin", &[401]),
        ("GET", b"*", &[400, 404]),
        ("GET", b"/admin\xff", &[400, 401]),
        ("GET", b"/adm\xc3\xaen", &[400, 401]),
        ("GET", b"/admin\t", &[400, 401]),
        ("GET", b"/ad\x00min", &[400]),
        ("CONNECT", b"/admin", &[400, 404]),
        ("CONNECT", b"x:80", &[400, 404]),
    ] {
        let (status, seen) = ask(&mut client, method, target, "a=1");
        let target = String::from_utf8_lossy(target);
        assert!(wanted.contains(&status), "{method} {target}: {status}");
        assert_eq!(seen, None);
    }
}
