//! What GitHub Actions shows of rollouts and of runs: nothing from outside is Markdown or a command of the runner, the worst
//! comes first, and stdout stays data.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cellctl::ops::rollout::Ended;
use cellctl::output::github::{Shown, commands};
use cellctl::output::rollout::github::{ended, status};

use crate::support::rollout_stories::{self as stories, HOSTILE};

fn markdown(shown: &Shown) -> String {
    shown.summary.text(1_000_000)
}

#[test]
fn a_rollout_that_was_taken_back_says_why_and_is_one_error() {
    let shown = status(&stories::taken_back().shown.state);
    let text = markdown(&shown);
    assert!(text.starts_with("### Rollout 12 of fleet shop: Taken back\n\ngate errors failed\\: median 14"), "{text}");
    let (gates, waves) = (text.find("#### Gates").expect("gates"), text.find("#### Waves").expect("waves"));
    assert!(gates < waves && text.contains("| errors | **fails** | cell\\-1\\: median 14"), "{text}");
    assert!(text.contains("| canary | taken back | 2 | 2 done; back: 2 done | 74 | 0.8 % |"), "{text}");
    let lines = commands(&shown.annotations);
    assert!(lines[0].starts_with("::error title=Rollout 12%3A Taken back::gate errors failed: median 14"), "{lines:?}");
    assert!(lines[1].starts_with("::error title=Gate errors fails::cell-1: median 14"), "{lines:?}");
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_good_rollout_is_no_annotation() {
    let shown = status(&stories::large().shown.state);
    assert!(commands(&shown.annotations).is_empty());
    assert!(markdown(&shown).starts_with("### Rollout 12 of fleet shop: Completed\\: every wave is good\n"));
}

#[test]
fn a_run_that_let_go_says_how_to_go_on() {
    let state = stories::baking().shown.state;
    let text = markdown(&ended(&Ended::Stopped, &state));
    assert!(text.contains("**What to do:** `cellctl rollout resume 12`, or run this job again"), "{text}");
    assert!(!markdown(&status(&state)).contains("What to do"));
}

/// Whether a punctuation mark stands there without its backslash.
fn has_bare(text: &str, mark: char) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        if c == mark && !escaped {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

#[test]
fn what_comes_from_outside_is_neither_markdown_nor_a_command() {
    let shown = status(&stories::hostile().shown.state);
    let text = markdown(&shown);
    assert!(text.contains("\\<script\\>"), "the reasons are there");
    for mark in ['<', '>', '[', ']', '!', '@'] {
        assert!(!has_bare(&text, mark), "{mark} in {text}");
    }
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{text}");
    assert!(text.lines().all(|line| !line.starts_with("::")), "{text}");
    let lines = commands(&shown.annotations);
    assert!(lines.len() > 2, "{lines:?}");
    for line in lines {
        assert!(line.starts_with("::error title=") && !line.contains(['\n', '\r', '\u{1b}']), "{line}");
        let title = line.strip_prefix("::error title=").and_then(|rest| rest.split("::").next()).expect("a title");
        assert!(!title.contains([':', ',']), "{line}");
    }
}

/// Runs the program as a step on GitHub Actions does, in the example fleet.
fn step(arguments: &[&str], summary: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cellctl"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", summary)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .expect("the program")
}

#[test]
fn a_step_has_its_summary_and_its_errors_and_stdout_is_data() {
    let dir = tempfile::tempdir().expect("a folder");
    let summary = dir.path().join("summary.md");
    let planned = step(&["plan", "--offline", "--output", "json"], &summary);
    assert!(planned.status.success());
    serde_json::from_slice::<serde_json::Value>(&planned.stdout).expect("one document");
    let text = fs::read_to_string(&summary).expect("a summary");
    assert!(text.starts_with("### cellctl plan: 5 cells of fleet shop to change\n"), "{text}");
    assert!(text.contains("| creates | ") && text.contains("`cell-1`"), "{text}");

    let refused = step(&["plan", "--offline", "--select", "name=cell-1,%::error::x"], &summary);
    assert_eq!(refused.status.code(), Some(64));
    let refused = step(&["validate", "--cells", "no\n::stop-commands::t"], &summary);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    let commands: Vec<&str> = told.lines().filter(|line| line.trim_start().starts_with("::")).collect();
    assert!(matches!(commands[..], [one] if one.starts_with("::error title=cellctl::")), "{told}");
    assert!(HOSTILE.contains("::stop-commands"), "the stories try the same");
}
