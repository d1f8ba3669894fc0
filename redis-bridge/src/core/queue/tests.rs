use super::*;
use crate::script::Script;

fn queue(
    waiting: impl IntoIterator<Item = u32>,
    must: impl IntoIterator<Item = u32>,
) -> Queue<u32> {
    let command = || Command {
        script: Script::ALL[0],
        keys: vec![b"key".to_vec()],
        args: Vec::new(),
    };
    let mut queue = Queue::default();
    for n in waiting {
        queue.push(n, command(), false, Duration::ZERO);
    }
    for n in must {
        queue.push(n, command(), true, Duration::ZERO);
    }
    queue
}

/// After they have waited for long.
fn take(queue: &mut Queue<u32>, room: usize, dead: &[u32]) -> Vec<u32> {
    take_at(queue, room, LONG, dead)
}

fn take_at(queue: &mut Queue<u32>, room: usize, now: Duration, dead: &[u32]) -> Vec<u32> {
    let taken = queue.take(room, now, |n| !dead.contains(n));
    taken.into_iter().map(|(n, _)| n).collect()
}

#[test]
fn while_all_fit_they_go_in_the_order_they_came() {
    let mut queue = queue(0..6, []);
    assert_eq!(take(&mut queue, 6, &[0, 3]), [1, 2, 4, 5]);
    assert_eq!(queue.len(), 0);
}

#[test]
fn when_they_do_not_fit_the_newest_go_and_the_others_keep_waiting() {
    let mut queue = queue(0..6, []);
    assert_eq!(take(&mut queue, 2, &[]), [4, 5]);
    assert_eq!(take(&mut queue, 2, &[3]), [1, 2]);
    assert_eq!(take(&mut queue, 2, &[]), [0]);
}

/// D1: who is a little late would be dead, with the newest first.
#[test]
fn while_nobody_waits_for_long_the_oldest_go() {
    let mut queue = queue(0..6, []);
    assert_eq!(take_at(&mut queue, 2, LONG / 2, &[]), [0, 1]);
    assert_eq!(take_at(&mut queue, 2, LONG, &[]), [4, 5]);
}

#[test]
fn what_must_run_goes_first() {
    let mut queue = queue(0..4, 10..12);
    assert_eq!(take(&mut queue, 3, &[]), [10, 11, 3]);
    assert_eq!(take(&mut queue, 3, &[]), [0, 1, 2]);
}

#[test]
fn who_is_not_waited_for_is_not_held_behind_newer_ones() {
    let mut queue = queue(0..100, []);
    let dead: Vec<u32> = (0..90).collect();
    assert_eq!(take(&mut queue, 4, &dead), [96, 97, 98, 99]);
    assert_eq!(queue.len(), 6);
}

#[test]
fn nothing_but_the_dead_is_nothing() {
    let mut queue = queue(0..4, [10]);
    assert!(take(&mut queue, 2, &[0, 1, 2, 3, 10]).is_empty());
    assert_eq!(queue.len(), 0);
}
