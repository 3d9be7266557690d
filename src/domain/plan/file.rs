//! The plan file: a plan that cannot be altered without being noticed.
//!
//! Owns: the format `cellctl.plan/v1`, a JSON object `{schema, digest, plan}` where `digest` is the SHA-256 of the
//! bytes of `plan` as they stand in the file. Constraint kept: a file that was edited, cut off or written in a newer
//! format is refused.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::ids::Digest;

use super::types::Plan;

/// The format that this version writes and reads.
pub const SCHEMA: &str = "cellctl.plan/v1";

#[derive(Serialize)]
struct Out<'a> {
    schema: &'a str,
    digest: &'a Digest,
    plan: &'a RawValue,
}

#[derive(Deserialize)]
struct In<'a> {
    schema: String,
    digest: String,
    #[serde(borrow)]
    plan: &'a RawValue,
}

/// Why a text is not a plan that can be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFileError {
    /// It is not a plan at all, or was cut off.
    #[error("it is not a plan, or it was cut off: {0}")]
    Unreadable(String),
    /// It was written in another format.
    #[error("it has format {0:?}; this cellctl reads {SCHEMA:?}")]
    Format(String),
    /// What it says is not what was written.
    #[error("it was altered after it was made: its digest does not match its content")]
    Altered,
}

/// The text of the file, and the digest that names the plan.
pub fn write(plan: &Plan) -> Result<(String, Digest), serde_json::Error> {
    let body = RawValue::from_string(serde_json::to_string(plan)?)?;
    let digest = Digest::of(body.get().as_bytes());
    let mut text = serde_json::to_string(&Out { schema: SCHEMA, digest: &digest, plan: &body })?;
    text.push('\n');
    Ok((text, digest))
}

/// Reads a file's text back.
pub fn read(text: &str) -> Result<(Plan, Digest), PlanFileError> {
    let unreadable = |error: serde_json::Error| PlanFileError::Unreadable(error.to_string());
    let file: In<'_> = serde_json::from_str(text).map_err(unreadable)?;
    if file.schema != SCHEMA {
        return Err(PlanFileError::Format(file.schema));
    }
    let digest = Digest::of(file.plan.get().as_bytes());
    if digest.as_str() != file.digest {
        return Err(PlanFileError::Altered);
    }
    let plan = serde_json::from_str(file.plan.get()).map_err(unreadable)?;
    Ok((plan, digest))
}
