//! Reads a directory of definitions and has the domain check them.
//!
//! Owns: which files count as definitions. Constraint kept: sizes and numbers are bounded, and a file's text and tree
//! are dropped as soon as the file was examined, so memory follows the definitions and not their text.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::domain::definition::{self, Examined, Settings, SourceFile};
use crate::domain::finding::Finding;
use crate::domain::fleet::Fleet;
use crate::fs::yaml;

/// Bytes that one definition may have; a cell with fifty atoms has some 20 KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Files that a directory may hold: twice the largest fleet.
const FILES_MAX: usize = 20_000;

/// A directory's definitions, in order.
#[derive(Debug)]
pub struct Loaded {
    /// The fleet.
    pub fleet: Fleet,
    /// Findings that refuse nothing, sorted by file and line.
    pub warnings: Vec<Finding>,
}

/// Why a directory gives no fleet.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The directory is not to be had.
    #[error("cannot read the definitions in {}: {reason}; {hint}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// Something is wrong with the files: all findings, with the warnings, sorted by file and line.
    #[error("the definitions have findings ({})", .0.len())]
    Findings(Vec<Finding>),
}

/// Reads `fleet.yaml` and every other `*.yaml` and `*.yml` of `dir`, in parallel, and checks them. Folders and hidden
/// files are left out; links are followed.
pub fn load(dir: &Path) -> Result<Loaded, LoadError> {
    let (fleets, cells): (Vec<PathBuf>, Vec<PathBuf>) =
        list(dir)?.into_iter().partition(|path| path.file_stem().is_some_and(|stem| stem == "fleet"));
    let mut examined: Vec<Examined> = fleets.iter().map(|path| examine(path, None)).collect();
    let settings = examined.iter().find_map(Examined::settings);
    let of_cells: Vec<Examined> = cells.par_iter().map(|path| examine(path, settings)).collect();
    examined.extend(of_cells);
    let checked = definition::assemble(examined).map_err(LoadError::Findings)?;
    Ok(Loaded { fleet: checked.fleet, warnings: checked.warnings })
}

/// The definition files of a directory, sorted.
fn list(dir: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let fail = |reason: String, hint| LoadError::Io { path: dir.to_owned(), reason, hint };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| fail(error.to_string(), directory_hint(&error)))? {
        let path = entry.map_err(|error| fail(error.to_string(), directory_hint(&error)))?.path();
        if !is_definition(&path) {
            continue;
        }
        if paths.len() == FILES_MAX {
            let hint = "split the fleet into several, each with a directory of its own";
            return Err(fail(format!("it holds more than {FILES_MAX} files"), hint));
        }
        paths.push(path);
    }
    if paths.is_empty() {
        let hint = "write fleet.yaml and a file for each cell there, or name another directory with --cells";
        return Err(fail("it holds no *.yaml file".to_owned(), hint));
    }
    paths.sort();
    Ok(paths)
}

fn directory_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "create it, change to the folder that holds it, or name another with --cells DIR",
        io::ErrorKind::PermissionDenied => {
            "give yourself the right to read it (chmod u+rx), or name another with --cells DIR"
        }
        io::ErrorKind::NotADirectory => "name the directory that holds the files with --cells DIR",
        _ => "name a directory with --cells DIR",
    }
}

/// Whether a path is named like a definition and is no folder. A link that leads nowhere counts, so that it is told.
fn is_definition(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    !hidden && yaml && !path.is_dir()
}

/// Reads, parses and checks one file.
fn examine(path: &Path, settings: Settings<'_>) -> Examined {
    let name = path.display().to_string();
    let text = match read(path) {
        Ok(text) => text,
        Err((reason, hint)) => {
            return Examined::unreadable(Finding::error("unreadable", name, reason).hint(hint));
        }
    };
    let parsed = yaml::parse(&text).map_err(|error| (error.at, error.message));
    definition::examine(&SourceFile { path: name, text, parsed }, settings)
}

/// A file's text, or what is wrong with it and what to do.
fn read(path: &Path) -> Result<String, (String, &'static str)> {
    let broken = |error: &io::Error| (format!("the file cannot be read: {error}"), file_hint(error));
    // Looked at before it is opened: to open a pipe would wait for a writer.
    let metadata = std::fs::metadata(path).map_err(|error| broken(&error))?;
    if !metadata.is_file() {
        return Err(("this is not a file".to_owned(), "keep files and links to files only in this directory"));
    }
    let file = std::fs::File::open(path).map_err(|error| broken(&error))?;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(FILE_BYTES_MAX)).unwrap_or(0) + 1);
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("the file has more than {FILE_BYTES_MAX} bytes");
        return Err((reason, "a definition is far smaller; move what is no definition elsewhere"));
    }
    String::from_utf8(bytes).map_err(|_| ("the file is not UTF-8 text".to_owned(), "save it as UTF-8"))
}

fn file_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "give yourself the right to read it: chmod u+r",
        io::ErrorKind::NotFound => "the link leads nowhere: mend or remove it",
        _ => "check the disk and the file's rights",
    }
}

#[cfg(test)]
mod tests;
