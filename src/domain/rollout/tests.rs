//! The state machine, driven by hand.

use super::*;
