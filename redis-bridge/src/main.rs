//! The `redis-bridge` program.

use clap::Parser as _;
use redis_bridge::cli::{self, Cli, Command, Doctor, Format, Serve};
use redis_bridge::log::Log;
use redis_bridge::{VERSION, check, contain, doctor, serve, shutdown};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

/// Wrong usage, a missing secret, a configuration that must not be used.
const USAGE: u8 = 2;

/// Longer than any process lives.
const KEPT: Duration = Duration::from_secs(100 * 365 * 86_400);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Check { file, envoy } => {
            let outcome = check::check_command(&file, envoy.as_deref());
            let out = lines(&mut std::io::stdout(), &outcome.out);
            let err = lines(&mut std::io::stderr(), &outcome.err);
            if out && err {
                ExitCode::from(outcome.status)
            } else {
                ExitCode::FAILURE
            }
        }
        Command::Doctor(args) => examine(*args),
        Command::Keygen => match cli::keygen() {
            Ok(text) => print(text.trim_end()),
            Err(error) => fail(1, &error.to_string()),
        },
        Command::Schema { draft } => print(&check::schema(match draft.as_str() {
            "07" => check::Draft::Draft07,
            _ => check::Draft::Draft202012,
        })),
        Command::Serve(args) => start(*args, cli.log.as_deref()),
        Command::Version => print(&format!("redis-bridge {VERSION}")),
    }
}

fn examine(args: Doctor) -> ExitCode {
    let (format, strict, after_restore) = (args.format, args.strict, args.after_restore);
    let options = match args.into_options() {
        Ok(options) => options,
        Err(error) => return fail(USAGE, &error.to_string()),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error.to_string()),
    };
    if after_restore {
        let ended = doctor::after_restore::end_all(&options);
        return match runtime.block_on(ended) {
            Ok(ended) => print(&ended.to_string()),
            Err(error) => fail(1, &error.to_string()),
        };
    }
    let report = runtime.block_on(doctor::run(&options));
    let text = match format {
        Format::Json => report.json(),
        Format::Text => report.text(),
    };
    match lines(&mut std::io::stdout(), &[text]) {
        true => ExitCode::from(report.status(strict)),
        false => ExitCode::FAILURE,
    }
}

fn start(args: Serve, log: Option<&str>) -> ExitCode {
    let filter = match log {
        Some(filter) => EnvFilter::try_new(filter),
        None => EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new("info")),
    };
    let filter = match filter {
        Ok(filter) => quiet_libraries(filter),
        Err(error) => return fail(USAGE, &format!("--log: {error}")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Log::default)
        .with_ansi(false)
        .init();
    contain::install();
    let options = match args.into_options() {
        Ok(options) => options,
        Err(error) => return fail(USAGE, &error.to_string()),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error.to_string()),
    };
    let stop = async {
        match shutdown::signalled().await {
            Ok(signal) => tracing::info!(signal, "asked to leave"),
            Err(error) => tracing::error!(%error, "no signal handlers"),
        }
    };
    match runtime.block_on(serve::run(options, stop)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(USAGE, &error.to_string()),
    }
}

/// One thread serves: the core has one owner, and a second thread only adds wake-ups between the two. Another one waits
/// for files and names. It is started now and kept: where no more threads can be started what needs one takes that
/// one, and without any tokio panics, in whatever task asks.
fn runtime() -> std::io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(KEPT)
        .build()?;
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let started = panic::catch_unwind(AssertUnwindSafe(|| drop(runtime.spawn_blocking(|| ()))));
    panic::set_hook(hook);
    match started {
        Ok(()) => Ok(runtime),
        Err(_) => Err(std::io::Error::other("a second thread cannot be started")),
    }
}

/// HTTP libraries print header fields and bytes at their lower levels, credentials among them, so no
/// filter reaches those. A directive covers every target that starts with it.
fn quiet_libraries(filter: EnvFilter) -> EnvFilter {
    ["h2", "hyper", "tokio"]
        .into_iter()
        .filter_map(|library| format!("{library}=warn").parse().ok())
        .fold(filter, EnvFilter::add_directive)
}

fn print(text: &str) -> ExitCode {
    let whole = lines(&mut std::io::stdout(), &[text.to_owned()]);
    if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn fail(status: u8, reason: &str) -> ExitCode {
    lines(&mut std::io::stderr(), &[format!("redis-bridge: {reason}")]);
    ExitCode::from(status)
}

/// False when the reader went away.
fn lines(out: &mut impl std::io::Write, lines: &[String]) -> bool {
    lines.iter().all(|line| writeln!(out, "{line}").is_ok()) && out.flush().is_ok()
}
