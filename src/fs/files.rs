//! Files that cellctl writes: whole or not at all.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Largest plan file that is read, in bytes: 10,000 cells with as many templates stay below it.
const PLAN_BYTES_MAX: u64 = 1 << 30;

/// Writes a file in one step: a full disk or a kill leaves the old one, or none.
pub fn write_atomically(path: &Path, text: &str) -> std::io::Result<()> {
    staged(path, text)?.persist(path).map(drop).map_err(|error| error.error)
}

/// Writes a file that must not be there yet.
pub fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    staged(path, text)?.persist_noclobber(path).map(drop).map_err(|error| error.error)
}

/// A file that is written in pieces. It appears in its place, whole, when it is kept; dropped, it leaves nothing.
pub struct Staged {
    file: NamedTempFile,
    path: PathBuf,
}

impl Staged {
    /// Begins a file.
    pub fn new(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: beside(path)?, path: path.to_owned() })
    }

    /// Puts the file in its place, over an old one.
    pub fn keep(self) -> std::io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map(drop).map_err(|error| error.error)
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file that is too large to be held.
pub fn open(path: &Path) -> std::io::Result<BufReader<File>> {
    const BUFFER_BYTES: usize = 256 * 1024;
    Ok(BufReader::with_capacity(BUFFER_BYTES, File::open(path)?))
}

/// An empty file beside the place of another. A device or a pipe in that place would be replaced by a file.
fn beside(path: &Path) -> std::io::Result<NamedTempFile> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(std::io::Error::other("it is there and is no regular file"));
    }
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".cellctl-").tempfile_in(dir)
}

/// The whole text on disk beside its place; it goes away unless it is put there.
fn staged(path: &Path, text: &str) -> std::io::Result<NamedTempFile> {
    let mut file = beside(path)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Reads a plan file.
pub fn read_bounded(path: &Path) -> std::io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > PLAN_BYTES_MAX {
        return Err(std::io::Error::other(format!("it has {size} bytes, more than {PLAN_BYTES_MAX}")));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("plan.json");
        write_atomically(&path, "old").expect("first");
        assert!(write_atomically(&dir.path().join("missing/plan.json"), "new").is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "old");
        assert!(write_new(&path, "new").is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "old");
        let mut pieces = Staged::new(&path).expect("begun");
        pieces.write_all(b"ne").expect("written");
        drop(pieces);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "old");
        assert!(write_atomically(Path::new("/dev/null"), "new").is_err(), "a device stays a device");
        let leftovers = std::fs::read_dir(dir.path()).expect("list").count();
        assert_eq!(leftovers, 1);
    }
}
