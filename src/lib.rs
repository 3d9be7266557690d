//! cellctl provisions and operates fleets of cells: full, isolated copies of an application, each for a share of its
//! tenants. `docs/architecture.md` has the map of the modules and the constraints that each keeps.

pub mod aws;
pub mod cli;
pub mod domain;
pub mod fs;
pub mod local;
pub mod ops;
pub mod output;
pub mod ports;
pub mod probe;
pub mod wire;
