//! Adapters to AWS, one file for each service.
//!
//! Constraint kept: types of the SDK do not leave this module; every call goes through `call::Caller`, which limits
//! the rate, retries what is safe to retry, and says what an error means.

pub mod artifacts;
pub mod atoms;
pub mod call;
pub mod clients;
pub mod cloudformation;
pub mod control;
mod dynamo;
mod errors;
mod fence_items;
pub mod identity;
mod leased;
pub mod moves;
mod queue_depth;
pub mod rollout;
pub mod shop;
mod stack_values;
pub mod tenants;
