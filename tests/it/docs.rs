//! The documents, checked against the program: commands, examples, permissions, exit codes, schemas, fields, links.
//!
//! Conventions. A ```` ```console ```` block holds commands after `$ `; each must be one that the program takes. One
//! marked ```` ```console run ```` is run as well, in order with the others of its file, in a copy of the example
//! fleet against a local endpoint: each command must end as its `# exit N` says (0 without), and each line shown
//! must be in what it prints, digests aside. A line of `…` stands for what was left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cellctl::cli::Cli;
use cellctl::domain::definition::{DefinitionKind, schema};
use cellctl::domain::moves::machine::Trouble;
use cellctl::fs::definitions;
use cellctl::local::{LocalSettings, OwnedInstance, OwnedOptions};
use cellctl::ops::apply::{ApplyReport, CellResult};
use cellctl::ops::doctor::ACTIONS;
use cellctl::ops::event::Outcome;
use cellctl::ops::moves::Ended;
use cellctl::ops::moves::many::Run;
use cellctl::ops::rollout;
use cellctl::ops::{ErrorKind, OpError};
use clap::Parser;
use clap::error::ErrorKind as ClapKind;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// README.md and everything under docs/.
fn documents() -> Vec<(String, String)> {
    let names = fs::read_dir(root().join("docs")).expect("docs").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| format!("docs/{}", name.to_string_lossy())).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|e| e == "md"));
    names.push("README.md".to_owned());
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// The fenced blocks of a document: what is after the fence, and the text.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some((info.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, body))) => body.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    found
}

/// A command of a console block, with what is shown of its output.
struct Shown {
    command: String,
    exit: i32,
    lines: Vec<String>,
}

fn commands(block: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let (command, exit) = command.rsplit_once("# exit ").unwrap_or((command, "0"));
            let exit = exit.trim().parse().expect("a number after `# exit`");
            found.push(Shown { command: command.trim().to_owned(), exit, lines: Vec::new() });
        } else if let Some(shown) = found.last_mut().filter(|_| !line.trim().is_empty() && line.trim() != "…") {
            shown.lines.push(line.to_owned());
        }
    }
    found
}

/// The words of a command line up to what only the shell reads.
fn words(line: &str) -> Vec<String> {
    let words = line.split_whitespace().take_while(|w| !["|", ">", "&&", "||", ";", "#"].contains(w));
    words.map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
}

/// A word that stands for something: `CELL`, `NAME`, `{cell}`, `{}`.
fn filled(word: &str, of_rollouts: bool) -> String {
    let upper = |w: &str| w.len() > 1 && w.chars().all(|c| c.is_ascii_uppercase());
    match word {
        w if of_rollouts && (w == "NUMBER" || w.starts_with('{')) => "12".to_owned(),
        "CELL/ATOM" | "{cell}/{first}" => "cell-1/OrdersTable".to_owned(),
        "SUBJECT" | "{subject}" => "tenant/acme".to_owned(),
        w if upper(w) || w.contains('{') => "cell-1".to_owned(),
        w => w.to_owned(),
    }
}

fn refusal(arguments: &[String]) -> Option<clap::Error> {
    Cli::try_parse_from(arguments)
        .err()
        .filter(|e| !matches!(e.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion))
}

#[test]
fn every_command_shown_is_one_that_the_program_takes() {
    let mut seen = 0;
    for (name, text) in documents() {
        for (_, block) in blocks(&text).iter().filter(|(info, _)| info.starts_with("console")) {
            for shown in commands(block).iter().filter(|s| s.command.starts_with("cellctl ")) {
                seen += 1;
                let refused = refusal(&words(&shown.command));
                assert!(refused.is_none(), "{name}: {}\n{}", shown.command, refused.expect("refused"));
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

/// What stands between backticks and begins with `cellctl `.
fn spans(text: &str) -> Vec<String> {
    let plain: Vec<&str> = text.split('`').collect();
    let spans = plain.iter().skip(1).step_by(2).filter(|span| span.starts_with("cellctl "));
    spans.map(|span| span.replace('\n', " ")).collect()
}

#[test]
fn every_command_named_in_a_sentence_exists() {
    let mut texts: Vec<(String, String)> = Vec::new();
    for (name, text) in documents() {
        let prose: Vec<&str> = text.split("```").step_by(2).collect();
        texts.push((name, prose.join("\n")));
    }
    for path in rust_files(&root().join("src")) {
        for line in fs::read_to_string(&path).expect("a source").lines() {
            texts.push((path.display().to_string(), line.to_owned()));
        }
    }
    for (name, text) in texts {
        for span in spans(&text) {
            let of_rollouts = span.starts_with("cellctl rollout ");
            let arguments: Vec<String> = words(&span).iter().map(|word| filled(word, of_rollouts)).collect();
            let partial = [
                ClapKind::MissingSubcommand,
                ClapKind::MissingRequiredArgument,
                ClapKind::DisplayHelpOnMissingArgumentOrSubcommand,
            ];
            let unfinished = |error: &clap::Error| {
                partial.contains(&error.kind()) || error.to_string().contains("none was supplied")
            };
            let refused = refusal(&arguments).filter(|error| !unfinished(error));
            assert!(refused.is_none(), "{name}: `{span}`\n{}", refused.expect("refused"));
        }
    }
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn sources() -> String {
    rust_files(&root().join("src")).iter().map(|path| fs::read_to_string(path).expect("a source")).collect()
}

#[tokio::test]
async fn what_the_documents_show_is_what_happens() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cellctl");
    let settings = LocalSettings::at(cache, std::env::vars_os());
    let mut ran = 0;
    for (name, text) in documents() {
        let blocks = blocks(&text).into_iter().filter(|(info, _)| info == "console run");
        let shown: Vec<Shown> = blocks.flat_map(|(_, block)| commands(&block)).collect();
        if shown.is_empty() {
            continue;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let options = OwnedOptions { region: "eu-central-1".to_owned(), log: dir.path().join("endpoint.log") };
        let endpoint = OwnedInstance::start(&settings, &options, &mut |_| {}).await.expect("an endpoint");
        copy_example(dir.path());
        for one in &shown {
            run(&name, dir.path(), &endpoint, one);
            ran += 1;
        }
    }
    assert!(ran > 8, "only {ran} commands were run");
}

fn copy_example(to: &Path) {
    let from = ["cells", "templates", "functions"].map(|name| root().join(name));
    let copied = Command::new("cp").arg("-r").args(from).arg(to).status().expect("cp");
    assert!(copied.success());
}

/// Runs a shown command in a clean environment that leads to the endpoint.
fn run(name: &str, dir: &Path, endpoint: &OwnedInstance, shown: &Shown) {
    let program = Path::new(env!("CARGO_BIN_EXE_cellctl")).parent().expect("a folder");
    let path = std::env::vars().find(|(name, _)| name == "PATH").map_or_else(String::new, |(_, value)| value);
    let output = Command::new("/bin/sh")
        .args(["-c", &shown.command])
        .current_dir(dir)
        .env_clear()
        .env("PATH", format!("{}:{path}", program.display()))
        .env("HOME", dir)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", endpoint.endpoint())
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "eu-central-1")])
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let command = &shown.command;
    assert_eq!(output.status.code(), Some(shown.exit), "{name}: {command}\n{told}");
    let lines: Vec<String> = told.lines().map(without_digests).collect();
    for line in &shown.lines {
        assert!(lines.contains(&without_digests(line)), "{name}: {command}\ndoes not print: {line}\nbut:\n{told}");
    }
}

/// Digests and the times of a run differ from one machine to the next; so does white space at the end.
fn without_digests(line: &str) -> String {
    let is_digest = |word: &str| word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = line.trim_end().split(' ').map(|w| if is_digest(w) { "<digest>" } else { w });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_example_definition_is_valid() {
    let mut seen = 0;
    for (name, text) in documents() {
        let definitions: Vec<String> = blocks(&text)
            .into_iter()
            .filter(|(info, body)| info == "yaml" && body.contains("apiVersion: cellctl/v1"))
            .map(|(_, body)| body)
            .collect();
        if definitions.is_empty() {
            continue;
        }
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("fleet.yaml"), read("cells/fleet.yaml")).expect("written");
        for body in &definitions {
            seen += 1;
            fs::write(dir.path().join(file_name(body)), body).expect("written");
        }
        if let Err(error) = definitions::load(dir.path()) {
            panic!("{name}: {error}\n{error:#?}");
        }
    }
    assert!(seen > 2, "only {seen} examples were found");
}

#[test]
fn every_example_fleet_is_valid_for_the_example_cells() {
    let mut seen = 0;
    for (name, text) in documents() {
        for (_, body) in blocks(&text).iter().filter(|(info, body)| info == "yaml" && body.contains("kind: Fleet")) {
            seen += 1;
            let dir = tempfile::tempdir().expect("a folder");
            for cell in ["canary-1", "cell-0", "cell-1", "cell-2", "cell-3"] {
                let file = format!("{cell}.yaml");
                fs::write(dir.path().join(&file), read(&format!("cells/{file}"))).expect("written");
            }
            fs::write(dir.path().join("fleet.yaml"), body).expect("written");
            if let Err(error) = definitions::load(dir.path()) {
                panic!("{name}: {error}\n{error:#?}");
            }
        }
    }
    assert!(seen > 1, "only {seen} examples were found");
}

fn file_name(definition: &str) -> String {
    let name =
        definition.split("name: ").nth(1).map(|rest| rest.split([',', ' ', '\n', '}']).next().unwrap_or_default());
    if definition.contains("kind: Fleet") { "fleet.yaml".to_owned() } else { format!("{}.yaml", name.expect("a name")) }
}

/// Names of properties anywhere in a schema.
fn fields(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| fields(value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

#[test]
fn every_field_of_a_definition_is_described() {
    let document = read("docs/definitions.md");
    let mut found = BTreeSet::new();
    for kind in [DefinitionKind::Fleet, DefinitionKind::Cell] {
        let schema = serde_json::to_value(schema(kind)).expect("a schema");
        fields(&schema, &mut found);
    }
    assert!(found.len() > 40, "only {} fields were found", found.len());
    let missing: Vec<_> = found.iter().filter(|field| !document.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "docs/definitions.md lacks {missing:?}");
}

#[test]
fn every_field_of_a_snapshot_is_described() {
    let document = read("docs/map-format.md");
    let mut found = BTreeSet::new();
    fields(&cellctl::domain::snapshot::schema(), &mut found);
    assert!(found.len() > 15, "only {} fields were found", found.len());
    let missing: Vec<_> = found.iter().filter(|field| !document.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "docs/map-format.md lacks {missing:?}");
}

/// Every action of the policy in docs/permissions.md.
fn policy_actions() -> BTreeSet<String> {
    let document = read("docs/permissions.md");
    let policies = blocks(&document).into_iter().filter(|(info, _)| info == "json");
    let mut found = BTreeSet::new();
    for (_, body) in policies {
        let policy: serde_json::Value = serde_json::from_str(&body).expect("a policy");
        for statement in policy["Statement"].as_array().expect("statements") {
            match &statement["Action"] {
                serde_json::Value::String(action) => drop(found.insert(action.clone())),
                actions => found
                    .extend(actions.as_array().expect("actions").iter().map(|a| a.as_str().expect("text").to_owned())),
            }
        }
    }
    found
}

#[test]
fn the_policy_allows_what_the_program_calls() {
    let allowed = policy_actions();
    let missing: Vec<_> = ACTIONS.iter().filter(|action| !allowed.contains(**action)).collect();
    assert!(missing.is_empty(), "docs/permissions.md lacks {missing:?} of ops::doctor::ACTIONS");
    // A transaction needs the actions of its parts, and looking into a bucket is listing it.
    let others = ["dynamodb:TransactWriteItems", "s3:HeadObject"];
    let services = ["cloudformation", "dynamodb", "iam", "s3", "servicequotas", "sqs", "sts"];
    for path in rust_files(&root().join("src/aws")) {
        let text = fs::read_to_string(&path).expect("a source");
        for literal in text.split('"').skip(1).step_by(2) {
            let called = literal.split_once(':').is_some_and(|(service, action)| {
                services.contains(&service)
                    && action.starts_with(|c: char| c.is_ascii_uppercase())
                    && action.chars().all(char::is_alphanumeric)
            });
            let known = allowed.contains(literal) || others.contains(&literal);
            assert!(!called || known, "docs/permissions.md lacks {literal}, called in {}", path.display());
        }
    }
}

#[test]
fn every_schema_of_the_output_is_described() {
    let names = |text: &str| -> BTreeSet<String> {
        let found = text.split("cellctl.").skip(1).filter_map(|rest| rest.split_once("/v1").map(|(name, _)| name));
        found.filter(|n| n.chars().all(|c| c.is_ascii_lowercase() || c == '-')).map(str::to_owned).collect()
    };
    let (used, described) = (names(&sources()), names(&read("docs/json.md")));
    assert!(used.len() > 15, "only {} schemas were found", used.len());
    assert_eq!(used, described, "left: in src; right: in docs/json.md");
}

/// The rows of the tables of docs/exit-codes.md: the cells of each.
fn exit_code_rows() -> Vec<Vec<String>> {
    let document = read("docs/exit-codes.md");
    let rows = document.lines().filter(|line| line.starts_with("| "));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn documented(name: &str) -> u8 {
    let marked = format!("`{name}`");
    let rows = exit_code_rows();
    let row = rows.iter().find(|row| row[1..].iter().any(|cell| cell.split(", ").any(|part| part == marked)));
    let row = row.unwrap_or_else(|| panic!("docs/exit-codes.md has no row with {marked}"));
    row[0].parse().unwrap_or_else(|_| panic!("{} is no exit code", row[0]))
}

/// One of each kind; the match makes a new kind a compile error here.
fn error_kinds() -> [ErrorKind; 11] {
    use ErrorKind as K;
    let all = [
        K::Failed,
        K::InvalidInput,
        K::Call,
        K::RolledBack,
        K::RollbackFailed,
        K::Locked,
        K::Refused,
        K::Stale,
        K::Partial,
        K::Stopped,
        K::Usage,
    ];
    match all[0] {
        K::Failed
        | K::InvalidInput
        | K::Call
        | K::RolledBack
        | K::RollbackFailed
        | K::Locked
        | K::Refused
        | K::Stale
        | K::Partial
        | K::Stopped
        | K::Usage => all,
    }
}

fn serialised(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("json").as_str().expect("a word").to_owned()
}

#[test]
fn every_kind_of_error_has_its_documented_exit_code() {
    for kind in error_kinds() {
        let name = serialised(kind);
        assert_eq!(OpError::new(kind, "x").exit_code(), documented(&name), "{name}");
    }
}

fn report(outcome: Outcome) -> ApplyReport {
    let cell = CellResult {
        cell: "cell-1".parse().expect("a name"),
        stack: "shop-cell-1".to_owned(),
        action: cellctl::domain::plan::Action::Update,
        outcome,
        status: None,
        reason: None,
        hint: None,
        duration_ms: 0,
    };
    ApplyReport { plan: "x".to_owned(), unchanged: 0, cells: vec![cell], stopped: false, lock_lost: false }
}

#[test]
fn every_outcome_of_an_apply_has_its_documented_exit_code() {
    use Outcome as O;
    for outcome in [O::Done, O::AlreadyDone, O::Settled, O::RolledBack, O::Stuck, O::Failed, O::Refused, O::NotStarted]
    {
        let name = format!("apply: {}", serialised(outcome));
        assert_eq!(report(outcome).exit_code(), documented(&name), "{name}");
    }
    let stopped = ApplyReport { stopped: true, ..report(O::NotStarted) };
    assert_eq!(stopped.exit_code(), documented("apply: stopped"));
    let lost = ApplyReport { lock_lost: true, ..report(O::NotStarted) };
    assert_eq!(lost.exit_code(), documented("apply: lock lost"));
    let partly = ApplyReport { unchanged: 1, ..report(O::Failed) };
    assert_eq!(partly.exit_code(), documented("apply: partly failed"));
}

#[test]
fn every_end_of_a_move_has_its_documented_exit_code() {
    let trouble = Trouble { code: String::new(), why: String::new(), hint: String::new() };
    let ends = [Ended::Aborted { why: String::new() }, Ended::Paused, Ended::Stuck { trouble }, Ended::Stopped];
    for ended in ends {
        let word = serde_json::to_value(&ended).expect("json")["ended"].as_str().expect("a word").to_owned();
        assert_eq!(ended.exit_code(), documented(&format!("move: {word}")), "{word}");
    }
    assert_eq!(documented("move: completed"), 0);
    let tenant = "acme".parse().expect("a tenant");
    let not_begun = Run { tenant, id: None, outcome: None, failure: None };
    assert_eq!(not_begun.exit_code(), documented("move: not begun"));
}

#[test]
fn every_end_of_a_rollout_has_its_documented_exit_code() {
    use rollout::Ended as E;
    let (why, hint) = (String::new(), String::new());
    let ends = [
        E::Completed,
        E::RolledBack { why: why.clone(), kept: Vec::new() },
        E::BackFailed { why: why.clone(), hint: hint.clone(), cells: Vec::new() },
        E::Halted { why: why.clone(), hint },
        E::Aborted { why },
        E::AwaitsApproval { wave: String::new() },
        E::Paused,
        E::Stopped,
    ];
    match ends[0] {
        // A new one is a compile error here.
        E::Completed
        | E::RolledBack { .. }
        | E::BackFailed { .. }
        | E::Halted { .. }
        | E::Aborted { .. }
        | E::AwaitsApproval { .. }
        | E::Paused
        | E::Stopped => {}
    }
    for ended in ends {
        let word = serde_json::to_value(&ended).expect("json")["ended"].as_str().expect("a word").to_owned();
        assert_eq!(ended.exit_code(), documented(&format!("rollout: {word}")), "{word}");
    }
}

#[test]
fn every_code_of_a_stuck_move_is_described() {
    let (document, sources) = (read("docs/moves.md"), sources());
    let after = sources.split("Halt::stuck(").skip(1).map(str::trim_start);
    let codes: BTreeSet<&str> = after.filter_map(|rest| rest.strip_prefix('"')?.split('"').next()).collect();
    assert!(codes.len() > 5, "only {codes:?} were found");
    let missing: Vec<_> = codes.iter().filter(|code| !document.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/moves.md lacks {missing:?}");
}

#[test]
fn every_link_leads_somewhere() {
    for (name, text) in documents() {
        let folder = root().join(&name).parent().expect("a folder").to_path_buf();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            let local = !target.starts_with("http") && !path.is_empty();
            assert!(!local || folder.join(path).exists(), "{name}: nothing is at {target}");
        }
    }
}
