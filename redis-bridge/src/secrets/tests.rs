use super::*;

fn lookup(vars: &[(&str, &str)]) -> Result<Option<Secret>, SecretError> {
    Secret::lookup("NAME", |wanted| {
        vars.iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn a_secret_comes_from_the_variable_or_the_file_never_both() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, "from file\r\n").unwrap();
    let path = path.to_str().unwrap();

    assert!(lookup(&[]).unwrap().is_none());
    assert_eq!(
        lookup(&[("NAME", "x")]).unwrap().unwrap().expose(),
        "x",
        "the variable"
    );
    assert_eq!(
        lookup(&[("NAME_FILE", path)]).unwrap().unwrap().expose(),
        "from file"
    );
    assert_eq!(
        lookup(&[("NAME", "x"), ("NAME_FILE", path)]).unwrap_err(),
        SecretError::Both { name: "NAME" }
    );
    assert_eq!(
        lookup(&[("NAME", "")]).unwrap_err(),
        SecretError::Empty { name: "NAME" }
    );
    let missing = lookup(&[("NAME_FILE", "/nonexistent/x")]).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("NAME_FILE: /nonexistent/x: "),
        "{missing}"
    );
}

#[test]
fn debug_shows_nothing() {
    let secret = Secret::new("hunter2");
    assert!(!format!("{secret:?} {:?}", Credential::new(&secret)).contains("hunter2"));
}

#[test]
fn only_the_whole_credential_is_admitted() {
    let credential = Credential::new(&Secret::new("s3cret-token"));
    assert!(credential.admits(b"Bearer s3cret-token"));
    assert!(credential.admits(b"bearer s3cret-token"));
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer s3cret-toke",
        "Bearer s3cret-token ",
        "Bearer s3cret-tokem",
        "Bearer  s3cret-token",
        "Basic s3cret-token",
        "s3cret-token",
    ] {
        assert!(!credential.admits(wrong.as_bytes()), "{wrong:?}");
    }
}
