//! Rates and widths stay within their bounds.

use proptest::prelude::*;

use super::{Bucket, Gate, HALVE_MS, WAIT_MS, WIDTH, patiently, wait_ms};
use crate::domain::moves::orders::Orders;
use crate::ops::moves::halt::Halt;
use crate::ops::moves::testing::{Stage, error};
use crate::ports::{CallErrorKind, Called};
use std::sync::atomic::{AtomicU32, Ordering};

proptest! {
    #[test]
    fn a_wait_is_within_its_bound(attempt in 0..100_u32, chance in 0.0..1.0_f64) {
        prop_assert!(wait_ms(attempt, chance) < WAIT_MS.0.saturating_mul(1 << attempt.min(16)).min(WAIT_MS.1));
    }

    #[test]
    fn no_second_uses_more_than_the_rate_and_one_request(
        rate in 1..500_u64,
        requests in prop::collection::vec((1..50_u64, 0..2_000_u64), 1..60),
    ) {
        let bucket = Bucket::new(0);
        let (mut now_ms, mut used) = (0, 0);
        for (units, later_ms) in requests {
            now_ms += later_ms;
            while let Some(wait_ms) = bucket.try_take(Some(rate), units, now_ms) {
                prop_assert!(wait_ms > 0);
                now_ms += wait_ms;
            }
            used += units;
            prop_assert!(used <= rate + rate * now_ms / 1000 + 50, "{used} units in {now_ms} ms");
        }
    }

    #[test]
    fn the_gate_never_lets_in_more_than_its_width(acts in prop::collection::vec((0..4_u8, 0..400_u64), 0..200)) {
        let gate = Gate::new();
        let (mut places, mut now_ms) = (Vec::new(), 0);
        for (act, later_ms) in acts {
            now_ms += later_ms;
            match act {
                0 | 1 if gate.try_enter() => {
                    places.push(super::Place { gate: &gate });
                    prop_assert!(places.len() <= gate.lock().places());
                }
                2 => gate.went_well(),
                3 => gate.was_throttled(now_ms),
                _ => _ = places.pop(),
            }
            let limit = gate.lock().limit;
            prop_assert!((1.0..=32.0).contains(&limit));
            prop_assert_eq!(gate.lock().busy, places.len());
        }
    }
}

#[test]
fn a_burst_of_refusals_halves_once() {
    let gate = Gate::new();
    (0..9).for_each(|_| gate.was_throttled(1_000));
    assert_eq!(gate.lock().places(), WIDTH.0 / 2);
    gate.was_throttled(1_000 + HALVE_MS);
    assert_eq!(gate.lock().places(), WIDTH.0 / 4);
}

#[tokio::test(start_paused = true)]
async fn a_new_rate_is_heeded_while_one_waits() {
    let stage = Stage::new().await;
    let context = stage.context();
    let bucket = Bucket::new(context.world.clock.monotonic_ms());
    context.take_orders(Orders { rate: Some(1), ..Orders::default() });
    bucket.take(&context, 1_000).await.expect("nobody ends it");
    let began_ms = context.world.clock.monotonic_ms();
    let faster = async {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        context.take_orders(Orders { rate: Some(10_000), ..Orders::default() });
    };
    let (taken, ()) = futures_util::join!(bucket.take(&context, 1), faster);
    taken.expect("nobody ends it");
    let took_ms = context.world.clock.monotonic_ms() - began_ms;
    assert!((2_000..3_000).contains(&took_ms), "{took_ms}");
}

#[tokio::test(start_paused = true)]
async fn only_what_may_pass_is_tried_again_and_not_for_ever() {
    let stage = Stage::new().await;
    let context = stage.context();
    for (kind, tries) in [(CallErrorKind::Throttled, 10), (CallErrorKind::InDoubt, 10), (CallErrorKind::Denied, 1)] {
        let calls = AtomicU32::new(0);
        let call = || async {
            calls.fetch_add(1, Ordering::Relaxed);
            Called::<()>::Err(error(kind.clone()))
        };
        assert!(patiently(&context, call).await.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), tries, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_units_ends_with_the_step() {
    let stage = Stage::new().await;
    let context = stage.context();
    let bucket = Bucket::new(context.world.clock.monotonic_ms());
    context.take_orders(Orders { rate: Some(1), ..Orders::default() });
    bucket.take(&context, 10_000).await.expect("nobody ends it");
    let began_ms = context.world.clock.monotonic_ms();
    let pause = async {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        context.take_orders(Orders { rate: Some(1), pause: true, ..Orders::default() });
    };
    let (taken, ()) = futures_util::join!(bucket.take(&context, 1), pause);
    assert!(matches!(taken, Err(Halt::Paused)));
    assert!(context.world.clock.monotonic_ms() - began_ms < 3_000);
}
