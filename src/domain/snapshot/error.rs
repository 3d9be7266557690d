//! What can be wrong with a snapshot.

use crate::domain::ids::{CellId, TenantId};

use super::{CELLS_MAX, FORMAT, LINE_BYTES_MAX};

/// What is wrong, and at which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct SnapshotError {
    /// The line, from 1; for a file that was cut off, the last one that is whole.
    pub line: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a line, or with the file at its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is something else.
    #[error("this is no snapshot of a tenant map: its first line does not say cellctl.map")]
    NotSnapshot,
    /// A later version of cellctl has written it.
    #[error("the snapshot has format {0}, and this version of cellctl reads up to {FORMAT}")]
    Newer(String),
    /// A line is longer than any that is written.
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// A line does not say what such a line must.
    #[error("the line is not valid: {0}")]
    Malformed(String),
    /// Two lines are in the wrong order.
    #[error("{tenant} stands after {after}, and names must ascend")]
    Disorder {
        /// The tenant of this line.
        tenant: TenantId,
        /// The one before.
        after: TenantId,
    },
    /// A tenant stands there twice.
    #[error("{0} stands there twice")]
    Duplicate(TenantId),
    /// A cell is told twice.
    #[error("cell {0} is told twice")]
    CellTwice(CellId),
    /// A tenant names a cell that was not told.
    #[error("the tenant names cell {0}, which no line before tells")]
    CellUnknown(CellId),
    /// More cells than any fleet has.
    #[error("there are more than {CELLS_MAX} cells")]
    TooManyCells,
    /// The file ends before its trailer.
    #[error("{}", cut_off(.0.as_ref()))]
    CutOff(Option<TenantId>),
    /// Something stands behind the trailer.
    #[error("something stands behind the last line of the snapshot")]
    AfterEnd,
    /// The trailer counts other tenants.
    #[error("the trailer says {said} tenants, and there are {counted}")]
    Count {
        /// What it says.
        said: u64,
        /// What there are.
        counted: u64,
    },
    /// The bytes are not those that were written.
    #[error("the checksum differs: the file was edited or damaged")]
    Checksum,
}

fn cut_off(last: Option<&TenantId>) -> String {
    let last = last.map_or_else(|| "before the first tenant".to_owned(), |tenant| format!("after tenant {tenant}"));
    format!("the file was cut off {last}; no line after this is whole")
}

impl Fault {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotSnapshot => "make one with `cellctl map export -o FILE`",
            Self::Newer(_) => "upgrade cellctl",
            Self::CutOff(_) => "get the whole file again, or use another snapshot; nothing of this one is used",
            _ => "use an unchanged copy, or another snapshot; nothing of this one is used",
        }
    }
}
