//! Each mutant must be caught by its checker within some seeds, or that checker proves nothing.

use super::story;
use crate::{Mutant, Options, run};

/// Seeds a mutant may survive. The rarest is seen by 15 of 400, so that 40 all miss it once in five times, and every
/// change of what is drawn is another time; 200 do once in two thousand.
const WITHIN: u64 = 200;

fn caught(mutant: Mutant, by: &[&str]) {
    let mut others = Vec::new();
    for seed in 0..WITHIN {
        let report = run(Options {
            mutant: Some(mutant),
            ..Options::of_seed(seed)
        });
        let Some(violation) = &report.violation else {
            continue;
        };
        if by.iter().any(|by| violation.starts_with(by)) {
            return;
        }
        others.push(story(&report));
    }
    panic!("{mutant:?} survived {by:?} for {WITHIN} seeds; others saw {others:#?}");
}

#[test]
fn r1_a_forgotten_window() {
    caught(Mutant::ForgetWindow, &["R1"]);
}

#[test]
fn r2_a_forgotten_bucket() {
    caught(Mutant::ForgetBucket, &["R2"]);
}

#[test]
fn r1_a_charge_that_is_not_kept() {
    caught(Mutant::Uncharged, &["R1"]);
}

#[test]
fn r3_a_forgotten_log() {
    caught(Mutant::ForgetLog, &["R3"]);
}

#[test]
fn r5_forgotten_slots() {
    caught(Mutant::ForgetSlots, &["R5"]);
}

#[test]
fn r5_a_slot_that_is_kept() {
    caught(Mutant::SlotKept, &["R5"]);
}

#[test]
fn r5_slots_that_leak() {
    caught(Mutant::SlotsLeak, &["R5"]);
}

#[test]
fn r6_forgotten_turns() {
    caught(Mutant::ForgetTurns, &["R6"]);
}

#[test]
fn r6_an_answer_before_its_turn() {
    caught(Mutant::NoTurns, &["R6"]);
}

#[test]
fn r10_a_cost_that_is_hidden() {
    caught(Mutant::HiddenCost, &["R10"]);
}

#[test]
fn r10_more_given_back_than_taken() {
    caught(Mutant::ReturnMore, &["R10"]);
}

#[test]
fn r11_a_lease_spent_twice() {
    caught(Mutant::LeaseTwice, &["R11"]);
}

#[test]
fn r12_a_denial_believed_too_long() {
    caught(Mutant::DeniedTooLong, &["R12"]);
}

#[test]
fn r12_resets_nobody_hears_of() {
    caught(Mutant::WordsLost, &["R12"]);
}

#[test]
fn r13_a_clock_of_the_bridge() {
    let differs = (0..WITHIN).any(|seed| {
        let options = Options {
            mutant: Some(Mutant::BridgeClock),
            ..Options::of_seed(seed)
        };
        let other = Options {
            clocks: seed + 1000,
            ..options.clone()
        };
        run(options).verdicts != run(other).verdicts
    });
    assert!(differs);
}

#[test]
fn s1_sessions_without_an_end() {
    caught(Mutant::SessionsNeverEnd, &["S1"]);
}

#[test]
fn s2_a_revocation_acknowledged_undone() {
    caught(Mutant::AckRevokeUndone, &["S2"]);
}

#[test]
fn s3_a_look_up_that_creates() {
    caught(Mutant::TouchCreates, &["S3"]);
}

#[test]
fn s7_a_successor_that_is_forgotten() {
    caught(Mutant::SuccessorForgotten, &["S7"]);
}

#[test]
fn s8_the_last_change_wins() {
    caught(Mutant::UpdateLastWins, &["S8"]);
}

#[test]
fn s4_unknown_told_as_absent() {
    caught(Mutant::UnknownIsAbsent, &["S4"]);
}

#[test]
fn c1_an_invalidation_acknowledged_undone() {
    caught(Mutant::AckInvalidateUndone, &["C1"]);
}

#[test]
fn c1_invalidations_that_workers_are_not_told() {
    caught(Mutant::InvalidationsUnsaid, &["C1"]);
}

#[test]
fn c2_gaps_that_nobody_sees() {
    caught(Mutant::GapsUnseen, &["C1"]);
}

#[test]
fn c3_a_store_without_its_lease() {
    caught(Mutant::StoreWithoutLease, &["C1"]);
}

#[test]
fn c4_the_body_of_another_request() {
    caught(Mutant::SwapBodies, &["C4"]);
}

#[test]
fn c6_a_body_cut_short() {
    caught(Mutant::TruncatedIsComplete, &["C6"]);
}

#[test]
fn x1_a_reply_for_another_exchange() {
    caught(Mutant::SwapReplies, &["X1"]);
}

#[test]
fn x8_an_exchange_sent_again() {
    caught(Mutant::SendAgain, &["X8"]);
}

#[test]
fn x10_a_request_resumed_twice() {
    caught(Mutant::ResumeTwice, &["X10"]);
}

#[test]
fn x11_a_key_without_ttl() {
    caught(Mutant::WithoutTtl, &["X11"]);
}

#[test]
fn l1_ticks_that_stop() {
    caught(Mutant::TicksStop, &["L1"]);
}
