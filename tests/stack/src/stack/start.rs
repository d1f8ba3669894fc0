//! Starting everything, in order, each step told before it is taken.

use super::Stack;
use crate::bridge::{self, Secrets};
use crate::files::Files;
use crate::own::{self, Names};
use crate::proc::{self, Guard, Launch};
use crate::spec::RedisKind;
use crate::{Error, Result, StackSpec, envoy, fault, files, policy, redis};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};

pub(super) fn start(spec: StackSpec, mut say: impl FnMut(&str)) -> Result<Stack> {
    let files = Files::of(&spec);
    if proc::load(&files.pids())?.values().any(proc::Known::lives) {
        return Err(Error::Running(spec.name));
    }
    spec.own.enter()?;
    free_ports(&spec)?;

    say(&format!("check the policy {}", spec.policy.display()));
    let policy = policy::check(&spec.policy)?;
    let module = bridge::module(&spec)?;
    files.create()?;
    let secrets = Secrets::draw()?;
    secrets.store(&files)?;
    let module = module
        .map(|path| policy::store_module(&files, &path))
        .transpose()?;
    files::replace(&files.policy(), policy.value.to_string().as_bytes())?;
    if let Some(module) = &module {
        let answer = match spec.unguarded.is_empty() {
            true => envoy::ecds::make(&policy.value, module)?,
            false => envoy::ecds::make_unguarded(&policy.value, module)?,
        };
        files::replace(&files.ecds_file(), answer.to_string().as_bytes())?;
    }
    let guard = Some(Guard::start()?);
    let mut stack = Stack {
        spec,
        files,
        secrets,
        policy,
        parts: BTreeMap::new(),
        guard,
    };

    own(&mut stack)?;
    if stack.spec.faults {
        say(&format!(
            "start the fault proxies, control on 127.0.0.1:{}",
            stack.spec.faults_port()
        ));
        let launch = faults(&stack)?;
        start_all(&mut stack, vec![launch])?;
    }
    start_redis(&mut stack, &mut say)?;
    if stack.spec.upstream.is_none() {
        say(&format!(
            "start the sample upstream on 127.0.0.1:{}",
            stack.spec.upstream_port()
        ));
        let launch = upstream(&stack)?;
        start_all(&mut stack, vec![launch])?;
    }
    if stack.spec.running_bridges() > 0 {
        say(&format!("start {} bridges", stack.spec.bridges));
        let bridge = |i| bridge::launch(&stack.spec, &stack.files, &stack.secrets, i);
        let launches = (0..stack.spec.bridges).map(bridge).collect::<Result<_>>()?;
        start_all(&mut stack, launches)?;
    }
    say(&format!(
        "start {} Envoy with {} workers",
        stack.spec.envoys, stack.spec.workers
    ));
    let envoy = |i| envoy::launch(&stack.spec, &stack.files, &stack.secrets, i);
    let launches = (0..stack.spec.envoys).map(envoy).collect::<Result<_>>()?;
    start_all(&mut stack, launches)?;
    Ok(stack)
}

/// Network, disks and names, where the stack has its own.
fn own(stack: &mut Stack) -> Result<()> {
    stack.spec.own.mount(stack.files.dir())?;
    if let Some(network) = stack.network() {
        network.prepare()?;
    }
    if stack.spec.own.names {
        let file = stack.files.names();
        Names::Are(vec![Ipv4Addr::LOCALHOST]).store(&file)?;
        own::ask_own_names(stack.files.dir())?;
        let launch = Launch {
            name: "names".into(),
            program: program()?,
            args: vec![
                "names".into(),
                file.display().to_string(),
                own::SERVER.into(),
            ],
            log: stack.files.log("names"),
            ..Launch::default()
        };
        start_all(stack, vec![launch])?;
    }
    Ok(())
}

fn start_redis(stack: &mut Stack, say: &mut impl FnMut(&str)) -> Result<()> {
    let spec = &stack.spec;
    let first = spec.state_port(0);
    say(&match spec.redis {
        RedisKind::Standalone => format!("start Redis: state on 127.0.0.1:{first}"),
        RedisKind::Cluster => format!("start Redis: a cluster of six from 127.0.0.1:{first} on"),
        RedisKind::Sentinel => {
            format!("start Redis: three with Sentinels from 127.0.0.1:{first} on")
        }
    });
    say(&format!(
        "start Redis: cache on 127.0.0.1:{}",
        spec.cache_port()
    ));
    let acl = redis::acl(&stack.secrets.redis_password, &stack.policy.namespace)?;
    let mut launches: Vec<Launch> = (0..spec.state_servers())
        .map(|i| redis::state(spec, &stack.files, i, &acl))
        .collect::<Result<_>>()?;
    launches.push(redis::cache(spec, &stack.files, &acl)?);
    if spec.redis == RedisKind::Sentinel {
        for i in 0..3 {
            launches.push(redis::sentinel(spec, &stack.files, i)?);
        }
    }
    start_all(stack, launches)?;
    redis::make_ready(&stack.spec)
}

/// Starts them all, then waits for each.
fn start_all(stack: &mut Stack, launches: Vec<Launch>) -> Result<()> {
    let names: Vec<String> = launches.iter().map(|launch| launch.name.clone()).collect();
    launches
        .into_iter()
        .try_for_each(|launch| stack.launch(launch))?;
    names.iter().try_for_each(|name| stack.await_ready(name))
}

fn upstream(stack: &Stack) -> Result<Launch> {
    let address = format!("127.0.0.1:{}", stack.spec.upstream_port());
    Ok(Launch {
        name: "upstream".into(),
        program: program()?,
        args: vec!["upstream".into(), address],
        log: stack.files.log("upstream"),
        ..Launch::default()
    })
}

/// `stack faults`: first of all, so that Redis nodes find each other through it.
fn faults(stack: &Stack) -> Result<Launch> {
    let links = fault::links(&stack.spec, &stack.files);
    let text = serde_json::to_vec_pretty(&links).map_err(|e| Error::Answer {
        what: "encode the links".into(),
        got: e.to_string(),
    })?;
    let file = stack.files.links();
    files::replace(&file, &text)?;
    let address = format!("127.0.0.1:{}", stack.spec.faults_port());
    Ok(Launch {
        name: "faults".into(),
        program: program()?,
        args: vec!["faults".into(), file.display().to_string(), address],
        log: stack.files.log("faults"),
        ..Launch::default()
    })
}

/// `stack watch` for a stack that runs in the background.
pub(super) fn watcher(stack: &Stack) -> Result<Launch> {
    let spec = &stack.spec;
    let set = |name: &str, value: String| (name.to_owned(), value);
    Ok(Launch {
        name: "watch".into(),
        program: program()?,
        args: vec!["watch".into()],
        env: vec![
            set("STACK", spec.name.clone()),
            set("ENVOYS", spec.envoys.to_string()),
            set("PORT", spec.port.to_string()),
            set("POLICY", spec.policy.display().to_string()),
        ],
        log: stack.files.log("watch"),
        ..Launch::default()
    })
}

/// The `stack` program itself.
///
/// # Errors
/// When it was not built.
fn program() -> Result<std::path::PathBuf> {
    bridge::sibling("stack", "TIDEGATE_STACK", "cargo build -p tidegate-stack")
}

/// Somebody else's server on one of our ports would answer in place of ours.
fn free_ports(spec: &StackSpec) -> Result<()> {
    let mut ports = vec![spec.cache_port()];
    ports.extend((0..spec.state_servers()).map(|i| spec.state_port(i)));
    ports.extend((0..spec.bridges).map(|i| spec.bridge_admin_port(i)));
    ports.extend((0..spec.envoys).flat_map(|i| [spec.proxy_port(i), spec.envoy_admin_port(i)]));
    if spec.upstream.is_none() {
        ports.push(spec.upstream_port());
    }
    if spec.tls.is_some() {
        ports.extend((0..spec.bridges).map(|i| spec.bridge_data_port(i)));
    }
    if spec.faults {
        ports.push(spec.faults_port());
        ports.push(spec.cache_fault_port());
        ports.extend((0..spec.envoys).map(|i| spec.listener_port(i)));
        ports.extend((0..spec.state_servers()).map(|i| spec.state_fault_port(i)));
    }
    for port in ports {
        TcpListener::bind(("127.0.0.1", port)).map_err(Error::io(format!(
            "port {port} (PORT={} is the first of 100)",
            spec.port
        )))?;
    }
    Ok(())
}
