//! A batch as one pipeline of EVALSHA on one connection.

use super::convert;
use crate::core::{BackendError, Command, Value};
use crate::script::Script;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, cmd};

/// How often a script that is not there is loaded for one command.
pub const LOADS: usize = 3;

/// What a batch came to.
#[derive(Debug)]
pub struct Ran {
    /// One value for each command, in order. Errors of single commands are values.
    pub values: Vec<Value>,
    /// The connection failed on the way and must not be used any more.
    pub broken: bool,
}

/// Runs `commands`.
///
/// A script that Redis does not know is loaded on this connection and its commands run again, only
/// those: NOSCRIPT says that nothing was executed. Some times over, for it may be gone once more (someone
/// flushes scripts without pause). Never by EVAL, which the bridge's user may not run.
///
/// # Errors
///
/// The connection failed before the first replies; it must not be used any more. A later failure is an
/// error line of the commands it hit: the others have their answers.
pub async fn run<C: ConnectionLike>(
    connection: &mut C,
    commands: &[Command],
) -> Result<Ran, BackendError> {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        pipeline.add_command(evalsha(command));
    }
    let sent = connection
        .req_packed_commands(&pipeline, 0, commands.len())
        .await;
    let mut values = sent.map_err(|e| convert::link_error(&e))?;
    if values.len() != commands.len() {
        return Err(BackendError::Down);
    }
    let broken = rerun(connection, commands, &mut values).await.is_err();
    let values = values.into_iter().map(convert::value).collect();
    Ok(Ran { values, broken })
}

/// Runs commands whose slot is on its way to the server at the other end: each behind ASKING, which holds for one
/// command, and behind its script, which may not be there yet.
///
/// # Errors
///
/// The connection failed.
pub async fn run_asking<C: ConnectionLike>(
    connection: &mut C,
    commands: &[Command],
) -> Result<Vec<Value>, BackendError> {
    let mut pipeline = Pipeline::with_capacity(commands.len() * 3);
    for command in commands {
        pipeline.add_command(load(command.script.source()));
        pipeline.cmd("ASKING");
        pipeline.add_command(evalsha(command));
    }
    let sent = connection
        .req_packed_commands(&pipeline, 0, commands.len() * 3)
        .await;
    let values = sent.map_err(|e| convert::link_error(&e))?;
    let answers = values.into_iter().skip(2).step_by(3);
    Ok(answers.map(convert::value).collect())
}

/// Runs the commands whose script was not there.
async fn rerun<C: ConnectionLike>(
    connection: &mut C,
    commands: &[Command],
    values: &mut [redis::Value],
) -> redis::RedisResult<()> {
    for _ in 0..LOADS {
        let missing: Vec<usize> = (0..values.len().min(commands.len()))
            .filter(|&at| values.get(at).is_some_and(convert::is_noscript))
            .collect();
        if missing.is_empty() {
            break;
        }
        let again: Vec<&Command> = missing.iter().filter_map(|&at| commands.get(at)).collect();
        let (pipeline, skip) = load_and_run(&again);
        // On failure the NOSCRIPT stays: an error of these operations, retried by nobody.
        let replies = connection
            .req_packed_commands(&pipeline, skip, again.len())
            .await?;
        for (at, reply) in missing.into_iter().zip(replies) {
            if let Some(value) = values.get_mut(at) {
                *value = reply;
            }
        }
    }
    Ok(())
}

fn load_and_run(commands: &[&Command]) -> (Pipeline, usize) {
    let mut pipeline = Pipeline::new();
    let mut loaded = Vec::new();
    for command in commands {
        if !loaded.contains(&command.script) {
            loaded.push(command.script);
            pipeline.add_command(load(command.script.source()));
        }
    }
    for command in commands {
        pipeline.add_command(evalsha(command));
    }
    (pipeline, loaded.len())
}

/// `SCRIPT LOAD`.
pub fn load(source: &str) -> Cmd {
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(source);
    load
}

/// `SCRIPT EXISTS` of these.
pub fn exist(scripts: &[Script]) -> Cmd {
    let mut exist = cmd("SCRIPT");
    exist.arg("EXISTS");
    for script in scripts {
        exist.arg(script.sha1());
    }
    exist
}

/// Which of these are not there, as that was answered: all when the answer says nothing of it.
pub fn missing<'a>(
    scripts: &'a [Script],
    answer: &'a redis::Value,
) -> impl Iterator<Item = Script> + 'a {
    let known = answer.as_sequence().unwrap_or_default();
    let is_there = |at: usize| known.get(at) == Some(&redis::Value::Int(1));
    let scripts = scripts.iter().copied().enumerate();
    scripts.filter_map(move |(at, script)| (!is_there(at)).then_some(script))
}

/// `EVALSHA sha numkeys key* arg*`.
pub fn evalsha(command: &Command) -> Cmd {
    let (verb, script) = ("EVALSHA", command.script.sha1());
    let bytes = command
        .keys
        .iter()
        .chain(&command.args)
        .map(Vec::len)
        .sum::<usize>();
    let count = command.keys.len() + command.args.len() + 3;
    let mut call = Cmd::with_capacity(count, verb.len() + script.len() + bytes + 4);
    call.arg(verb).arg(script).arg(command.keys.len());
    for text in command.keys.iter().chain(&command.args) {
        call.arg(text.as_slice());
    }
    call
}
