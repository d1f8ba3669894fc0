use super::*;
use proptest::prelude::*;

fn encode(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        out.extend_from_slice(&prefix(message.len()));
        out.extend_from_slice(message);
    }
    out
}

fn decode(chunks: impl IntoIterator<Item = Bytes>) -> Result<(Vec<Vec<u8>>, bool), MessageError> {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        while let Some(message) = decoder.next_message()? {
            messages.push(message.to_vec());
        }
    }
    Ok((messages, decoder.partial() > 0))
}

proptest! {
    /// X5: any split of the bytes gives the same messages.
    #[test]
    fn any_split_gives_the_same_messages(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        cuts in prop::collection::vec(1_usize..30, 1..20),
    ) {
        let mut rest = Bytes::from(encode(&messages));
        let mut chunks = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            chunks.push(rest.split_to((*cut).min(rest.len())));
        }
        let (read, partial) = decode(chunks).unwrap();
        prop_assert_eq!(read, messages);
        prop_assert!(!partial);
    }

    #[test]
    fn any_bytes_are_read_or_refused(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let _ = decode(chunks.into_iter().map(Bytes::from));
    }
}

#[test]
fn a_length_over_the_bound_is_refused_before_its_bytes_are_there() {
    let announced = Bytes::copy_from_slice(&[0, 0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(
        decode([announced]),
        Err(MessageError::TooLarge {
            length: 0x7fff_ffff
        })
    );
    let mut largest = prefix(MAX_MESSAGE).to_vec();
    largest.extend(vec![1; MAX_MESSAGE]);
    let (read, _) = decode([Bytes::from(largest)]).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].len(), MAX_MESSAGE);
}

#[test]
fn a_compressed_message_is_refused() {
    assert_eq!(
        decode([Bytes::from_static(&[1, 0, 0, 0, 0])]),
        Err(MessageError::Compressed)
    );
}

#[test]
fn a_message_cut_short_is_seen() {
    let bytes = encode(&[vec![1, 2, 3]]);
    let (read, partial) = decode([Bytes::from(bytes[..7].to_vec())]).unwrap();
    assert!(read.is_empty() && partial);
}
