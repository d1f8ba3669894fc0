use super::super::faults::Direction;
use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An echo server behind a link; connections to the link.
struct Bench {
    link: Arc<Link>,
    address: String,
}

impl Bench {
    async fn new() -> Self {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = echo.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = echo.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _end = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let spec = LinkSpec {
            name: "l".into(),
            listen: address.clone(),
            target,
        };
        let link = Arc::new(Link::new(spec));
        let listener = link.listen().await.unwrap();
        tokio::spawn(Arc::clone(&link).run(listener));
        Self { link, address }
    }

    fn up(&self, up: Direction) {
        self.link.set(Faults {
            up,
            ..Faults::default()
        });
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }
}

async fn echoed(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await?;
    Ok(back)
}

async fn silent(stream: &mut TcpStream) -> bool {
    let mut one = [0; 1];
    tokio::time::timeout(Duration::from_millis(200), stream.read(&mut one))
        .await
        .is_err()
}

#[tokio::test]
async fn without_faults_everything_passes_and_ends_in_order() {
    let bench = Bench::new().await;
    let mut stream = bench.connect().await;
    let bytes: Vec<u8> = (0..200_000)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect();
    let (mut from, mut to) = stream.split();
    let send = async {
        to.write_all(&bytes).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (_, read) = tokio::join!(send, from.read_to_end(&mut back));
    read.unwrap();
    assert_eq!(back, bytes);
    assert_eq!(bench.link.describe()["accepted"], 1);
}

#[tokio::test]
async fn a_delay_delays() {
    let bench = Bench::new().await;
    let mut stream = bench.connect().await;
    bench.up(Direction {
        delay_ms: 100,
        ..Direction::default()
    });
    let before = tokio::time::Instant::now();
    echoed(&mut stream, b"x").await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_stall_holds_live_connections_and_healing_lets_go() {
    let bench = Bench::new().await;
    let mut stream = bench.connect().await;
    echoed(&mut stream, b"a").await.unwrap();
    bench.up(Direction {
        stall: true,
        ..Direction::default()
    });
    stream.write_all(b"b").await.unwrap();
    assert!(silent(&mut stream).await);
    bench.up(Direction::default());
    let mut one = [0; 1];
    stream.read_exact(&mut one).await.unwrap();
    assert_eq!(&one, b"b");
}

#[tokio::test]
async fn counts_begin_when_the_fault_is_set() {
    let bench = Bench::new().await;
    let mut stream = bench.connect().await;
    echoed(&mut stream, b"12345678").await.unwrap();
    bench.up(Direction {
        corrupt_at: Some(2),
        slice: true,
        ..Direction::default()
    });
    assert_eq!(
        echoed(&mut stream, b"abcd").await.unwrap(),
        [b'a', b'b', !b'c', b'd']
    );
    bench.up(Direction {
        drop_after: Some(3),
        ..Direction::default()
    });
    stream.write_all(b"abcdef").await.unwrap();
    let mut three = [0; 3];
    stream.read_exact(&mut three).await.unwrap();
    assert_eq!(&three, b"abc");
    assert!(silent(&mut stream).await);
}

#[tokio::test]
async fn what_is_done_to_one_connection_is_not_done_to_the_others() {
    let bench = Bench::new().await;
    let mut first = bench.connect().await;
    assert_eq!(echoed(&mut first, b"a").await.unwrap(), b"a");
    let mut second = bench.connect().await;
    assert_eq!(echoed(&mut second, b"a").await.unwrap(), b"a");
    assert_eq!(bench.link.describe()["live"], serde_json::json!([0, 1]));
    bench.link.set(Faults {
        only: Some(1),
        down: Direction {
            stall: true,
            ..Direction::default()
        },
        ..Faults::default()
    });
    second.write_all(b"b").await.unwrap();
    assert!(silent(&mut second).await);
    assert_eq!(echoed(&mut first, b"b").await.unwrap(), b"b");
    bench.link.set(Faults::default());
    let mut late = [0; 1];
    second.read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"b");
}

#[tokio::test]
async fn resets_are_resets() {
    let bench = Bench::new().await;
    let mut stream = bench.connect().await;
    bench.up(Direction {
        reset_after: Some(2),
        ..Direction::default()
    });
    stream.write_all(b"abcd").await.unwrap();
    let mut back = Vec::new();
    let end = stream.read_to_end(&mut back).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);

    bench.up(Direction::default());
    let mut stream = bench.connect().await;
    echoed(&mut stream, b"a").await.unwrap();
    bench.link.reset();
    let end = stream.read(&mut [0; 1]).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn new_connections_are_refused_held_or_reset() {
    let bench = Bench::new().await;
    let accept = |accept| {
        bench.link.set(Faults {
            accept,
            ..Faults::default()
        })
    };
    accept(Accept::Hold);
    let mut held = bench.connect().await;
    held.write_all(b"x").await.unwrap();
    assert!(silent(&mut held).await);

    accept(Accept::Reset);
    let mut reset = bench.connect().await;
    assert!(reset.read(&mut [0; 1]).await.is_err());

    accept(Accept::Refuse);
    let refused = async {
        while TcpStream::connect(&bench.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused)
        .await
        .unwrap();

    accept(Accept::Pass);
    let served = async {
        loop {
            if let Ok(mut stream) = TcpStream::connect(&bench.address).await {
                break echoed(&mut stream, b"x").await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(5), served)
            .await
            .unwrap(),
        b"x"
    );
}

#[tokio::test]
async fn connections_share_the_rate_of_their_link() {
    let bench = Bench::new().await;
    bench.up(Direction {
        bytes_per_s: 100_000,
        ..Direction::default()
    });
    let (mut one, mut other) = (bench.connect().await, bench.connect().await);
    let begun = crate::wait::now();
    let bytes = vec![7; 10_000];
    let (first, second) = tokio::join!(echoed(&mut one, &bytes), echoed(&mut other, &bytes));
    assert_eq!((first.unwrap(), second.unwrap()), (bytes.clone(), bytes));
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(190),
        "{took:?} for 20,000 bytes"
    );
}
