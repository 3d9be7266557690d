//! What a user declares: the fleet and its cells.
//!
//! Owns: the types of `cells/*.yaml`, the JSON Schema that is derived from them, and every check of a definition
//! that needs no template. Constraint kept: a `CellSpec` that left `check` is one that cellctl can render, name and
//! provision; nothing later validates it again.

pub mod check;
mod complaint;
pub mod duration;
mod maps;
mod report;
mod resolve;
pub mod rollout;
pub mod schema;
mod shape;
pub mod types;

pub use check::{Checked, Examined, Settings, assemble, check, examine};
pub use duration::{Millis, Seconds};
pub use report::SourceFile;
pub use rollout::{FirstRegions, GateKind, GateSpec, Rollback, RolloutSpec, WaveSpec, Worse};
pub use schema::{DefinitionKind, schema};
pub use types::{
    Capacity, CellFile, CellMetadata, CellSpec, CellType, FleetFile, FleetMetadata, FleetSpec, Function, Index,
    KeyType, Projection, Queue, QueueTenant, Table, TableTenant, TenantBy,
};
