//! Reads templates: `templates/<name>/template.yaml.j2`, `.yaml`, `.yml` or `.json`.
//!
//! Constraint kept: only templates that a cell names are read, and no more than `TEMPLATE_BYTES_MAX` of each.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::domain::finding::{Finding, did_you_mean};
use crate::domain::ids::TemplateName;
use crate::domain::template::TemplateSource;
use crate::domain::template::source::FILE_NAMES;

/// Bytes of a template file: four times what CloudFormation takes, since comments and blocks go away.
const TEMPLATE_BYTES_MAX: u64 = 4_000_000;
/// Folders of the templates directory that are looked at to name those that exist.
const FOLDERS_MAX: usize = 1_000;

/// Reads the templates of these names from `dir`. All that is wrong with them is in the error.
pub fn load(dir: &Path, names: &BTreeSet<TemplateName>) -> Result<Vec<TemplateSource>, Vec<Finding>> {
    let mut sources = Vec::new();
    let mut findings = Vec::new();
    for name in names {
        match load_one(dir, name) {
            Ok(source) => sources.push(source),
            Err(finding) => findings.push(finding),
        }
    }
    if findings.is_empty() { Ok(sources) } else { Err(findings) }
}

fn load_one(dir: &Path, name: &TemplateName) -> Result<TemplateSource, Finding> {
    let folder = dir.join(name.as_str());
    let found: Vec<&str> = FILE_NAMES.into_iter().filter(|file| folder.join(file).is_file()).collect();
    let [file_name] = found.as_slice() else { return Err(not_one(dir, name, &found)) };
    let path = folder.join(file_name);
    let file = path.display().to_string();
    let text = read(&path).map_err(|error| {
        Finding::error("unreadable-template", &file, format!("the template cannot be read: {error}"))
            .hint(format!("it must be UTF-8 text of at most {TEMPLATE_BYTES_MAX} bytes"))
    })?;
    let dynamic = Path::new(file_name).extension().is_some_and(|extension| extension == "j2");
    Ok(TemplateSource { name: name.clone(), file, text, dynamic })
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(TEMPLATE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > TEMPLATE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
    }
    Ok(text)
}

/// There are no template files in the folder, or several.
fn not_one(dir: &Path, name: &TemplateName, found: &[&str]) -> Finding {
    let folder = dir.join(name.as_str()).display().to_string();
    if !found.is_empty() {
        let message = format!("the template {name} is here more than once: {}", found.join(", "));
        return Finding::error("ambiguous-template", folder, message).hint("keep one of them");
    }
    let known = existing(dir);
    let hint = match did_you_mean(name.as_str(), known.iter().map(String::as_str)) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None if known.is_empty() => format!("no folder in {} holds a template", dir.display()),
        None => format!("the templates there are {}", known.join(", ")),
    };
    let message = format!("there is no template {name}: no {} in this folder", FILE_NAMES.join(", "));
    Finding::error("unknown-template", folder, message).hint(hint)
}

/// Names of the templates that exist, sorted.
fn existing(dir: &Path) -> Vec<String> {
    let has_template = |path: &Path| FILE_NAMES.iter().any(|file| path.join(file).is_file());
    let entries = fs::read_dir(dir).into_iter().flatten().take(FOLDERS_MAX).filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .filter(|entry| has_template(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str) -> BTreeSet<TemplateName> {
        BTreeSet::from([name.parse().expect("a name")])
    }

    #[test]
    fn finds_the_one_template_of_a_folder() {
        let dir = tempfile::tempdir().expect("a directory");
        let folder = dir.path().join("serverless");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("template.yaml.j2"), "Resources: {}\n").expect("a file");
        let sources = load(dir.path(), &names("serverless")).expect("loads");
        assert!(sources[0].dynamic && sources[0].text.starts_with("Resources"));

        let missing = load(dir.path(), &names("serverles")).expect_err("is missing");
        assert_eq!(missing[0].hint.as_deref(), Some("did you mean `serverless`?"));

        fs::write(folder.join("template.json"), "{}").expect("a file");
        assert_eq!(load(dir.path(), &names("serverless")).expect_err("two")[0].code, "ambiguous-template");
    }

    #[test]
    fn refuses_what_is_no_text() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("own")).expect("a folder");
        fs::write(dir.path().join("own/template.yml"), [0xff, 0xfe, 0x00]).expect("a file");
        assert_eq!(load(dir.path(), &names("own")).expect_err("no text")[0].code, "unreadable-template");
    }
}
