//! `cellctl local`: a local AWS endpoint to try things on.
//!
//! Constraint kept: this translates only; `crate::local` acts, and the caller prints.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{Ran, Session};
use crate::local::{
    self, Down, Engine, Exports, Instance, InstanceName, LocalError, LocalEvent, LocalSettings, OnEvent,
    REGION_DEFAULT, Shell, Status, Up, UpOptions,
};
use crate::ops::{ErrorKind, OpError};

/// Run a local AWS endpoint, which needs no account.
#[derive(Debug, Clone, Args)]
pub struct LocalArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: LocalCommand,
}

/// The verbs of `cellctl local`.
#[derive(Debug, Clone, Subcommand)]
pub enum LocalCommand {
    /// Start the endpoint and wait until it answers; one that runs already is kept.
    Up(UpArgs),
    /// Stop the endpoint.
    Down(NameArgs),
    /// Show whether the endpoint runs and answers.
    Status(NameArgs),
    /// Print the variables that lead other programs to the endpoint: `eval "$(cellctl local env)"`.
    Env(EnvArgs),
}

/// Which endpoint.
#[derive(Debug, Clone, Args)]
pub struct NameArgs {
    /// The endpoint's name, for more than one at a time.
    #[arg(long, default_value_t, value_name = "NAME")]
    pub name: InstanceName,
}

/// Arguments of `local up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Which endpoint.
    #[command(flatten)]
    pub name: NameArgs,
    /// What serves it.
    #[arg(long, value_enum, default_value_t = EngineArg::Ministack)]
    pub engine: EngineArg,
    /// The port on 127.0.0.1 [default: 4566, or a free one when that is taken].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// The Region for what does not name one.
    #[arg(long, default_value = REGION_DEFAULT)]
    pub region: String,
    /// Keep the contents when the endpoint is stopped.
    #[arg(long)]
    pub persist: bool,
    /// The Python to install MiniStack with [default: the first on PATH that is new enough].
    #[arg(long, value_name = "FILE")]
    pub python: Option<PathBuf>,
}

/// Arguments of `local env`.
#[derive(Debug, Clone, Args)]
pub struct EnvArgs {
    /// Which endpoint.
    #[command(flatten)]
    pub name: NameArgs,
    /// The shell that reads the output.
    #[arg(long, value_enum, default_value_t = ShellArg::Posix)]
    pub shell: ShellArg,
}

/// An engine, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// MiniStack, in a virtual environment; needs Python.
    Ministack,
    /// LocalStack, in docker.
    Localstack,
}

/// A shell, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellArg {
    /// sh, bash, zsh.
    Posix,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
}

impl From<EngineArg> for Engine {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Ministack => Self::MiniStack,
            EngineArg::Localstack => Self::LocalStack,
        }
    }
}

impl From<ShellArg> for Shell {
    fn from(shell: ShellArg) -> Self {
        match shell {
            ShellArg::Posix => Self::Posix,
            ShellArg::Fish => Self::Fish,
            ShellArg::Powershell => Self::PowerShell,
        }
    }
}

/// What a verb of `cellctl local` found or did: serialised for machines, displayed for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "command", rename_all = "camelCase")]
pub enum LocalReport {
    /// Of `up`.
    Up(Up),
    /// Of `down`.
    Down(Down),
    /// Of `status`.
    Status(Status),
    /// Of `env`.
    Env {
        /// The variables.
        exports: Exports,
        /// The shell for the text form.
        #[serde(skip)]
        shell: Shell,
    },
}

/// Carries out the command: tells what happens on stderr and prints the result.
pub async fn run_command(args: LocalArgs, session: &Session) -> Ran {
    let settings = super::context::local_settings(session)?;
    let mut tell = |event: LocalEvent| session.printer.note(&event.to_string());
    let report = run(args, &settings, &mut tell).await.map_err(|e| error(&e))?;
    session.printer.result("cellctl.local/v1", &report, |_| report.to_string());
    Ok(0)
}

/// An error of a local endpoint, for people and machines. Its text says what to do.
pub fn error(error: &LocalError) -> OpError {
    OpError::new(ErrorKind::Failed, error.to_string())
}

/// Carries out one verb.
pub async fn run(args: LocalArgs, settings: &LocalSettings, on_event: OnEvent<'_>) -> Result<LocalReport, LocalError> {
    match args.command {
        LocalCommand::Up(args) => up(args, settings, on_event).await.map(LocalReport::Up),
        LocalCommand::Down(args) => local::down(settings, &args.name, on_event).await.map(LocalReport::Down),
        LocalCommand::Status(args) => local::status(settings, &args.name).await.map(LocalReport::Status),
        LocalCommand::Env(args) => env(args, settings).await,
    }
}

async fn up(args: UpArgs, settings: &LocalSettings, on_event: OnEvent<'_>) -> Result<Up, LocalError> {
    let mut settings = settings.clone();
    settings.python = args.python.or(settings.python);
    let UpArgs { name, engine, port, region, persist, .. } = args;
    let options = UpOptions { name: name.name, engine: engine.into(), port, region, persist };
    local::up(&settings, &options, on_event).await
}

async fn env(args: EnvArgs, settings: &LocalSettings) -> Result<LocalReport, LocalError> {
    let name = args.name.name;
    match local::status(settings, &name).await? {
        Status::Healthy { instance } => {
            let exports = Exports::new(&instance.endpoint, &instance.region);
            Ok(LocalReport::Env { exports, shell: args.shell.into() })
        }
        Status::Stopped { .. } | Status::Unhealthy { .. } | Status::Ended { .. } => Err(LocalError::NotRunning(name)),
    }
}

impl fmt::Display for LocalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(Up { instance, reused }) => {
                let how = if *reused { "runs already" } else { "is up" };
                write!(f, "{} {how}: {}", instance.engine.name(), Details(instance))
            }
            Self::Down(Down { name, stopped: None }) => write!(f, "nothing ran as {name:?}"),
            Self::Down(Down { stopped: Some(instance), .. }) => {
                write!(f, "{} at {} is stopped", instance.engine.name(), instance.endpoint)
            }
            Self::Status(status) => write_status(f, status),
            Self::Env { exports, shell } => write!(f, "{}", exports.for_shell(*shell)),
        }
    }
}

fn write_status(f: &mut fmt::Formatter<'_>, status: &Status) -> fmt::Result {
    match status {
        Status::Stopped { name } => write!(f, "{name:?} does not run; start it with `cellctl local up`"),
        Status::Healthy { instance } => write!(f, "{} is healthy: {}", instance.engine.name(), Details(instance)),
        Status::Unhealthy { instance } => {
            write!(f, "{} runs and does not answer: {}", instance.engine.name(), Details(instance))
        }
        Status::Ended { instance } => {
            write!(f, "{} has ended by itself; its log is in {}", instance.engine.name(), instance.log())
        }
    }
}

struct Details<'a>(&'a Instance);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (log: {})", self.0.endpoint, self.0.log())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        local: LocalArgs,
    }

    #[test]
    fn the_arguments_are_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn up_has_defaults_and_refuses_nonsense() {
        let line = Line::try_parse_from(["x", "up"]).unwrap_or_else(|error| panic!("{error}"));
        let LocalCommand::Up(up) = line.local.command else { panic!("not up") };
        assert_eq!((up.name.name.as_str(), up.engine, up.port), ("default", EngineArg::Ministack, None));
        for bad in [["--port", "0"], ["--name", "../x"], ["--engine", "moto"]] {
            assert!(Line::try_parse_from(["x", "up"].into_iter().chain(bad)).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn what_does_not_run_has_a_status_and_no_environment() {
        let dir = tempfile::tempdir().expect("dir");
        let settings = LocalSettings::at(dir.path().into(), []);
        let run_line = async |verb: &str| {
            let line = Line::try_parse_from(["x", verb]).unwrap_or_else(|error| panic!("{error}"));
            run(line.local, &settings, &mut |_| {}).await
        };
        let status = run_line("status").await.expect("status");
        assert_eq!(serde_json::to_value(&status).expect("json")["state"], "stopped");
        assert_eq!(run_line("down").await.expect("down").to_string(), "nothing ran as \"default\"");
        assert!(run_line("env").await.expect_err("env").to_string().contains("cellctl local up"));
    }
}
