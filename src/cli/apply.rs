//! `cellctl apply`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, Digest};
use crate::domain::plan::{Plan, PlanFileError, file};
use crate::fs::files;
use crate::ops::apply::{ApplyReport, Concurrency, Options, apply};
use crate::ops::init::bucket_prefix;
use crate::ops::lease::Claim;
use crate::ops::{ErrorKind, OpError, World};
use crate::output::plan::counted;
use crate::output::{Format, github, report};

use super::context::{self, Loaded};
use super::plan::{AllowArgs, encode, show};
use super::{Ran, Session};

/// Rounds of planning and applying when operations of another run had to be waited for.
const ROUNDS_MAX: usize = 3;

/// Bring the stacks to what the definitions say, or carry out a stored plan.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A plan that `cellctl plan -o FILE` has stored.
    plan: Option<PathBuf>,
    #[command(flatten)]
    allow: AllowArgs,
    #[command(flatten)]
    how: HowArgs,
}

/// How stacks are changed.
#[derive(Debug, Clone, Args)]
pub struct HowArgs {
    /// Stacks changed at a time: a number, or auto [default: that of fleet.yaml, else auto].
    #[arg(long, value_name = "N", value_parser = concurrency)]
    concurrency: Option<Concurrency>,
    /// Failed cells after which nothing new is begun [default: that of fleet.yaml, else 0].
    #[arg(long, value_name = "N")]
    max_failures: Option<usize>,
    /// Change cells although a rollout is open: they get what its waves and gates hold back.
    #[arg(long)]
    during_rollout: bool,
}

fn concurrency(text: &str) -> Result<Concurrency, String> {
    match text.parse::<usize>() {
        _ if text == "auto" => Ok(Concurrency::Auto),
        Ok(n) if (1..=1000).contains(&n) => Ok(Concurrency::Fixed(n)),
        _ => Err("write auto, or a number from 1 to 1000".to_owned()),
    }
}

impl HowArgs {
    /// Flags first, then what `fleet.yaml` says, then the default.
    fn options(&self, session: &Session, fleet: &Fleet, claim: Claim) -> Options {
        let stored = fleet.concurrency.map(|n| Concurrency::Fixed(n as usize));
        Options {
            concurrency: self.concurrency.or(stored).unwrap_or(Concurrency::Auto),
            failures_max: self.max_failures.or(fleet.max_failures.map(|n| n as usize)).unwrap_or(0),
            bucket_prefix: bucket_prefix(fleet.name.as_str()),
            claim,
            stop: session.interrupt.graceful(),
            during_rollout: self.during_rollout,
        }
    }
}

/// Carries out the command.
pub async fn run(args: ApplyArgs, session: &Session) -> Ran {
    if let Some(path) = &args.plan {
        return stored(&args, path, session).await;
    }
    let loaded = context::load(session)?;
    let cells: Vec<CellId> = loaded.selected(session)?.into_iter().map(|c| c.id.clone()).collect();
    converge(session, &loaded, &cells, args.allow.atoms(), &args.how, "cellctl apply").await
}

/// Carries out a stored plan.
async fn stored(args: &ApplyArgs, path: &Path, session: &Session) -> Ran {
    if session.global.select.is_some() || !args.allow.atoms().is_empty() {
        let message = "a stored plan is carried out as it is: --select and --allow-replace belong to `cellctl plan`";
        return Err(OpError::new(ErrorKind::Usage, message));
    }
    let (plan, digest) = read(path)?;
    let loaded = context::load(session)?;
    if plan.fleet != loaded.fleet.name.as_str() {
        let message =
            format!("the plan is for fleet {}; the definitions are of fleet {}", plan.fleet, loaded.fleet.name);
        return Err(OpError::new(ErrorKind::Stale, message).hint("name the right --cells"));
    }
    let world = context::world(session, &loaded.fleet, Some(loaded.packager.clone())).await?;
    let resume = format!("cellctl apply {}", path.display());
    if session.printer.options().format == Format::Text {
        show(session, &plan, &digest);
    }
    execute(session, &world, &loaded.fleet, &plan, &digest, &args.how, &resume).await.map(|report| report.exit_code())
}

fn read(path: &Path) -> Result<(Plan, Digest), OpError> {
    let text = files::read_bounded(path).map_err(|error| {
        OpError::new(ErrorKind::Failed, format!("cannot read the plan {}: {error}", path.display()))
            .hint("make one with `cellctl plan -o FILE`")
    })?;
    file::read(&text).map_err(|error| {
        let hint = match error {
            PlanFileError::Format(_) => "make a new plan with this version of cellctl",
            PlanFileError::Altered => "plans are not edited: change the definitions and make a new one",
            PlanFileError::Unreadable(_) => "make a new plan with `cellctl plan -o FILE`",
        };
        OpError::new(ErrorKind::Stale, format!("cannot use the plan {}: {error}", path.display())).hint(hint)
    })
}

/// Plans, applies, and looks again where another run's operations had to be waited for.
pub async fn converge(
    session: &Session,
    loaded: &Loaded,
    cells: &[CellId],
    allowed: BTreeSet<String>,
    how: &HowArgs,
    resume: &str,
) -> Ran {
    let world = context::world(session, &loaded.fleet, Some(loaded.packager.clone())).await?;
    let mut code = 0;
    for _ in 0..ROUNDS_MAX {
        let chosen: Vec<_> = cells.iter().filter_map(|id| loaded.fleet.cell(id)).collect();
        let plan = crate::ops::plan::plan(&world, loaded.request(session, &chosen, allowed.clone())?).await?;
        let (_, digest) = encode(&plan)?;
        if plan.has_changes() && session.printer.options().format == Format::Text {
            show(session, &plan, &digest);
        }
        let report = execute(session, &world, &loaded.fleet, &plan, &digest, how, resume).await?;
        code = report.exit_code();
        let failed = report.cells.iter().any(|cell| cell.outcome.is_failure());
        if !report.must_look_again() || failed || report.stopped {
            break;
        }
    }
    Ok(code)
}

async fn execute(
    session: &Session,
    world: &World,
    fleet: &Fleet,
    plan: &Plan,
    digest: &Digest,
    how: &HowArgs,
    resume: &str,
) -> Result<ApplyReport, OpError> {
    if plan.has_changes() {
        let cells = plan.steps.len() - plan.blocked().count();
        context::confirm(session, &format!("Change {} of fleet {}?", counted(cells, "cell"), fleet.name))?;
    }
    let claim = context::claim(session, fleet, world, format!("apply of plan {}", digest.short())).await?;
    let options = how.options(session, fleet, claim);
    let outcome = apply(world, plan, digest, &options).await?;
    session.printer.result("cellctl.apply/v1", &outcome, |style| report::text(&outcome, style));
    session.printer.to_github(|| github::changes::apply(&outcome));
    if outcome.stopped || outcome.lock_lost {
        session.printer.always(&format!("stopped; go on with `{resume}`"));
    }
    Ok(outcome)
}
