use super::*;
use http_body_util::BodyExt as _;

#[tokio::test]
async fn waiting_messages_are_joined_and_the_status_comes_last() {
    let (outbox, mut body) = channel();
    outbox.send(vec![7; 3]).unwrap();
    outbox.send(vec![8; 2]).unwrap();
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
    let (outbox, mut body) = channel();
    let half = MAX_QUEUED / 2 - message::PREFIX;
    outbox.send(vec![0; half]).unwrap();
    outbox.send(vec![0; half]).unwrap();
    assert_eq!(outbox.send(vec![0]), Err(SendError::Full));
    body.frame().await.unwrap().unwrap();
    outbox.send(vec![0]).unwrap();
    drop(body);
    assert_eq!(outbox.send(vec![0]), Err(SendError::Gone));
}

#[tokio::test]
async fn a_stream_given_up_keeps_nothing() {
    let (outbox, mut body) = channel();
    outbox.send(vec![0; 1000]).unwrap();
    outbox.give_up();
    let trailers = body.frame().await.unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["grpc-status"], "8");
}

#[tokio::test]
async fn an_owner_that_is_gone_ends_the_stream_as_unavailable() {
    let (outbox, mut body) = channel();
    drop(outbox);
    let trailers = body.frame().await.unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["grpc-status"], "14");
}
