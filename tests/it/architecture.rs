//! The map of the modules, checked: `docs/architecture.md` draws the arrows, this fails on one that points the other
//! way. It reads the sources as text: comments and test code aside, what a file names is what it depends on.

use std::fs;
use std::path::{Path, PathBuf};

/// What each module may name, beside the standard library and other crates.
const ARROWS: [(&str, &[&str]); 11] = [
    ("domain", &["domain"]),
    ("ports", &["ports", "domain"]),
    ("ops", &["ops", "ports", "domain"]),
    ("aws", &["aws", "ports", "domain"]),
    ("fs", &["fs", "ports", "domain"]),
    ("probe", &["probe", "ports", "domain"]),
    ("local", &["local"]),
    ("output", &["output", "ops", "ports", "domain"]),
    ("cli", &["cli", "output", "ops", "ports", "domain", "fs", "local", "wire"]),
    ("wire", &["wire", "aws", "fs", "probe", "ops", "ports", "domain"]),
    ("lib", &[]),
];

/// Words that only some places may use. A word that ends in `_` stands for every crate of that prefix.
struct Reserved {
    words: &'static [&'static str],
    places: &'static [&'static str],
}

const RESERVED: [Reserved; 8] = [
    Reserved { words: &["aws_"], places: &["aws/"] },
    Reserved { words: &["granit_parser"], places: &["fs/"] },
    Reserved { words: &["clap"], places: &["cli/"] },
    Reserved { words: &["comfy_table", "indicatif"], places: &["output/"] },
    Reserved { words: &["jsonschema"], places: &["domain/"] },
    Reserved { words: &["minijinja"], places: &["domain/template/", "output/rollout/html.rs"] },
    Reserved {
        words: &["env::var", "env::vars", "env::var_os", "env::vars_os", "env::set_var", "env::current_dir"],
        places: &["cli/settings.rs"],
    },
    Reserved {
        // settings.rs asks whether they are terminals, and leads the log of -v to stderr.
        words: &["io::stdout", "io::stderr", "println!", "print!", "eprintln!", "eprint!"],
        places: &["output/", "cli/settings.rs"],
    },
];

/// What the domain may not know: files, the environment, the time, chance, the network, and waiting.
const NOT_IN_DOMAIN: [&str; 10] = [
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "SystemTime",
    "Instant",
    "tokio",
    "fastrand",
    "rand",
    "async_trait",
];

/// Longest file, in lines.
const LINES_MAX: usize = 500;

struct Source {
    /// Path below `src`, with forward slashes.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut found = Vec::new();
    walk(&src, &mut found);
    assert!(found.len() > 50, "the sources were not found");
    let of = |path: PathBuf| {
        let name = path.strip_prefix(&src).expect("below src").display().to_string();
        Source { text: fs::read_to_string(&path).expect(&name), path: name }
    };
    found.into_iter().map(of).collect()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The module right below the crate's root.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many `super::` lead to the crate's root.
    fn depth(&self) -> usize {
        let path = self.path.strip_suffix("/mod.rs").unwrap_or(&self.path);
        path.split('/').count()
    }

    /// What is compiled into the program, without comments.
    fn code(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let program = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        program.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> &str {
    text.split(|c| !is_word(c)).next().unwrap_or_default()
}

/// The heads of what follows a path: `a::b` gives a; `{a::b, c}` gives a and c.
fn heads(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else { return vec![first_word(text).to_owned()] };
    let mut level = 0;
    let mut parts = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => parts.push(String::new()),
            c => parts.last_mut().expect("one").push(c),
        }
    }
    parts.iter().map(|part| first_word(part.trim()).to_owned()).filter(|head| !head.is_empty()).collect()
}

/// The modules below the crate's root that this code names.
fn modules_named(code: &str, depth: usize) -> Vec<String> {
    let up = "super::".repeat(depth);
    ["crate::", up.as_str()]
        .iter()
        .flat_map(|lead| code.match_indices(lead).map(move |(at, _)| (at, lead.len())))
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| is_word(c) || c == ':'))
        .flat_map(|(at, length)| heads(&code[at + length..]))
        .filter(|head| head.chars().all(|c| c.is_lowercase() || c == '_') && head != "super")
        .collect()
}

/// Whether the code uses this word, as a whole; a prefix that ends in `_` must name a crate.
fn uses(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let rest = &code[at + word.len()..];
        let begins = !code[..at].ends_with(is_word);
        if word.ends_with('_') {
            begins && rest[first_word(rest).len()..].starts_with("::")
        } else {
            begins && !rest.starts_with(is_word)
        }
    })
}

fn wrong_arrows(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == module) else {
        return vec![format!(
            "src/{}: module {module} is not on the map; add it to ARROWS and to the docs",
            source.path
        )];
    };
    let named = modules_named(&source.code(), source.depth());
    let wrong =
        named.iter().filter(|to| ARROWS.iter().any(|(known, _)| known == to) && !allowed.contains(&to.as_str()));
    wrong.map(|to| format!("src/{}: {module} may not name {to}", source.path)).collect()
}

fn wrong_words(source: &Source) -> Vec<String> {
    let code = source.code();
    let allowed = |places: &[&str]| places.iter().any(|place| source.path.starts_with(place));
    let reserved = RESERVED.iter().filter(|r| !allowed(r.places)).flat_map(|r| r.words);
    let domain = NOT_IN_DOMAIN.iter().filter(|_| source.module() == "domain");
    let used = reserved.chain(domain).filter(|word| uses(&code, word));
    used.map(|word| format!("src/{}: may not use {word}", source.path)).collect()
}

fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_arrow_points_the_right_way() {
    let program = sources().into_iter().filter(|s| s.path != "main.rs" && s.path != "lib.rs");
    none(&program.flat_map(|s| wrong_arrows(&s)).collect::<Vec<_>>());
}

#[test]
fn main_names_the_command_line_only() {
    let sources = sources();
    let main = sources.iter().find(|s| s.path == "main.rs").expect("main.rs").code();
    let named = main.match_indices("cellctl::").flat_map(|(at, lead)| heads(&main[at + lead.len()..]));
    assert_eq!(named.collect::<Vec<_>>(), ["cli"]);
}

#[test]
fn reserved_words_stay_in_their_places() {
    none(&sources().iter().flat_map(wrong_words).collect::<Vec<_>>());
}

#[test]
fn a_wrong_arrow_or_word_is_seen() {
    let complaints = |path: &str, text: &str| {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        wrong_arrows(&source).into_iter().chain(wrong_words(&source)).collect::<Vec<_>>()
    };
    for (path, text) in [
        ("domain/plan/make.rs", "use crate::ops::World;"),
        ("domain/plan/make.rs", "use crate::{domain::ids::CellId, ports::Stacks};"),
        ("domain/plan/make.rs", "use super::super::super::fs::yaml;"),
        ("domain/plan/make.rs", "fn now() { std::time::SystemTime::now(); }"),
        ("ops/plan.rs", "let x = crate::aws::clients::Clients::new();"),
        ("ops/plan.rs", "use super::super::output;"),
        ("ops/plan.rs", "use aws_sdk_s3::Client;"),
        ("ops/plan.rs", "println!(\"done\");"),
        ("ports.rs", "use super::ops::OpError;"),
        ("cli/plan.rs", "use crate::aws::call::Caller;"),
        ("cli/plan.rs", "std::env::var(\"HOME\")"),
        ("aws/errors.rs", "use granit_parser::Parser;"),
        ("elsewhere.rs", ""),
    ] {
        assert_eq!(complaints(path, text).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("domain/plan/make.rs", "use super::types::Plan; // crate::ops"),
        ("domain/plan/make.rs", "#[cfg(test)]\nmod tests { use crate::fs::yaml; }"),
        ("ops/apply/mod.rs", "use super::lease::Claim;"),
        ("cli/settings.rs", "let filter = \"aws_smithy_runtime=debug\";"),
    ] {
        assert!(complaints(path, text).is_empty(), "{path}: {text}");
    }
}

#[test]
fn every_source_says_what_it_owns_and_is_short() {
    let mut complaints = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            complaints.push(format!("src/{}: begin with a //! line that says what the file owns", source.path));
        }
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            complaints.push(format!("src/{}: {lines} lines; split it", source.path));
        }
    }
    none(&complaints);
}

#[test]
fn no_integration_test_is_forgotten() {
    let dir = root().join("tests/it");
    let main = fs::read_to_string(dir.join("main.rs")).expect("main.rs");
    let names = fs::read_dir(&dir).expect("tests/it").map(|entry| entry.expect("an entry").path());
    let modules = names.filter(|path| path.is_dir() || path.extension().is_some_and(|e| e == "rs"));
    let stems = modules.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
    let forgotten = stems.filter(|stem| stem != "main" && !main.contains(&format!("mod {stem};")));
    none(&forgotten.map(|stem| format!("tests/it/{stem} is not listed in tests/it/main.rs")).collect::<Vec<_>>());
}
