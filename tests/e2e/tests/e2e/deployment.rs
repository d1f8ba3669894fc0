//! The files in `envoy/`: as far as they can be checked without a cluster or a container engine.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidegate_e2e::{Client, Lab};
use tidegate_stack::{bridge, envoy, spec};

fn read(path: &str) -> Value {
    let path = spec::root().join(path);
    envoy::parse(&path, &fs::read_to_string(&path).unwrap()).unwrap()
}

fn yaml_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                yaml_files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect()
}

fn compiles(policy: &Value) {
    let config = tidegate_e2e_policy(policy);
    assert!(config.is_ok(), "{}", config.unwrap_err());
}

fn tidegate_e2e_policy(policy: &Value) -> Result<(), String> {
    let file =
        std::env::temp_dir().join(format!("tidegate-deployment-{}.json", std::process::id()));
    fs::write(&file, policy.to_string()).unwrap();
    tidegate_stack::policy::check(&file)
        .map(|_| ())
        .map_err(|e| e.to_string())
}

#[test]
fn every_file_is_yaml() {
    let files = yaml_files(&spec::root().join("envoy"));
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        envoy::parse(&file, &fs::read_to_string(&file).unwrap()).unwrap();
    }
}

#[test]
fn every_embedded_policy_compiles() {
    compiles(&read("envoy/policy.yaml"));
    compiles(&envoy::ecds::policy(read("envoy/ecds/tidegate.yaml")).unwrap());
    compiles(&read("envoy/istio/wasmplugin.yaml")["spec"]["pluginConfig"]);
    compiles(&read("envoy/gateway/envoyextensionpolicy.yaml")["spec"]["wasm"][0]["config"]);
}

#[test]
fn the_compose_file_fits_the_configuration_it_mounts() {
    let compose = read("envoy/docker-compose.yaml");
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        assert!(
            service.get("image").is_some() || service.get("build").is_some(),
            "{name}"
        );
        for other in service["depends_on"].as_array().into_iter().flatten() {
            assert!(
                services.contains_key(other.as_str().unwrap()),
                "{name} depends on {other}"
            );
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            // The module is built before; everything else is here or a named volume.
            let here = !source.starts_with('.')
                || source.ends_with(".wasm")
                || spec::root().join("envoy").join(source).exists();
            assert!(here, "{name} mounts {source}");
        }
        if let Some(file) = service["build"]["dockerfile"].as_str() {
            assert!(
                spec::root().join(file).is_file(),
                "{name} is built from {file}"
            );
        }
    }

    let bootstrap = read("envoy/envoy.yaml").to_string();
    for i in 0..2 {
        let command = services[&format!("bridge-{i}")]["command"].to_string();
        let socket = format!("/run/tidegate/bridge-{i}.sock");
        assert!(
            command.contains(&socket) && bootstrap.contains(&socket),
            "{command}"
        );
    }
    let envoy = &services["envoy"];
    assert_eq!(envoy["image"], "envoyproxy/envoy:v1.40.0");
    for key in ["TIDEGATE_SESSION_KEYS", "TIDEGATE_BRIDGE_TOKEN"] {
        assert!(envoy["environment"].to_string().contains(key), "{key}");
    }
    let module = envoy::ecds::module(read("envoy/ecds/tidegate.yaml")).unwrap();
    let mounts = envoy["volumes"].to_string();
    assert!(mounts.contains(module.to_str().unwrap()), "{mounts}");
    let upstream = services["upstream"]["command"][1].as_str().unwrap();
    assert!(bootstrap.contains(&format!(
        "\"port_value\":{}",
        upstream.rsplit(':').next().unwrap()
    )));
}

#[test]
fn the_two_roles_of_redis_are_what_the_design_says() {
    let setting = |file: &str, name: &str| {
        let text = fs::read_to_string(spec::root().join("envoy/redis").join(file)).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(str::to_owned)
    };
    assert_eq!(
        setting("state.conf", "maxmemory-policy").as_deref(),
        Some("noeviction")
    );
    assert_eq!(setting("state.conf", "appendonly").as_deref(), Some("yes"));
    assert_eq!(
        setting("state.conf", "appendfsync").as_deref(),
        Some("everysec")
    );
    assert_eq!(
        setting("cache.conf", "maxmemory-policy").as_deref(),
        Some("allkeys-lru")
    );
    assert_eq!(setting("cache.conf", "appendonly").as_deref(), Some("no"));
    assert_eq!(setting("cache.conf", "save").as_deref(), Some("\"\""));
    assert!(setting("cache.conf", "maxmemory").is_some());
}

/// faults.md, E12: what a running Envoy says of its clusters can be checked.
#[test]
fn e12_the_dump_of_a_running_envoy_is_checked() {
    let policy = fs::read_to_string(spec::root().join("envoy/policy.yaml")).unwrap();
    let lab = Lab::with(&policy, |spec| spec.envoys = 1);
    let admin = &lab.endpoints().unwrap().envoy_admin[0];
    let dump = Client::new(admin).get("/config_dump").unwrap();
    let dump = String::from_utf8(dump.body).unwrap();
    let file = lab.files().dir().join("dump.json");
    let check = |dump: &str| {
        fs::write(&file, dump).unwrap();
        let mut command = Command::new(bridge::program().unwrap());
        command
            .arg("check")
            .arg(spec::root().join("envoy/policy.yaml"));
        let output = command.arg("--envoy").arg(&file).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), said)
    };
    assert_eq!(check(&dump), (true, String::new()));
    let low = dump.replace("\"max_requests\": 65536", "\"max_requests\": 1024");
    assert_ne!(low, dump);
    let (good, said) = check(&low);
    assert!(
        !good && said.contains("`max_requests` must be more than 1024"),
        "{said}"
    );
    let (good, said) = check(&dump[..dump.len() / 2]);
    assert!(!good && said.contains("not JSON"), "{said}");
}
