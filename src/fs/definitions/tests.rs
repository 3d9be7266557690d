//! Tests of the definitions from text to findings. They are here, and not beside the checks, because the domain does
//! not name the YAML reader.

mod directory;
mod meaning;
mod properties;
mod rollout;
mod shape;

use crate::domain::definition::{Checked, SourceFile, check};
use crate::domain::finding::Finding;
use crate::fs::yaml;

/// A fleet with nothing optional but the template and the account.
pub(super) const FLEET: &str = "apiVersion: cellctl/v1\nkind: Fleet\nmetadata: { name: shop }\nspec:\n  region: eu-central-1\n  template: serverless\n  account: \"111122223333\"\n";

/// The first six lines of a cell: what follows is line 7 of the file, in the spec.
pub(super) const CELL: &str = "apiVersion: cellctl/v1\nkind: Cell\nmetadata: { name: cell-1 }\nspec:\n  type: shared\n  capacity: { tenants: 5 }\n";

pub(super) fn source(path: &str, text: &str) -> SourceFile {
    let parsed = yaml::parse(text).map_err(|error| (error.at, error.message));
    SourceFile { path: path.to_owned(), text: text.to_owned(), parsed }
}

pub(super) fn check_texts(files: &[(&str, &str)]) -> Result<Checked, Vec<Finding>> {
    check(&files.iter().map(|(path, text)| source(path, text)).collect::<Vec<_>>())
}

/// Everything that is found in one cell beside the plain fleet, warnings too.
pub(super) fn findings_of(cell: &str) -> Vec<Finding> {
    match check_texts(&[("cells/fleet.yaml", FLEET), ("cells/cell-1.yaml", cell)]) {
        Ok(checked) => checked.warnings,
        Err(findings) => findings,
    }
}

/// What a text must give: one finding with this code, place, and parts of its message and hint.
pub(super) struct Case(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) (u32, u32),
    pub(super) &'static str,
    pub(super) &'static str,
);

impl Case {
    /// Asserts that `findings` is exactly what the case says.
    pub(super) fn assert(&self, findings: &[Finding]) {
        let Self(text, code, (line, column), message, hint) = self;
        let [only] = findings else { panic!("{text}\ngives {} findings: {findings:#?}", findings.len()) };
        assert_eq!((only.code, only.line, only.column), (*code, *line, *column), "{text}\n{only:#?}");
        assert!(only.message.contains(message), "{text}\n{only:#?}");
        assert!(only.hint.as_deref().unwrap_or_default().contains(hint), "{text}\n{only:#?}");
    }
}
