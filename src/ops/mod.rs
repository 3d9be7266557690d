//! Operations: plans carried out over the ports.
//!
//! Constraint kept: an operation knows the domain and the ports, emits events in the past tense, and prints nothing.

pub mod apply;
pub mod audit;
pub mod cells;
pub mod doctor;
pub mod error;
pub mod event;
pub mod init;
pub mod lease;
pub mod map;
pub mod moves;
pub mod observe;
pub mod plan;
pub mod poll;
pub mod rollout;
pub mod shop;
pub mod tenants;

use std::sync::Arc;

use crate::ports::tenants::{AuditLog, Fences, TenantMap};
use crate::ports::{Artifacts, Atoms, Clock, Control, Identities, Packages, Parse, Stacks};

pub use error::{ErrorKind, OpError};
pub use event::{Event, Reporter};

/// Everything that an operation may reach.
#[derive(Clone)]
pub struct World {
    /// CloudFormation.
    pub stacks: Arc<dyn Stacks>,
    /// Who the caller is.
    pub identities: Arc<dyn Identities>,
    /// Tables and queues, to look at.
    pub atoms: Arc<dyn Atoms>,
    /// The artifact buckets.
    pub artifacts: Arc<dyn Artifacts>,
    /// The control table.
    pub control: Arc<dyn Control>,
    /// The tenant map.
    pub map: Arc<dyn TenantMap>,
    /// The fences of the cells.
    pub fences: Arc<dyn Fences>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Function code.
    pub packages: Arc<dyn Packages>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub reporter: Arc<dyn Reporter>,
    /// The reader of templates.
    pub parse: Parse,
}
