//! Which files of a directory are read, and what is said of those that cannot be.

use std::path::Path;

use super::super::{FILE_BYTES_MAX, LoadError, load};
use super::{CELL, FLEET};

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).expect("writes");
}

#[test]
fn reads_yaml_files_and_nothing_else() {
    let dir = tempfile::tempdir().expect("dir");
    write(dir.path(), "fleet.yaml", FLEET);
    write(dir.path(), "cell-1.yml", CELL);
    write(dir.path(), ".hidden.yaml", "nonsense");
    write(dir.path(), "README.md", "nonsense");
    std::fs::create_dir(dir.path().join("folder.yaml")).expect("folder");
    let other = tempfile::tempdir().expect("dir");
    write(other.path(), "target", &CELL.replace("cell-1", "cell-2"));
    std::os::unix::fs::symlink(other.path().join("target"), dir.path().join("cell-2.yaml")).expect("link");
    let loaded = load(dir.path()).expect("loads");
    let names: Vec<&str> = loaded.fleet.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(names, ["cell-1", "cell-2"]);
    assert!(loaded.fleet.cells[0].file.ends_with("cell-1.yml"));
}

#[test]
fn a_directory_that_gives_nothing_says_what_to_do() {
    let dir = tempfile::tempdir().expect("dir");
    let empty = load(dir.path()).expect_err("empty").to_string();
    assert!(empty.contains("no *.yaml file") && empty.contains("--cells"), "{empty}");
    let missing = load(&dir.path().join("nowhere")).expect_err("missing").to_string();
    assert!(missing.contains("nowhere") && missing.contains("create it"), "{missing}");
    write(dir.path(), "file", "");
    let file = load(&dir.path().join("file")).expect_err("file").to_string();
    assert!(file.contains("name the directory"), "{file}");
}

#[test]
fn files_that_cannot_be_read_are_findings_among_the_others() {
    let dir = tempfile::tempdir().expect("dir");
    write(dir.path(), "fleet.yaml", FLEET);
    std::os::unix::fs::symlink("nowhere", dir.path().join("a.yaml")).expect("link");
    std::fs::write(dir.path().join("b.yaml"), [0xff, 0xfe]).expect("writes");
    write(dir.path(), "c.yaml", &"#".repeat(usize::try_from(FILE_BYTES_MAX).expect("fits") + 1));
    write(dir.path(), "d.yaml", "");
    let Err(LoadError::Findings(findings)) = load(dir.path()) else { panic!("must have findings") };
    let told: Vec<(&str, &str)> = findings.iter().map(|f| (f.code, f.message.as_str())).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for ((code, message), (expected, needle)) in told.into_iter().zip([
        ("unreadable", "cannot be read"),
        ("unreadable", "UTF-8"),
        ("unreadable", "bytes"),
        ("syntax", "empty"),
    ]) {
        assert!(code == expected && message.contains(needle), "{code}: {message}");
    }
}
