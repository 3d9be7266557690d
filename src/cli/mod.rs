//! The command line. One file per noun: its arguments, and the function that carries them out.
//!
//! Constraint kept: commands translate. What was typed becomes what it means; an operation acts; `output` prints; and
//! only `main` ends the process.

pub mod apply;
pub mod audit;
pub mod cell;
pub mod cell_new;
pub mod config;
pub mod context;
pub mod demo;
mod demo_move;
mod demo_rollout;
mod demo_tenants;
pub mod doctor;
pub mod init;
pub mod interrupt;
pub mod local;
pub mod lock;
pub mod map;
pub mod map_verify;
pub mod move_args;
pub mod move_office;
pub mod move_orders;
pub mod moves;
pub mod plan;
pub mod render;
pub mod rollout;
pub mod rollout_end;
pub mod rollout_office;
pub mod rollout_orders;
pub mod rollout_start;
pub mod schema;
pub mod settings;
pub mod tenant;
pub mod tenant_args;
mod tenant_back;
pub mod tenant_import;
pub mod tenant_list;
pub mod tenant_move;
pub mod validate;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};

use crate::ops::OpError;
use crate::output::Printer;

use interrupt::Interrupt;
use settings::{Environment, GlobalArgs};

/// Provision and operate fleets of cells on AWS.
///
/// A cell is a full, isolated copy of an application for a share of its tenants, so that a failure hurts that share
/// only. cellctl renders one CloudFormation stack per cell from declarative definitions and keeps the stacks as they
/// are defined.
#[derive(Debug, Parser)]
#[command(name = "cellctl", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done or nothing to do, 1 error, 2 changes present (--detailed-exitcode), 3 halted by a gate,
4 rolled back, 5 rollback failed or stack stuck, 6 locked, 7 refused by a guard, 8 plan is stale, 9 partly done,
10 stopped and resumable, 64 usage, 130 interrupted.

Begin with `cellctl demo`: it runs on a local endpoint and needs no AWS account.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the main job on a local endpoint: create a fleet, change it, place tenants, move one, roll changes out.
    Demo(demo::DemoArgs),
    /// Check the definitions and templates; all findings at once.
    ///
    /// Reads files only. Next: `cellctl plan`.
    Validate(validate::ValidateArgs),
    /// Print the JSON Schema of a kind of definition, for editors, or of snapshots of the tenant map.
    ///
    /// docs/definitions.md shows how to name it in a definition.
    Schema(schema::SchemaArgs),
    /// Print the CloudFormation template of a cell.
    ///
    /// Reads files only. The same definition gives the same bytes on every machine.
    Render(render::RenderArgs),
    /// Make the control stack of the fleet, and its artifact buckets.
    ///
    /// Needed once for each fleet, before the first plan, and when a cell comes into a new Region or account. Run
    /// again, it changes nothing. Next: `cellctl plan`.
    Init(init::InitArgs),
    /// Show what an apply would do, and store it as a plan.
    ///
    /// Nothing is changed. Next: `cellctl apply`, or `cellctl apply FILE` for a plan stored with -o FILE.
    Plan(plan::PlanArgs),
    /// Bring the stacks to what the definitions say, or carry out a stored plan.
    ///
    /// Shows the plan and asks before it changes anything; without a terminal it needs --yes. After a failure, a stop
    /// or a kill, mend the cause and run the same command again: it does what is left.
    Apply(apply::ApplyArgs),
    /// Bring what the definitions say to the fleet in waves, canary cells first.
    ///
    /// Stops at the first sign of harm, and takes it back. docs/rollouts.md tells how.
    Rollout(rollout::RolloutArgs),
    /// Work with single cells.
    Cell(cell::CellArgs),
    /// Work with tenants: place, find, pin, change and remove them.
    ///
    /// Begin with `cellctl tenant add`; docs/tenants.md tells how a cell is chosen.
    Tenant(tenant::TenantArgs),
    /// Look at moves of tenants, and tell them what to do: pause, resume, cut over, abort.
    ///
    /// `cellctl tenant move` begins one; docs/moves.md tells the rest.
    Move(moves::MovesArgs),
    /// Show, prove and sign off the audit log.
    ///
    /// Every change of a tenant or a cell leaves a record in it. docs/audit.md says what the log proves.
    Audit(audit::AuditArgs),
    /// Work with the tenant map as a whole: snapshots for routers, restore, comparison, numbers.
    ///
    /// docs/map-format.md describes the snapshots.
    Map(map::MapArgs),
    /// Show or break the lock on the fleet.
    ///
    /// One run changes a fleet at a time. A lock whose holder is dead ends by itself within a minute.
    Lock(lock::LockArgs),
    /// Check credentials, permissions, quotas, endpoint and clock.
    ///
    /// Reads only; each check that is not in order says what to do about it.
    Doctor(doctor::DoctorArgs),
    /// Run a local AWS endpoint, which needs no account.
    ///
    /// After `cellctl local up`, --local on any command uses it, and so does `CELLCTL_LOCAL=1` for all of them.
    Local(local::LocalArgs),
    /// Show settings and where each comes from.
    Config(config::ConfigArgs),
}

/// What every command gets.
pub struct Session {
    /// Settings, resolved.
    pub global: GlobalArgs,
    /// What was read of the environment.
    pub environment: Environment,
    /// Prints.
    pub printer: Arc<Printer>,
    /// Tells when somebody wants to stop.
    pub interrupt: Interrupt,
}

/// Result of a command: the exit code of a success, or an error.
pub type Ran = Result<u8, OpError>;

/// Runs the program with these arguments.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let environment = Environment::read();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    let printer = Arc::new(Printer::new(cli.global.output_options(&environment)).on_github(environment.github.clone()));
    cli.global.start_log(&environment);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.always(&format!("error: the system gives no threads: {error}"));
            return ExitCode::from(1);
        }
    };
    let code = runtime.block_on(supervise(cli, environment, printer));
    // What is still running has nothing left to say.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Prints clap's message where it belongs, and gives the documented exit code.
fn usage(mut error: clap::Error) -> ExitCode {
    escape(&mut error);
    // Nobody reads a message that cannot be written.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 64 } else { 0 })
}

/// Longest part of what was typed that is printed again, in characters.
const TYPED_MAX: usize = 80;

/// What was typed may come from elsewhere: no control or invisible character of it reaches the terminal.
fn escape(error: &mut clap::Error) {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(ContextValue::String(text)) = error.get(kind) {
            let shown = printable(text);
            error.insert(kind, ContextValue::String(shown));
        }
    }
}

fn printable(text: &str) -> String {
    let escaped = |c: char| if "'\"\\".contains(c) { c.to_string() } else { c.escape_debug().to_string() };
    let mut shown: String = text.chars().take(TYPED_MAX).map(escaped).collect();
    if text.chars().nth(TYPED_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Runs the command until it ends, or until somebody insists on leaving.
async fn supervise(cli: Cli, environment: Environment, printer: Arc<Printer>) -> u8 {
    let interrupt = Interrupt::new(Arc::clone(&printer));
    let session =
        Session { global: cli.global, environment, printer: Arc::clone(&printer), interrupt: interrupt.clone() };
    tokio::select! {
        ran = dispatch(cli.command, session) => match ran.and_then(|code| printer.failure().map_or(Ok(code), Err)) {
            Ok(code) => code,
            Err(error) => {
                printer.error(&error);
                error.exit_code()
            }
        },
        () = interrupt.insisted() => 130,
    }
}

async fn dispatch(command: Command, session: Session) -> Ran {
    match command {
        Command::Demo(args) => demo::run(args, &session).await,
        Command::Validate(args) => validate::run(&args, &session),
        Command::Schema(args) => schema::run(&args, &session),
        Command::Render(args) => render::run(&args, &session),
        Command::Init(args) => init::run(&args, &session).await,
        Command::Plan(args) => plan::run(args, &session).await,
        Command::Apply(args) => apply::run(args, &session).await,
        Command::Rollout(args) => rollout::run(args, &session).await,
        Command::Cell(args) => cell::run(args, &session).await,
        Command::Tenant(args) => tenant::run(args, &session).await,
        Command::Move(args) => moves::run(args, &session).await,
        Command::Audit(args) => audit::run(args, &session).await,
        Command::Map(args) => map::run(args, &session).await,
        Command::Lock(args) => lock::run(&args, &session).await,
        Command::Doctor(args) => doctor::run(&args, &session).await,
        Command::Local(args) => local::run_command(args, &session).await,
        Command::Config(args) => config::run(&args, &session),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_printed_without_what_steers_a_terminal() {
        let typed = format!("a\u{1b}[2J\u{202e}'{}", "x".repeat(300));
        let mut error = Cli::try_parse_from(["cellctl", "tenant", "show", &typed]).expect_err("refused");
        escape(&mut error);
        let text = error.to_string();
        assert!(text.contains("'a\\u{1b}[2J\\u{202e}'xx") && text.contains("xx…'"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']) && text.len() < 600, "{text}");
        let mut error = Cli::try_parse_from(["cellctl", "tenant", "sh\u{7}w"]).expect_err("refused");
        escape(&mut error);
        assert!(!error.to_string().contains('\u{7}'), "{error}");
    }
}
