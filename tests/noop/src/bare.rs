//! The least an exchange can be: one prepared operation, a stream, and the request it holds.
//!
//! No deadline, no retry, no second bridge, no header is read: what remains is what Envoy, the bridge
//! and Redis cost, the floor under every policy that asks Redis.

/// Milliseconds the bridge may take.
const DEADLINE_MS: u32 = 2_000;

/// What is sent, and where to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// Envoy's cluster of bridges.
    pub(crate) cluster: String,
    /// The first frame of a stream.
    pub(crate) hello: Vec<u8>,
    operation: Vec<u8>,
}

impl Exchange {
    /// Reads a plugin's configuration; `None` when it means something else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(text).ok()?;
        let mut words = text.split(' ');
        if words.next() != Some(crate::EXCHANGE) {
            return None;
        }
        Some(Self {
            cluster: words.next()?.to_owned(),
            hello: bytes(words.next()?)?,
            operation: bytes(words.next()?)?,
        })
    }

    /// The exchange of the request in `context`, which is its id.
    pub(crate) fn message(&self, context: u32) -> Vec<u8> {
        let head = format!("*4\r\n+X\r\n:{context}\r\n:{DEADLINE_MS}\r\n*1\r\n");
        [head.as_bytes(), &self.operation].concat()
    }
}

/// The ids of the answers in a message. They are looked for rather than parsed: an answer to a limit
/// holds numbers only, so nothing else looks like the head of one.
pub(crate) fn answered(message: &[u8]) -> Vec<u32> {
    const HEAD: &[u8] = b"*3\r\n+R\r\n:";
    let mut ids = Vec::new();
    let mut rest = message;
    while let Some(at) = rest.windows(HEAD.len()).position(|part| part == HEAD) {
        rest = &rest[at + HEAD.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
        ids.push(digits.fold(0, |id: u32, digit| {
            id.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))
        }));
    }
    ids
}

/// A serialized `GrpcService { envoy_grpc { cluster_name } }`, of fewer than 126 bytes.
pub(crate) fn service(cluster: &str) -> String {
    let length = |n: usize| char::from(u8::try_from(n).unwrap_or(0));
    let inner = length(cluster.len());
    let outer = length(cluster.len() + 2);
    format!("\n{outer}\n{inner}{cluster}")
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| match pair {
        [_, _] => u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok(),
        _ => None,
    };
    hexadecimal.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_what_is_sent() {
        let exchange = Exchange::parse(b"exchange redis-bridge 2a37 2b41").unwrap();
        assert_eq!(exchange.cluster, "redis-bridge");
        assert_eq!(exchange.hello, b"*7");
        let sent = b"*4\r\n+X\r\n:12\r\n:2000\r\n*1\r\n+A";
        assert_eq!(exchange.message(12), sent);
        for other in ["a body", "exchange", "exchange c 2 2b", "exchange c zz 2b"] {
            assert_eq!(Exchange::parse(other.as_bytes()), None, "{other}");
        }
        assert_eq!(service("abc"), "\n\u{5}\n\u{3}abc");
    }

    #[test]
    fn every_answer_of_a_message_is_found() {
        let message = b"*3\r\n+R\r\n:7\r\n*1\r\n*2\r\n:1\r\n:3\r\n*2\r\n+PONG\r\n:1\r\n*3\r\n+R\r\n:812\r\n*0\r\n";
        assert_eq!(answered(message), [7, 812]);
        assert_eq!(answered(b""), [0_u32; 0]);
    }
}
