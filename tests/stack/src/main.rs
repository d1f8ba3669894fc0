//! `stack`: runs tidegate on this machine. `make run`, `make up` and `make down` call it.

use std::io::Write;
use std::process::ExitCode;
use tidegate_stack::{Error, Result, Stack, StackSpec, upstream};

const USAGE: &str = "\
usage: stack run                start everything, apply a saved policy file, end with Ctrl-C
       stack up                 start everything in the background
       stack down               end what `stack up` started
       stack apply FILE         check a policy file and swap it into the running stack
       stack upstream ADDRESS   serve the sample upstream

variables: STACK ENVOYS WORKERS BRIDGES REDIS POLICY FAULTS UPSTREAM PORT FILTER";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["up"] => up(),
        ["down"] => down(),
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

fn serve_upstream(address: &str) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Error::io("start the runtime"))?
        .block_on(upstream::serve(address))
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
