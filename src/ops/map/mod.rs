//! Operations on the whole tenant map.

pub mod stream;
