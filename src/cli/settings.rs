//! Settings: flag, then environment, then `fleet.yaml`, then default; each with where it came from.
//!
//! Owns: every look at the process's environment. Constraint kept: what the environment says is read here once, and
//! passed on as values.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::domain::select::Selector;
use crate::output::{Format, GitHub, Options};

/// Settings that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Folder of the definitions.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "CELLCTL_CELLS",
        default_value = "cells",
        hide_env_values = true
    )]
    pub cells: PathBuf,
    /// Folder of the templates.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "CELLCTL_TEMPLATES",
        default_value = "templates",
        hide_env_values = true
    )]
    pub templates: PathBuf,
    /// Use the local endpoint of `cellctl local up`, with dummy credentials; no account is reached.
    #[arg(long, global = true, env = "CELLCTL_LOCAL", value_parser = clap::builder::FalseyValueParser::new(), hide_env_values = true)]
    pub local: bool,
    /// Answer yes to every question. Needed where there is no terminal to ask on.
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Only these cells: `type=canary,region=eu-*`, `name=cell-1|cell-2`, `label.ring!=canary`; keys are name, type,
    /// region, template, account, label.NAME.
    #[arg(long, global = true, value_name = "SELECTOR", env = "CELLCTL_SELECT", hide_env_values = true)]
    pub select: Option<Selector>,
    /// Form of the data on stdout.
    #[arg(long, global = true, value_enum, value_name = "FORM", env = "CELLCTL_OUTPUT", default_value_t = OutputArg::Text, hide_env_values = true)]
    pub output: OutputArg,
    /// Print data and errors only.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Tell more on stderr: once for the calls that fail, twice for every request.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to use colours.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorArg::Auto)]
    pub color: ColorArg,
}

/// The form of the data, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputArg {
    /// For people.
    Text,
    /// One JSON document with a versioned schema.
    Json,
    /// JSON lines, events included.
    Ndjson,
}

/// When to use colours, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What was read of the process's environment.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// All variables, for child processes.
    pub variables: Vec<(OsString, OsString)>,
    /// Page of the CI run, where there is one.
    pub ci_url: Option<String>,
    /// The commit that the CI run is about, where there is one.
    pub commit: Option<String>,
    /// Where a run on GitHub Actions is shown; none elsewhere.
    pub github: Option<GitHub>,
    /// Who is logged in, and where.
    pub user: String,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// The log filter of `CELLCTL_LOG`.
    pub log: Option<String>,
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let get = |name: &str| {
            let found = variables.iter().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let user = get("USER").or_else(|| get("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
        let host = get("HOSTNAME").or_else(hostname).unwrap_or_else(|| "unknown".to_owned());
        Self {
            ci_url: ci_url(&get),
            commit: commit(&get),
            github: github(&get),
            user: format!("{user}@{host}"),
            no_color: get("NO_COLOR").is_some(),
            log: get("CELLCTL_LOG"),
            variables,
        }
    }
}

fn hostname() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

/// The runner sets `GITHUB_ACTIONS` to `true`, and names the file of the step's summary.
fn github(get: &impl Fn(&str) -> Option<String>) -> Option<GitHub> {
    (get("GITHUB_ACTIONS")? == "true").then(|| GitHub { summary: get("GITHUB_STEP_SUMMARY").map(PathBuf::from) })
}

/// The page of the run, as GitHub Actions, GitLab, `CircleCI`, Buildkite and Jenkins tell it.
fn ci_url(get: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let github = || {
        let (server, repository, run) = (get("GITHUB_SERVER_URL")?, get("GITHUB_REPOSITORY")?, get("GITHUB_RUN_ID")?);
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    };
    let others = ["CI_JOB_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL", "BUILD_URL"];
    github().or_else(|| others.iter().find_map(|name| get(name)))
}

/// The commit of the run, as GitHub Actions, GitLab, `CircleCI`, Buildkite and Jenkins tell it.
fn commit(get: &impl Fn(&str) -> Option<String>) -> Option<String> {
    ["GITHUB_SHA", "CI_COMMIT_SHA", "CIRCLE_SHA1", "BUILDKITE_COMMIT", "GIT_COMMIT"].iter().find_map(|name| get(name))
}

/// A word for a shell: in quotes where the shell would read something else.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

impl GlobalArgs {
    /// The settings that are not the defaults, as options of a command that does the same again.
    pub fn given(&self) -> Vec<String> {
        let folder = |name: &str, default: &str, path: &Path| {
            (path != Path::new(default)).then(|| format!("--{name} {}", quoted(&path.display().to_string())))
        };
        let flag = |name: &str, given: bool| given.then(|| format!("--{name}"));
        let output = self.output.to_possible_value().filter(|_| self.output != OutputArg::Text);
        let options = [
            folder("cells", "cells", &self.cells),
            folder("templates", "templates", &self.templates),
            flag("local", self.local),
            flag("yes", self.yes),
            self.select.as_ref().map(|select| format!("--select {}", quoted(&select.to_string()))),
            output.map(|output| format!("--output {}", output.get_name())),
        ];
        options.into_iter().flatten().collect()
    }

    /// How to print.
    pub fn output_options(&self, environment: &Environment) -> Options {
        let color = |terminal: bool| match self.color {
            ColorArg::Always => true,
            ColorArg::Never => false,
            ColorArg::Auto => terminal && !environment.no_color,
        };
        let format = match self.output {
            OutputArg::Text => Format::Text,
            OutputArg::Json => Format::Json,
            OutputArg::Ndjson => Format::Ndjson,
        };
        Options {
            format,
            color_out: color(std::io::stdout().is_terminal()),
            color_err: color(std::io::stderr().is_terminal()),
            quiet: self.quiet,
        }
    }

    /// Starts the log on stderr: `-v` shows the calls that fail, `-vv` everything of cellctl and the SDK's requests.
    pub fn start_log(&self, environment: &Environment) {
        let default = match self.verbose {
            0 => "off",
            1 => "cellctl=debug",
            _ => "cellctl=trace,aws_smithy_runtime=debug",
        };
        let filter = environment.log.clone().unwrap_or_else(|| default.to_owned());
        if filter == "off" {
            return;
        }
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_writer(std::io::stderr)
            .with_ansi(self.output_options(environment).color_err)
            .with_target(false);
        // A second logger in one process can only come from a test.
        let _ = subscriber.try_init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        for (word, wanted) in [("cells/a-1.csv", "cells/a-1.csv"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'")]
        {
            assert_eq!(quoted(word), wanted);
        }
    }
}
