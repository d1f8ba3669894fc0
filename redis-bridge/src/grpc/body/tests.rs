use super::*;
use http_body_util::BodyExt as _;

#[tokio::test]
async fn waiting_messages_are_joined_and_the_status_comes_last() {
    let (outbox, mut body) = channel(&Budget::new(64 << 20));
    outbox.send(&[7; 3]).unwrap();
    outbox.send(&[8; 2]).unwrap();
    outbox.end(Some((Code::Unavailable, "leaving".to_owned())));

    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&data[..], [0, 0, 0, 0, 3, 7, 7, 7, 0, 0, 0, 0, 2, 8, 8]);
    let trailers = body.frame().await.unwrap().unwrap();
    let trailers = trailers.into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "14");
    assert_eq!(trailers["grpc-message"], "leaving");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_slow_reader_is_given_up_at_the_bound_and_served_again_below_it() {
    let (outbox, mut body) = channel(&Budget::new(64 << 20));
    let half = MAX_QUEUED / 2 - message::PREFIX;
    outbox.send(&vec![0; half]).unwrap();
    outbox.send(&vec![0; half]).unwrap();
    assert_eq!(outbox.send(&[0]), Err(SendError::Full));
    body.frame().await.unwrap().unwrap();
    outbox.send(&[0]).unwrap();
    drop(body);
    assert_eq!(outbox.send(&[0]), Err(SendError::Gone));
}

#[tokio::test]
async fn a_stream_given_up_keeps_nothing() {
    let (outbox, mut body) = channel(&Budget::new(64 << 20));
    outbox.send(&vec![0; 1000]).unwrap();
    outbox.give_up();
    let trailers = body.frame().await.unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["grpc-status"], "8");
}

#[tokio::test]
async fn an_owner_that_is_gone_ends_the_stream_as_unavailable() {
    let (outbox, mut body) = channel(&Budget::new(64 << 20));
    drop(outbox);
    let trailers = body.frame().await.unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["grpc-status"], "14");
}

/// What waits is cut and joined into chunks, in order, and every byte of the budget comes back.
#[tokio::test]
async fn large_messages_are_cut_and_count_against_the_budget_of_all() {
    let unread = Budget::new(100_000);
    let ((slow, slow_body), (outbox, mut body)) = (channel(&unread), channel(&unread));
    slow.send(&[1; 80_000]).unwrap();
    assert_eq!(unread.used(), 80_000 + message::PREFIX - FREE);
    assert_eq!(outbox.send(&[2; 80_000]), Err(SendError::Crowded));
    // Who reads in time is answered all the same.
    outbox.send(&[3; 1000]).unwrap();
    assert_eq!((slow.over(), outbox.over()), (80_005 - FREE, 0));
    slow.give_up();
    assert_eq!(unread.used(), 0);
    outbox.send(&[2; 80_000]).unwrap();
    outbox.end(None);
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.unwrap().into_data() else {
            break;
        };
        assert!(data.len() <= CHUNK);
        read.extend_from_slice(&data);
    }
    let prefix = message::prefix(80_000);
    let wanted = [
        &message::prefix(1000)[..],
        &[3; 1000],
        &prefix,
        &[2; 80_000],
    ]
    .concat();
    assert!(read == wanted);
    assert_eq!(unread.used(), 0);
    drop(slow_body);
}
