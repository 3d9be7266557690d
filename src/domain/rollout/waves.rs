//! Which cells are in which wave.
use super::Wave;
use crate::domain::definition::RolloutSpec;
use crate::domain::fleet::Cell;
use crate::domain::ids::CellId;
/// A wave and its cells.
pub struct Made {
    /// The wave.
    pub wave: Wave,
    /// Its cells.
    pub cells: Vec<CellId>,
}
/// A problem.
pub struct Problem {
    /// What.
    pub message: String,
    /// What to do.
    pub hint: String,
}
/// Makes them.
pub fn make(_: &[(&Cell, u64)], _: &RolloutSpec) -> Result<Vec<Made>, Vec<Problem>> {
    Ok(Vec::new())
}
