//! Packages a function's folder as the zip file that Lambda takes.
//!
//! Constraint kept: the same files give the same package on every machine, whatever their times, owners and order on
//! disk. The digest is that of the files, not of the zip file, so that another version of the compressor, or another
//! processor, does not make every cell look changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::domain::definition::Function;
use crate::domain::finding::Finding;
use crate::domain::fleet::Fleet;
use crate::domain::ids::Digest;

/// Bytes of a zip file that Lambda takes (Lambda quotas: 50 MB).
const ZIPPED_BYTES_MAX: usize = 50 * 1024 * 1024;
/// Bytes of all files of a function (Lambda quotas: 250 MB).
const UNZIPPED_BYTES_MAX: u64 = 250 * 1024 * 1024;
/// Files of a function; a large dependency tree has some 10,000.
const FILES_MAX: usize = 50_000;
/// Levels of folders.
const DEPTH_MAX: usize = 64;
/// Folders and files that are no part of a function.
const SKIPPED: [&str; 3] = ["__pycache__", ".git", ".DS_Store"];

/// A function's code, ready to be uploaded.
#[derive(Debug)]
pub struct Package {
    /// The zip file.
    pub bytes: Vec<u8>,
    /// Digest of the files' paths, modes and contents; names the package.
    pub digest: Digest,
}

/// Packages the functions of a fleet. Remembers digests and file names, not packages: those may be large.
pub struct Packager {
    root: PathBuf,
    known: Mutex<BTreeMap<String, Result<Contents, Finding>>>,
}

/// What is remembered of a folder.
#[derive(Debug, Clone)]
struct Contents {
    digest: Digest,
    files: BTreeSet<String>,
}

/// One file of a function.
struct Entry {
    /// Path below the folder, with `/`.
    name: String,
    path: PathBuf,
    mode: u32,
    size: u64,
}

impl Packager {
    /// Packages folders below `root`: the directory that holds the templates directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), known: Mutex::default() }
    }

    /// The digests of all functions of a fleet, by their `code` path. Each folder is read once.
    pub fn digests(&self, fleet: &Fleet) -> Result<BTreeMap<String, Digest>, Vec<Finding>> {
        let mut digests = BTreeMap::new();
        let mut findings = Vec::new();
        for (name, function) in fleet.cells.iter().flat_map(|cell| &cell.spec.functions) {
            match self.contents(&function.code).and_then(|c| check_handler(name, function, c)) {
                Ok(contents) => drop(digests.insert(function.code.clone(), contents.digest)),
                Err(finding) if findings.contains(&finding) => {}
                Err(finding) => findings.push(finding),
            }
        }
        if findings.is_empty() { Ok(digests) } else { Err(findings) }
    }

    /// The package of one folder, made anew each time.
    pub fn package(&self, code: &str) -> Result<Package, Finding> {
        let entries = self.entries(code)?;
        let digest = digest_of(&entries).map_err(|e| unreadable(code, &e))?;
        let bytes = zip(&entries).map_err(|e| unreadable(code, &e))?;
        if bytes.len() > ZIPPED_BYTES_MAX {
            let message = format!("the package has {} bytes; Lambda takes {ZIPPED_BYTES_MAX}", bytes.len());
            return Err(Finding::error("code-too-large", code, message).hint("move dependencies into a layer"));
        }
        Ok(Package { bytes, digest })
    }

    fn contents(&self, code: &str) -> Result<Contents, Finding> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(code.to_owned()).or_insert_with(|| self.read_contents(code)).clone()
    }

    fn read_contents(&self, code: &str) -> Result<Contents, Finding> {
        let entries = self.entries(code)?;
        let digest = digest_of(&entries).map_err(|e| unreadable(code, &e))?;
        Ok(Contents { digest, files: entries.into_iter().map(|entry| entry.name).collect() })
    }

    /// The files of a folder, sorted by their names.
    fn entries(&self, code: &str) -> Result<Vec<Entry>, Finding> {
        let inside = Path::new(code).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !inside {
            let message = format!("the code path {code:?} leads out of the project");
            return Err(Finding::error("code-path", code, message).hint("write it relative, without `..`"));
        }
        let folder = self.root.join(code).canonicalize().map_err(|e| unreadable(code, &e))?;
        let mut walk = Walk { code, folder: &folder, entries: Vec::new(), bytes: 0 };
        walk.folder(&folder, "", 0)?;
        if walk.entries.is_empty() {
            return Err(Finding::error("missing-code", code, "the folder holds no files").hint("put the code there"));
        }
        walk.entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(walk.entries)
    }
}

/// A walk through one folder.
struct Walk<'a> {
    code: &'a str,
    folder: &'a Path,
    entries: Vec<Entry>,
    bytes: u64,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, prefix: &str, depth: usize) -> Result<(), Finding> {
        if depth > DEPTH_MAX {
            return Err(self.refuse("code-too-large", format!("folders are nested deeper than {DEPTH_MAX} levels")));
        }
        let listing = fs::read_dir(path).map_err(|e| unreadable(self.code, &e))?;
        for item in listing {
            let item = item.map_err(|e| unreadable(self.code, &e))?;
            let Some(name) = item.file_name().to_str().map(str::to_owned) else {
                return Err(self.refuse("code-path", format!("the name {} is not UTF-8", item.file_name().display())));
            };
            if !is_skipped(&name) {
                self.item(&item.path(), format!("{prefix}{name}"), depth)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, path: &Path, name: String, depth: usize) -> Result<(), Finding> {
        let is_link = fs::symlink_metadata(path).map_err(|e| unreadable(self.code, &e))?.is_symlink();
        let target = path.canonicalize().map_err(|e| unreadable(self.code, &e))?;
        if is_link && !target.starts_with(self.folder) {
            return Err(self.refuse("code-link", format!("{name} is a link that leads out of the folder")));
        }
        let metadata = fs::metadata(path).map_err(|e| unreadable(self.code, &e))?;
        match (metadata.is_dir(), is_link) {
            (true, true) => Err(self.refuse("code-link", format!("{name} is a link to a folder"))),
            (true, false) => self.folder(path, &format!("{name}/"), depth + 1),
            (false, _) if metadata.is_file() => self.file(target, name, &metadata),
            (false, _) => Err(self.refuse("code-link", format!("{name} is neither a file nor a folder"))),
        }
    }

    fn file(&mut self, path: PathBuf, name: String, metadata: &Metadata) -> Result<(), Finding> {
        self.bytes += metadata.len();
        if self.bytes > UNZIPPED_BYTES_MAX || self.entries.len() >= FILES_MAX {
            let message = format!("more than {UNZIPPED_BYTES_MAX} bytes or {FILES_MAX} files; Lambda takes no more");
            return Err(self.refuse("code-too-large", message));
        }
        let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
        self.entries.push(Entry { name, path, mode, size: metadata.len() });
        Ok(())
    }

    fn refuse(&self, code: &'static str, message: String) -> Finding {
        Finding::error(code, self.code, message).hint("keep only what the function needs in its folder, as plain files")
    }
}

fn is_skipped(name: &str) -> bool {
    SKIPPED.contains(&name) || Path::new(name).extension().is_some_and(|extension| extension == "pyc")
}

fn unreadable(code: &str, error: &io::Error) -> Finding {
    Finding::error("missing-code", code, format!("the function code {code:?} cannot be read: {error}"))
        .hint("the path starts at the directory that holds the templates directory")
}

/// Reads a file that may have grown since it was listed, but not past its listed size.
fn read(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(&entry.path)?.take(entry.size + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != entry.size {
        return Err(io::Error::other(format!("{} changed while it was read", entry.name)));
    }
    Ok(bytes)
}

fn digest_of(entries: &[Entry]) -> io::Result<Digest> {
    let mut digests = Vec::new();
    for entry in entries {
        digests.push((entry, Digest::of(&read(entry)?)));
    }
    let lines = digests.iter().map(|(entry, digest)| format!("{:o} {digest} {}", entry.mode, entry.name));
    let lines: Vec<String> = lines.collect();
    Ok(Digest::of_parts(lines.iter().map(String::as_bytes)))
}

fn zip(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(entry.mode);
        writer.start_file(entry.name.as_str(), options)?;
        writer.write_all(&read(entry)?)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Whether the file of the entry point is there, for runtimes whose handlers name a file.
fn check_handler(name: &str, function: &Function, contents: Contents) -> Result<Contents, Finding> {
    let Some((module, _)) = function.handler.rsplit_once('.') else { return Ok(contents) };
    let candidates = match function.runtime.as_str() {
        runtime if runtime.starts_with("python") => {
            let module = module.replace('.', "/");
            vec![format!("{module}.py"), format!("{module}/__init__.py")]
        }
        runtime if runtime.starts_with("nodejs") => ["js", "mjs", "cjs"].map(|e| format!("{module}.{e}")).to_vec(),
        _ => return Ok(contents),
    };
    if candidates.iter().any(|file| contents.files.contains(file)) {
        return Ok(contents);
    }
    let message =
        format!("the function {name} has the handler {:?}, but no {}", function.handler, candidates.join(" or "));
    Err(Finding::error("missing-handler", &function.code, message).hint("add the file, or correct the handler"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use super::*;

    const FILES: [(&str, &str); 4] =
        [("index.py", "a = 1\n"), ("lib/b.py", "b\n"), ("lib/a.py", "a\n"), ("z.txt", "z")];

    fn folder(files: impl IntoIterator<Item = (&'static str, &'static str)>, age: u64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join("code").join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(&path, text).expect("a file");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + age);
            File::options().write(true).open(&path).and_then(|f| f.set_modified(time)).expect("a time");
        }
        dir
    }

    fn package(dir: &tempfile::TempDir) -> Result<Package, Finding> {
        Packager::new(dir.path()).package("code")
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let one = package(&folder(FILES, 0)).expect("packages");
        let other = folder(FILES.into_iter().rev(), 5_000);
        fs::create_dir(other.path().join("code/__pycache__")).expect("a folder");
        fs::write(other.path().join("code/__pycache__/x.pyc"), "x").expect("a file");
        let other = package(&other).expect("packages");
        assert_eq!((one.digest, one.bytes), (other.digest, other.bytes));
    }

    #[test]
    fn every_change_of_content_name_or_mode_is_another_package() {
        let digest = |dir: &tempfile::TempDir| package(dir).expect("packages").digest;
        let dir = folder(FILES, 0);
        let mut seen = BTreeSet::from([digest(&dir)]);
        let path = dir.path().join("code/index.py");
        fs::write(&path, "a = 2\n").expect("writes");
        assert!(seen.insert(digest(&dir)));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("sets");
        assert!(seen.insert(digest(&dir)));
        fs::rename(&path, dir.path().join("code/index2.py")).expect("renames");
        assert!(seen.insert(digest(&dir)));
    }

    #[test]
    fn links_that_lead_out_and_paths_that_lead_out_are_refused() {
        let dir = folder(FILES, 0);
        symlink("index.py", dir.path().join("code/inner.py")).expect("a link");
        assert!(package(&dir).is_ok());
        fs::write(dir.path().join("secret"), "x").expect("a file");
        symlink("../secret", dir.path().join("code/outer")).expect("a link");
        assert_eq!(package(&dir).expect_err("refused").code, "code-link");
        for path in ["../code", "/etc", "code/../../x"] {
            assert_eq!(Packager::new(dir.path()).package(path).expect_err("refused").code, "code-path");
        }
        assert_eq!(Packager::new(dir.path()).package("nowhere").expect_err("refused").code, "missing-code");
    }

    #[test]
    fn a_missing_handler_is_named() {
        let dir = folder(FILES, 0);
        let contents = Packager::new(dir.path()).contents("code").expect("reads");
        let function = |runtime: &str, handler: &str| -> Function {
            serde_json::from_value(serde_json::json!({ "runtime": runtime, "handler": handler, "code": "code" }))
                .expect("a function")
        };
        for good in ["index.handler", "lib.a.handler", "lib/a.handler"] {
            assert!(check_handler("f", &function("python3.13", good), contents.clone()).is_ok(), "{good}");
        }
        let error = check_handler("f", &function("nodejs22.x", "index.handler"), contents).expect_err("is missing");
        assert_eq!((error.code, error.message.contains("index.mjs")), ("missing-handler", true));
    }
}
