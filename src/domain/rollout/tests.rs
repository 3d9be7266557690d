//! The state machine, driven by hand.

use super::RolloutId;

#[test]
fn a_rollout_is_named_by_its_number() {
    assert_eq!("12".parse(), Ok(RolloutId(12)));
    assert!(
        "0".parse::<RolloutId>().is_err() && "-1".parse::<RolloutId>().is_err() && "x".parse::<RolloutId>().is_err()
    );
}
