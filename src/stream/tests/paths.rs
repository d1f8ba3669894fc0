//! Ambiguous paths of protected policies.

use super::policy::POLICY;
use super::rig::{Rig, token};
use super::run::{get, text};

#[test]
fn ambiguous_paths_of_a_protected_policy_are_400() {
    for path in [
        "/admin%2fx",
        "/admin/%00",
        "/admin/a;b",
        "/admin/../web",
        "/admin//x",
        "/admin/%5cx",
        "/admin/%61",
    ] {
        let mut rig = Rig::new(POLICY);
        let seen = rig.run(&get(path).metadata("admin").cookie(&token("web")));
        assert_eq!(seen.status(), 400, "{path}");
        assert!(text(seen.replied()).contains("ambiguous-path"));
        assert_eq!(rig.exchanges(), 0);
    }
}

/// specs/sessions.md: "the admin rule or 400, never through".
#[test]
fn another_spelling_of_a_protected_path_is_not_let_through() {
    for path in [
        "/open-web/../admin",
        "//admin",
        "/%61dmin",
        "/admin%2fx",
        "/admin%2Fx",
        "/admin;x",
        "/%2e/admin",
        "/.//admin/x",
        "\\admin",
        "/\\admin",
        "/elsewhere/..;/admin",
        "/elsewhere%2f..%2fadmin",
        "/%2561dmin",
        "/admin%00",
        "/admin/?x=/public",
        "/admin#x",
        "/elsewhere/%2e%2e/admin",
    ] {
        let seen = Rig::new(POLICY).run(&get(path));
        assert!(
            matches!(seen.status(), 400 | 401),
            "{path}: {}",
            seen.status()
        );
    }
}

#[test]
fn other_paths_keep_their_freedom() {
    for path in [
        "/administrator",
        "/files/a%20b",
        "/public?x=/../admin;%2f//",
    ] {
        let seen = Rig::new(POLICY).run(&get(path));
        assert_eq!(seen.status(), 0, "{path}");
    }
    let unprotected = r#"{ "version": 1, "bridge": { "cluster": "b" } }"#;
    for path in ["/a%2Fb", "/a;v=1", "//a", "*"] {
        let seen = Rig::new(unprotected).run(&get(path));
        assert_eq!(seen.status(), 0, "{path}: nothing is protected");
    }
}
