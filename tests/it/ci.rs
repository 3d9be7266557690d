//! The workflow in `docs/github`, checked as far as that goes without GitHub: what its jobs may do, what they run, and that
//! docs/ci.md tells what they need.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cellctl::cli::Cli;
use cellctl::domain::doc::{Node, Value};
use cellctl::fs::yaml;
use clap::Parser as _;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn parsed(path: &str) -> Node {
    yaml::parse(&read(path)).unwrap_or_else(|error| panic!("{path}: {error:?}"))
}

fn entries(node: &Node) -> Vec<(&str, &Node)> {
    let Value::Mapping(entries) = &node.value else { return Vec::new() };
    entries.iter().map(|(key, value)| (text(key), value)).collect()
}

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(node).into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

fn text(node: &Node) -> &str {
    let Value::Scalar { text, .. } = &node.value else { return "" };
    text
}

fn items(node: Option<&Node>) -> &[Node] {
    let Some(Node { value: Value::Sequence(items), .. }) = node else { return &[] };
    items
}

const WORKFLOW: &str = "docs/github/rollout.yml";
const ACTION: &str = "docs/github/cellctl/action.yml";

/// Name and steps of each job, and the steps of the action.
fn steps() -> Vec<(String, Node)> {
    let (workflow, action) = (parsed(WORKFLOW), parsed(ACTION));
    let jobs = entries(get(&workflow, "jobs").expect("jobs"));
    let of_job = jobs.iter().flat_map(|(name, job)| {
        items(get(job, "steps")).iter().map(|step| ((*name).to_owned(), step.clone())).collect::<Vec<_>>()
    });
    let runs = get(&action, "runs").expect("runs");
    let of_action = items(get(runs, "steps")).iter().map(|step| ("the action".to_owned(), step.clone()));
    let all: Vec<_> = of_job.chain(of_action).collect();
    assert!(all.len() > 10, "only {} steps were found", all.len());
    all
}

fn scripts() -> Vec<(String, String)> {
    steps().iter().filter_map(|(job, step)| Some((job.clone(), text(get(step, "run")?).to_owned()))).collect()
}

#[test]
fn every_job_may_do_little_and_ends() {
    let workflow = parsed(WORKFLOW);
    assert!(get(&workflow, "permissions").is_some_and(|all| entries(all).is_empty()), "nothing is allowed to all jobs");
    let jobs = entries(get(&workflow, "jobs").expect("jobs"));
    assert_eq!(jobs.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["plan", "rollout", "approved", "rollback"]);
    for (name, job) in jobs {
        let permissions: Vec<_> =
            entries(get(job, "permissions").expect(name)).iter().map(|(k, v)| (*k, text(v))).collect();
        assert_eq!(permissions, [("contents", "read"), ("id-token", "write")], "{name}");
        let minutes: u32 = get(job, "timeout-minutes").map(text).expect(name).parse().expect(name);
        assert!((5..=360).contains(&minutes), "{name}");
        assert!(get(job, "if").is_some() && get(job, "runs-on").is_some(), "{name}");
        let group = get(job, "concurrency").and_then(|one| get(one, "group")).map(text);
        assert_eq!(group.is_some(), name != "rollback", "{name}: a way back waits for nobody");
        assert_eq!(get(job, "environment").is_some(), name != "plan", "{name}");
    }
}

#[test]
fn every_action_is_pinned_and_no_secret_is_kept() {
    for (job, step) in steps() {
        let Some(uses) = get(&step, "uses").map(text) else { continue };
        let version = uses.rsplit_once('@').map_or("", |(_, version)| version);
        let major = version.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
        let commit = version.len() == 40 && version.chars().all(|c| c.is_ascii_hexdigit());
        assert!(uses == "./.github/actions/cellctl" || major || commit, "{job}: {uses}");
        if uses.starts_with("actions/checkout@") {
            let kept = get(&step, "with").and_then(|with| get(with, "persist-credentials")).map(text);
            assert_eq!(kept, Some("false"), "{job}");
        }
    }
    for path in [WORKFLOW, ACTION] {
        let text = read(path);
        assert!(!text.contains("secrets.") && !text.contains("access-key"), "{path} takes a long-lived key");
    }
}

#[test]
fn no_script_is_put_together_from_what_others_typed() {
    for (job, script) in scripts() {
        assert!(!script.contains("${{"), "{job}: a value is put into the script, not into its environment: {script}");
        let mut bash =
            Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("bash");
        bash.stdin.take().expect("stdin").write_all(script.as_bytes()).expect("written");
        let read = bash.wait_with_output().expect("an end");
        assert!(read.status.success(), "{job}: {}", String::from_utf8_lossy(&read.stderr));
    }
}

/// The words of a command up to what only the shell reads.
fn words(line: &str) -> Vec<String> {
    let words = line.split_whitespace().take_while(|word| ![">", ">>", "|", "||", "&&"].contains(word));
    words.map(|word| if word == "\"$SCOPE\"" { "all".to_owned() } else { word.to_owned() }).collect()
}

#[test]
fn every_command_in_the_workflow_is_one_that_the_program_takes() {
    let scripts = scripts();
    let lines = scripts.iter().flat_map(|(job, script)| script.lines().map(move |line| (job, line.trim())));
    let mut seen = BTreeSet::new();
    for (job, line) in lines.filter(|(_, line)| line.starts_with("cellctl ")) {
        let words = words(line);
        let refused = Cli::try_parse_from(&words).err();
        assert!(refused.is_none(), "{job}: {line}\n{}", refused.expect("refused"));
        // Nobody is there to answer.
        let changes = ["start", "approve", "resume", "rollback"].contains(&words.get(2).map_or("", String::as_str));
        assert_eq!(words.contains(&"--yes".to_owned()), changes, "{job}: {line}");
        seen.insert(words[1..words.len().min(3)].join(" "));
    }
    assert!(seen.len() > 5, "only {seen:?} were found");
    let scopes = read(WORKFLOW).contains("options: [all, wave]");
    assert!(scopes && Cli::try_parse_from(["cellctl", "rollout", "rollback", "--scope", "wave"]).is_ok());
}

/// The names behind `vars.` in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let names = text.split("vars.").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
    names.flatten().map(str::to_owned).collect()
}

#[test]
fn what_the_workflow_needs_is_told() {
    let (workflow, document) = (read(WORKFLOW), read("docs/ci.md"));
    let variables = variables(&workflow);
    assert_eq!(variables.len(), 4, "{variables:?}");
    for name in variables {
        assert!(document.contains(&format!("`{name}`")), "docs/ci.md lacks {name}");
    }
    for (name, job) in entries(get(&parsed(WORKFLOW), "jobs").expect("jobs")) {
        assert!(document.contains(&format!("| `{name}` |")), "docs/ci.md lacks {name}");
        if let Some(environment) = get(job, "environment").map(text) {
            let trusted = format!("\"repo:example/shop:environment:{environment}\"");
            assert!(document.contains(&trusted), "the role does not trust {environment}");
        }
    }
}

/// The actions of a policy in a document, by what is after the fence.
fn actions(document: &str, info: &str) -> BTreeSet<String> {
    let blocks = document.split("\n```").filter_map(|block| block.strip_prefix(&format!("{info}\n")));
    let mut found = BTreeSet::new();
    for block in blocks {
        let policy: serde_json::Value = serde_json::from_str(block).expect("a policy");
        for statement in policy["Statement"].as_array().expect("statements") {
            let action = &statement["Action"];
            let one = action.as_str().into_iter();
            let many = action.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
            found.extend(one.chain(many).map(str::to_owned));
        }
    }
    found
}

#[test]
fn the_role_that_plans_reads_and_no_more_than_is_documented() {
    let plans = actions(&read("docs/ci.md"), "json plan");
    let all = actions(&read("docs/permissions.md"), "json");
    assert!(plans.len() > 6 && all.len() > 40, "{plans:?}");
    assert!(plans.is_subset(&all), "{:?}", plans.difference(&all).collect::<Vec<_>>());
    for action in &plans {
        let verb = action.split_once(':').map_or("", |(_, verb)| verb);
        assert!(["Describe", "Get", "List", "Query"].iter().any(|reads| verb.starts_with(reads)), "{action} changes");
    }
    let reads = read("docs/permissions.md");
    let reads = reads.split("## Read only").nth(1).expect("what plan needs");
    let missing: Vec<_> = plans.iter().filter(|action| !reads.contains(&format!("`{action}`"))).collect();
    assert!(missing.is_empty(), "not read by a plan: {missing:?}");
    assert_eq!(actions(&read("docs/ci.md"), "json trust").len(), 1);
    assert!(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(ACTION).exists());
}
