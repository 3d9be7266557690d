//! `cellctl config`

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::fs::definitions;
use crate::output::table::{plain, table};

use super::{Ran, Session};

/// Show settings and where each comes from.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show every setting, its value, and where it comes from.
    Show,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Setting {
    name: &'static str,
    value: String,
    source: String,
}

/// Carries out the command.
pub fn run(args: &ConfigArgs, session: &Session) -> Ran {
    let ConfigCommand::Show = args.command;
    let settings = settings(session);
    session.printer.result("cellctl.config/v1", &settings, |style| {
        let rows = settings.iter().map(|s| vec![plain(s.name), plain(s.value.as_str()), plain(s.source.as_str())]);
        table(&["setting", "value", "from"], rows.collect(), style)
    });
    Ok(0)
}

fn settings(session: &Session) -> Vec<Setting> {
    let global = &session.global;
    let show = |path: &Path| path.display().to_string();
    let from = |name: &str, value: &str, default: &str| source(session, name, value, default);
    let mut list = vec![
        Setting {
            name: "cells",
            value: show(&global.cells),
            source: from("CELLCTL_CELLS", &show(&global.cells), "cells"),
        },
        Setting {
            name: "templates",
            value: show(&global.templates),
            source: from("CELLCTL_TEMPLATES", &show(&global.templates), "templates"),
        },
        Setting {
            name: "local",
            value: global.local.to_string(),
            source: from("CELLCTL_LOCAL", &global.local.to_string(), "false"),
        },
    ];
    if let Some(select) = &global.select {
        list.push(Setting {
            name: "select",
            value: select.to_string(),
            source: from("CELLCTL_SELECT", &select.to_string(), ""),
        });
    }
    list.extend(of_fleet(session));
    list.extend(["AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL"].into_iter().filter_map(|name| {
        let value = variable(session, name)?;
        Some(Setting { name, value, source: "environment (read by the AWS SDK)".to_owned() })
    }));
    list
}

/// What `fleet.yaml` sets.
fn of_fleet(session: &Session) -> Vec<Setting> {
    let Ok(loaded) = definitions::load(&session.global.cells) else { return Vec::new() };
    let fleet = loaded.fleet;
    let stored = |value: Option<u32>, default: &str| match value {
        Some(n) => (n.to_string(), "fleet.yaml".to_owned()),
        None => (default.to_owned(), "default".to_owned()),
    };
    let (concurrency, concurrency_source) = stored(fleet.concurrency, "auto");
    let (failures, failures_source) = stored(fleet.max_failures, "0");
    vec![
        Setting { name: "fleet", value: fleet.name.to_string(), source: "fleet.yaml".to_owned() },
        Setting { name: "region", value: fleet.control.region.to_string(), source: "fleet.yaml".to_owned() },
        Setting { name: "concurrency", value: concurrency, source: concurrency_source },
        Setting { name: "maxFailures", value: failures, source: failures_source },
    ]
}

fn variable(session: &Session, name: &str) -> Option<String> {
    let found = session.environment.variables.iter().find(|(key, _)| key == name);
    found.and_then(|(_, value)| value.to_str()).map(str::to_owned)
}

/// Where a value comes from: a flag wins over the environment, which wins over the default.
fn source(session: &Session, name: &str, value: &str, default: &str) -> String {
    match variable(session, name) {
        Some(set) if set == value => format!("environment ({name})"),
        None if value == default => "default".to_owned(),
        _ => "flag".to_owned(),
    }
}
