use super::*;
use http_body_util::BodyExt as _;

#[tokio::test]
async fn waiting_messages_are_joined_and_the_status_comes_last() {
    let (outbox, mut body) = channel(&Budget::new(64 << 20));
    outbox.send(&mut vec![7; 3]).unwrap();
    outbox.send(&mut vec![8; 2]).unwrap();
    outbox.end(Some((Code::Unavailable, "leaving".to_owned())));

    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&data[..], [0, 0, 0, 0, 3, 7, 7, 7, 0, 0, 0, 0, 2, 8, 8]);
    let trailers = body.frame().await.unwrap().unwrap();
    let trailers = trailers.into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "14");
    assert_eq!(trailers["grpc-message"], "leaving");
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_stopped_is_given_up_at_the_bound_and_served_again_below_it() {
    let (outbox, mut body) = channel(&Budget::new(64 << 20));
    let half = MAX_QUEUED / 2 - message::PREFIX;
    outbox.send(&mut vec![0; half]).unwrap();
    outbox.send(&mut vec![0; half]).unwrap();
    tokio::time::advance(STOPPED + Duration::from_millis(1)).await;
    assert_eq!(outbox.send(&mut vec![0]), Err(SendError::Full));
    body.frame().await.unwrap().unwrap();
    outbox.send(&mut vec![0]).unwrap();
    drop(body);
    assert_eq!(outbox.send(&mut vec![0]), Err(SendError::Gone));
}

/// Found by the test of a worker that holds all it may (E11): what five hundred requests had waited for was more than the
/// bound in one moment, the stream was given up, and all of them went to the origin.
#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_may_have_more_than_the_bound_in_one_moment() {
    let (outbox, mut body) = channel(&Budget::new(64 << 20));
    for _ in 0..500 {
        outbox.send(&mut vec![0; 60_000]).unwrap();
    }
    // One that takes something now and then has not stopped, and may have no more than the budget of all.
    for _ in 0..20 {
        tokio::time::advance(STOPPED - Duration::from_millis(1)).await;
        body.frame().await.unwrap().unwrap();
        outbox.send(&mut vec![0; 100]).unwrap();
    }
    tokio::time::advance(STOPPED + Duration::from_millis(1)).await;
    assert_eq!(outbox.send(&mut vec![0]), Err(SendError::Full));
}

#[tokio::test]
async fn a_stream_given_up_keeps_nothing() {
    let (outbox, mut body) = channel(&Budget::new(64 << 20));
    outbox.send(&mut vec![0; 1000]).unwrap();
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
    slow.send(&mut vec![1; 80_000]).unwrap();
    assert_eq!(unread.used(), 80_000 + message::PREFIX - FREE);
    assert_eq!(outbox.send(&mut vec![2; 80_000]), Err(SendError::Crowded));
    // Who reads in time is answered all the same.
    outbox.send(&mut vec![3; 1000]).unwrap();
    assert_eq!(slow.over(), (false, 80_005 - FREE));
    assert_eq!(outbox.over(), (false, 0));
    slow.give_up();
    assert_eq!(unread.used(), 0);
    outbox.send(&mut vec![2; 80_000]).unwrap();
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
