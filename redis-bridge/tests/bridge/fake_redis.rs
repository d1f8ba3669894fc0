//! A Redis that answers scripts wrongly, or not at all.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a script call is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Bytes(&'static [u8]),
    Close,
    Nothing,
}

#[derive(Clone)]
pub(crate) struct FakeRedis {
    pub(crate) port: u16,
    answer: Arc<Mutex<Answer>>,
}

impl FakeRedis {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let fake = Self {
            port: listener.local_addr().unwrap().port(),
            answer: Arc::new(Mutex::new(Answer::Nothing)),
        };
        let accepting = fake.clone();
        tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(io));
            }
        });
        fake
    }

    pub(crate) fn answer_with(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn answer(&self) -> Answer {
        self.answer.lock().unwrap().clone()
    }

    async fn serve(self, mut io: TcpStream) -> std::io::Result<()> {
        let mut input = Vec::new();
        loop {
            let mut output = Vec::new();
            while let Some((verb, used)) = command(&input) {
                input.drain(..used);
                match verb.as_str() {
                    "EVALSHA" | "EVAL" => match self.answer() {
                        Answer::Bytes(bytes) => output.extend(bytes),
                        Answer::Close => return Ok(()),
                        // A frozen server answers nothing that comes after, either.
                        Answer::Nothing => std::future::pending().await,
                    },
                    "TIME" => output.extend(b"*2\r\n$10\r\n1800000000\r\n$1\r\n0\r\n"),
                    "INFO" => output.extend(b"$28\r\nmaxmemory_policy:noeviction\n\r\n"),
                    "PSUBSCRIBE" => output.extend(b"*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n"),
                    "PING" => output.extend(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
                    _ => output.extend(b"+OK\r\n"),
                }
            }
            io.write_all(&output).await?;
            if io.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        }
    }
}

/// The first complete command: its verb and its length.
fn command(input: &[u8]) -> Option<(String, usize)> {
    let mut at = 0;
    let number = |kind: u8, at: &mut usize| -> Option<usize> {
        let rest = &input[*at..];
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        assert_eq!(rest[0], kind);
        *at += end + 2;
        std::str::from_utf8(&rest[1..end]).unwrap().parse().ok()
    };
    let count = number(b'*', &mut at)?;
    let mut verb = String::new();
    for index in 0..count {
        let length = number(b'$', &mut at)?;
        if input.len() < at + length + 2 {
            return None;
        }
        if index == 0 {
            verb = String::from_utf8(input[at..at + length].to_vec())
                .unwrap()
                .to_uppercase();
        }
        at += length + 2;
    }
    Some((verb, at))
}
