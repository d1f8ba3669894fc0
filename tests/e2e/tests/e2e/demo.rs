//! `make run`: what it prints is true, and the requests it names answer as it says.

use crate::program::{gone, program};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::time::Duration;
use tidegate_e2e::{SAMPLE, wait};
use tidegate_stack::redis::Server;
use tidegate_stack::{Endpoints, proc, spec};

const PORT: u16 = 12_300;

fn started(policy: &std::path::Path) -> (Child, Vec<String>) {
    let mut run = program("run", PORT).env("POLICY", policy).spawn().unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(run.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let last = line.starts_with("Edit ");
        lines.push(line);
        if last {
            break;
        }
    }
    (run, lines)
}

/// Runs a printed request as a person would paste it.
fn paste(line: &str) -> String {
    let output = Command::new("bash").args(["-c", line]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).to_ascii_lowercase()
}

/// A fixed window must not end in the middle of the 110 requests.
fn early_in_the_minute() {
    let redis = Server::new(format!("127.0.0.1:{}", PORT + 60));
    wait::until("the next minute", Duration::from_secs(30), || {
        let time = redis.call(&["TIME"]).map_err(|e| e.to_string())?;
        let seconds = time.items()[0].int().unwrap();
        if seconds % 60 < 45 {
            Ok(())
        } else {
            Err("late in the minute".into())
        }
    })
    .unwrap();
}

#[test]
fn every_line_of_make_run_is_true() {
    let policy = spec::root().join("target/stack-demo-policy.yaml");
    std::fs::write(&policy, SAMPLE).unwrap();
    let (mut run, lines) = started(&policy);
    let endpoints =
        Endpoints::load(&spec::root().join(format!("target/stack/program-{PORT}/endpoints.json")))
            .unwrap();

    assert!(lines[0].starts_with("tidegate "), "{lines:#?}");
    assert!(
        lines[0].contains("policy target/stack-demo-policy.yaml (sha256 "),
        "{}",
        lines[0]
    );
    assert!(
        lines[0].contains("5 policies, 3 limits, 1 cache)"),
        "{}",
        lines[0]
    );
    assert!(lines[0].ends_with("live on 2/2 workers"), "{}", lines[0]);
    assert!(
        lines[1].contains("proxy http://127.0.0.1:12300"),
        "{}",
        lines[1]
    );
    assert!(
        lines[1].contains("token in target/stack/program-12300/admin.token"),
        "{}",
        lines[1]
    );
    assert!(
        paste("curl -si http://127.0.0.1:12320/stats/prometheus")
            .contains("tidegate_exchange_sent")
    );
    assert!(paste("curl -si http://127.0.0.1:12340/readyz").starts_with("http/1.1 200"));

    early_in_the_minute();
    let tries: Vec<&str> = lines[3..lines.len() - 1]
        .iter()
        .map(|line| line.trim())
        .collect();
    assert_eq!(tries.len(), 4, "{lines:#?}");
    let first = paste(tries[0]);
    assert!(first.starts_with("http/1.1 200"), "{first}");
    assert!(
        first.contains("cache-status: tidegate; fwd=miss; stored"),
        "{first}"
    );
    let second = paste(tries[1]);
    assert!(
        second.contains("cache-status: tidegate; hit; ttl="),
        "{second}"
    );
    assert!(second.contains("\r\nage: "), "{second}");
    let third = paste(tries[2]);
    let counts: Vec<&str> = third.split_whitespace().collect();
    assert_eq!(counts, ["100", "200", "10", "429"], "{third}");
    let fourth = paste(tries[3]);
    assert!(fourth.starts_with("http/1.1 401"), "{fourth}");
    assert!(
        fourth.contains("content-type: application/problem+json"),
        "{fourth}"
    );

    // "Edit and save: it is checked and swapped in without a restart."
    std::fs::write(
        &policy,
        SAMPLE.replace("path_prefix: /admin }", "path_prefix: /echo }"),
    )
    .unwrap();
    wait::until("the saved policy is live", Duration::from_secs(10), || {
        let answer = paste("curl -si localhost:12300/echo");
        if answer.starts_with("http/1.1 401") {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .unwrap();

    // "Ctrl-C stops everything."
    proc::send(run.id(), nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(run.wait().unwrap().success());
    gone(&endpoints.pids.values().copied().collect::<Vec<_>>());
    std::fs::remove_file(policy).unwrap();
}
