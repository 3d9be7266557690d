//! The lease that lets one operator change the fleet at a time.
//!
//! Owns: what the lock item says and when it may be taken. Constraint kept: the fencing token only grows, and every
//! write under the lock is conditional on it, so that a holder who lost the lease can write nothing that counts.

use serde::{Deserialize, Serialize};

/// How long a lease lasts without a heartbeat, in milliseconds.
pub const LEASE_MS: i64 = 60_000;
/// How often the holder renews it, in milliseconds: four chances before it runs out.
pub const HEARTBEAT_MS: u64 = 15_000;
/// For how long a signed request may be taken, in milliseconds: AWS takes a signature whose time is up to five minutes off,
/// before or after (IAM user guide, "Elements of an AWS API request signature"), and the sender's clock may be off the
/// other way.
pub const SIGNED_MS: i64 = 600_000;
/// For how long a request may count whose sender is gone, in milliseconds: it is on its way or being carried out. Many
/// times what `BatchWriteItem` takes.
pub const UNDER_WAY_MS: i64 = 3_000;

/// Who holds, or last held, the lock on the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Who: the caller's identity and machine.
    pub holder: String,
    /// What for ("apply of plan 3f2a…").
    pub purpose: String,
    /// Page of the CI run, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_url: Option<String>,
    /// Tells two runs of one holder apart.
    #[serde(default)]
    pub nonce: u64,
    /// The fencing token: one more than that of the lease before.
    pub token: u64,
    /// When it was taken, in milliseconds since 1970.
    pub acquired_at_ms: i64,
    /// When it runs out unless it is renewed, in milliseconds since 1970; 0 once it was given back.
    pub expires_at_ms: i64,
    /// Until when requests without a condition may count that holders before this one have sent, in milliseconds since
    /// 1970. It goes on from holder to holder, so that one who ends without a word hides nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsettled_until_ms: i64,
    /// The process that holds it, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessId>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A process, told apart from every other one of any machine at any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessId {
    /// The run of the kernel that it belongs to.
    pub boot: String,
    /// The space of process numbers that it sees.
    pub space: String,
    /// Its number.
    pub pid: u32,
    /// When it began, in ticks since the kernel did: a number may be given twice.
    pub started: u64,
}

impl Lease {
    /// Whether somebody holds it at `now_ms`.
    pub fn is_held(&self, now_ms: i64) -> bool {
        self.expires_at_ms > now_ms
    }
}
