use super::*;

#[tokio::test]
async fn only_the_failed_generation_is_retired() {
    let link = Link::new();
    assert!(link.get().is_none());
    let first = link.install('a');
    link.retire(first);
    assert!(link.get().is_none());
    link.wait_retired().await;

    let second = link.install('b');
    link.retire(first);
    assert_eq!(
        link.get(),
        Some((second, 'b')),
        "a late failure of the first"
    );
}
