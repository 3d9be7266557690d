//! `cellctl cell create --like`: a new definition after an existing one.
//!
//! Constraint kept: the file is the model's text with another name, comments and all; nothing that is there is
//! overwritten.

use std::path::PathBuf;

use crate::domain::ids::CellId;
use crate::fs::{files, yaml};
use crate::ops::{ErrorKind, OpError};

use super::Session;
use super::context;
use super::plan::cannot_write;

/// Writes the definition of `cell` after that of `model`; gives the file.
pub fn write(session: &Session, cell: &CellId, model: &CellId) -> Result<PathBuf, OpError> {
    let fleet = context::fleet(session)?;
    let model = context::one(&fleet, model)?;
    if fleet.cell(cell).is_some() {
        return Err(OpError::new(ErrorKind::Refused, format!("cell {cell} has a definition already"))
            .hint(format!("leave --like out: `cellctl cell create {cell}`")));
    }
    let text = std::fs::read_to_string(&model.file)
        .map_err(|error| OpError::new(ErrorKind::Failed, format!("cannot read {}: {error}", model.file)))?;
    let renamed = rename(&text, cell).ok_or_else(|| {
        OpError::new(ErrorKind::Failed, format!("cannot find metadata.name in {}", model.file))
            .hint("copy the file by hand")
    })?;
    let path = session.global.cells.join(format!("{cell}.yaml"));
    files::write_new(&path, &renamed).map_err(|error| cannot_write(&path, &error))?;
    Ok(path)
}

/// The text with another `metadata.name`, replaced where it stands.
fn rename(text: &str, cell: &CellId) -> Option<String> {
    let document = yaml::parse(text).ok()?;
    let name = document.get("metadata")?.get("name")?;
    let (old, at) = (name.as_str()?, name.at);
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let line = lines.get_mut(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
    let skipped = usize::try_from(at.column).ok()?.checked_sub(1)?;
    let start = line.char_indices().nth(skipped).map(|(index, _)| index)?;
    let found = line[start..].find(old)? + start;
    line.replace_range(found..found + old.len(), cell.as_str());
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_changes() {
        let cell: CellId = "cell-9".parse().expect("valid");
        for (text, wanted) in [
            (
                "# cell-1\nmetadata: { name: cell-1, labels: { twin: cell-1 } }\n",
                "# cell-1\nmetadata: { name: cell-9, labels: { twin: cell-1 } }\n",
            ),
            ("metadata:\n  name: \"cell-1\" # the first\n", "metadata:\n  name: \"cell-9\" # the first\n"),
        ] {
            assert_eq!(rename(text, &cell).as_deref(), Some(wanted));
        }
        assert_eq!(rename("kind: Cell\n", &cell), None);
    }
}
