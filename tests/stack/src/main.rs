//! `stack`: runs tidegate on this machine. `make run`, `make up` and `make down` call it.

mod announce;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tidegate_stack::apply::{Applier, Watch};
use tidegate_stack::own::names;
use tidegate_stack::{Error, Result, Stack, StackSpec, bench, fault, soak, upstream};

const USAGE: &str = "\
usage: stack run                start everything, apply a saved policy file, end with Ctrl-C
       stack up                 start everything in the background
       stack down               end what `stack up` started
       stack apply FILE         check a policy file and swap it into the running stack
       stack bench              measure: paired rows, requests/s and processor time of each request
       stack soak               load a stack for long, and see what grows
       stack upstream ADDRESS   serve the sample upstream
       stack faults FILE ADDR   serve the links in FILE, their control on ADDRESS
       stack names FILE ADDR    answer names at ADDRESS as FILE says
       stack watch              swap the running stack's policy file in whenever it is saved

variables: STACK ENVOYS WORKERS BRIDGES REDIS POLICY FAULTS UPSTREAM PORT FILTER
for bench: BENCH_ROUNDS BENCH_SECONDS BENCH_ONLY BENCH_CONNECTIONS; for soak: SOAK_SECONDS";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run"] => run(),
        ["up"] => up(),
        ["down"] => down(),
        ["apply", file] => apply(Path::new(file)),
        ["watch"] => watch(),
        ["faults", links, address] => {
            runtime().and_then(|runtime| runtime.block_on(fault::serve(Path::new(links), address)))
        }
        ["bench"] => measure(),
        ["soak"] => soak(),
        ["names", file, address] => names::serve(Path::new(file), address),
        ["upstream", address] => serve_upstream(address),
        ["help" | "--help" | "-h"] => {
            say(USAGE);
            Ok(())
        }
        _ => {
            complain(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("stack: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// How often the policy file is looked at.
const LOOK: Duration = Duration::from_millis(200);

fn run() -> Result<()> {
    let runtime = runtime()?;
    let stop = runtime.spawn(stopped());
    let stack = Stack::start_telling(spec()?, |step| complain(&format!("stack: {step}")))?;
    stack.publish()?;
    say(&announce::text(&stack)?);
    let mut watch = Watch::new(&stack.spec().policy);
    while !stop.is_finished() {
        std::thread::sleep(LOOK);
        if watch.changed() {
            report(&stack.applier(), &stack.spec().policy);
        }
    }
    complain("stack: stop everything");
    Ok(())
}

/// Ends when somebody wants this program to: Ctrl-C, SIGTERM, or the terminal has gone.
async fn stopped() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

fn apply(file: &Path) -> Result<()> {
    let policy = Applier::new(&spec()?).policy(file)?;
    complain(&format!(
        "stack: {} is live (sha256 {})",
        file.display(),
        policy.digest
    ));
    Ok(())
}

fn watch() -> Result<()> {
    let spec = spec()?;
    let applier = Applier::new(&spec);
    let mut watch = Watch::new(&spec.policy);
    loop {
        std::thread::sleep(LOOK);
        if watch.changed() {
            report(&applier, &spec.policy);
        }
    }
}

fn report(applier: &Applier, file: &Path) {
    match applier.policy(file) {
        Ok(policy) => complain(&format!(
            "stack: {} is live (sha256 {})",
            file.display(),
            policy.digest
        )),
        Err(error) => complain(&format!(
            "stack: not applied, the old policy goes on: {error}"
        )),
    }
}

fn up() -> Result<()> {
    let stack = Stack::start_telling(spec()?, |step| complain(&format!("stack: {step}")))?;
    let line = stack.detach()?.line()?;
    say(&line);
    Ok(())
}

fn down() -> Result<()> {
    let spec = spec()?;
    let count = Stack::down(&spec)?;
    complain(&format!("stack: {} ended, {count} processes", spec.name));
    Ok(())
}

fn measure() -> Result<()> {
    let settings = bench::Settings::from_vars(|name| std::env::var(name).ok())?;
    let report = bench::run(spec()?, settings, |step| {
        complain(&format!("bench: {step}"))
    })?;
    say(&report.to_string());
    Ok(())
}

fn soak() -> Result<()> {
    let duration = soak::seconds(|name| std::env::var(name).ok())?;
    let report = soak::run(spec()?, duration, |step| complain(&format!("soak: {step}")))?;
    say(report.to_string().trim_end());
    Ok(())
}

fn serve_upstream(address: &str) -> Result<()> {
    runtime()?.block_on(upstream::serve(address))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Error::io("start the runtime"))
}

fn spec() -> Result<StackSpec> {
    StackSpec::from_vars(|name| std::env::var(name).ok())
}

/// To standard output; a closed pipe is the reader's decision.
fn say(line: &str) {
    let _written = writeln!(std::io::stdout(), "{line}");
}

/// To standard error.
fn complain(line: &str) {
    let _written = writeln!(std::io::stderr(), "{line}");
}
