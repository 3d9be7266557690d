//! `cellctl tenant import`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::fs::rows::{self, RowFormat, RowsRead};
use crate::ops::tenants::import::{CELLS_AT_ONCE, ImportOptions, ImportPlan};
use crate::ops::{ErrorKind, OpError};
use crate::output::plan::counted;
use crate::output::{Format, tenant_import as show};

use super::context;
use super::settings::{GlobalArgs, quoted};
use super::tenant::Office;
use super::{Ran, Session};

/// Import tenants from a file.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// CSV (.csv), JSON lines (.jsonl, .ndjson) or YAML (.yaml, .yml); `-` is the standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format of the file, where its name does not tell.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Import the good rows although others are bad. Without it, one bad row keeps everything from being written.
    #[arg(long)]
    partial: bool,
    /// Only show what would be done.
    #[arg(long)]
    plan: bool,
    /// Cells that are written to at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = CELLS_AT_ONCE as u64, value_parser = clap::value_parser!(u64).range(1..=64))]
    concurrency: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Values separated by commas, with a header line.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// A list of objects, or several documents.
    Yaml,
}

impl From<FormatArg> for RowFormat {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Csv => Self::Csv,
            FormatArg::Jsonl => Self::JsonLines,
            FormatArg::Yaml => Self::Yaml,
        }
    }
}

/// Carries out the command.
pub async fn run(args: ImportArgs, session: &Session) -> Ran {
    let read = read(&args)?;
    let file = args.file.display().to_string();
    let office = if args.plan { Office::reading(session).await? } else { Office::writing(session).await? };
    let office = office.selecting(session)?;
    let desk = office.desk();
    let plan = desk.plan_import(read.rows, read.bad).await?;
    refuse_bad(&args, &plan, session)?;
    if args.plan {
        let report = plan.report();
        session.printer.result("cellctl.tenant-import/v1", &report, |style| show::text(&report, &file, style));
        return Ok(0);
    }
    if plan.changes() > 0 {
        let fleet = &desk.fleet.name;
        context::confirm(session, &format!("Import {} into fleet {fleet}?", counted(plan.changes(), "tenant")))?;
    }
    let cells_at_once = usize::try_from(args.concurrency).unwrap_or(CELLS_AT_ONCE);
    let options = ImportOptions { cells_at_once, stop: session.interrupt.graceful() };
    let report = desk.import(plan, &options).await?;
    session.printer.result("cellctl.tenant-import/v1", &report, |style| show::text(&report, &file, style));
    if report.exit_code() == 10 {
        let input = if args.file == Path::new("-") { " with the same input" } else { "" };
        session.printer.always(&format!("stopped; go on with `{}`{input}", resume(&args, &session.global)));
    }
    Ok(report.exit_code())
}

fn read(args: &ImportArgs) -> Result<RowsRead, OpError> {
    let told = args.format.map(RowFormat::from);
    let format = told.or_else(|| RowFormat::of_path(&args.file)).ok_or_else(|| {
        let message = format!("the name {} does not tell the format", args.file.display());
        OpError::new(ErrorKind::Usage, message).hint("add --format csv, --format jsonl or --format yaml")
    })?;
    rows::read_path(&args.file, format).map_err(|error| {
        let message = format!("cannot read the rows in {}: {error}", args.file.display());
        OpError::new(ErrorKind::InvalidInput, message).hint("nothing was written; name a file that can be read")
    })
}

/// Refuses bad rows, unless the good ones are wanted alone. A file that is not understood is always refused.
fn refuse_bad(args: &ImportArgs, plan: &ImportPlan<'_>, session: &Session) -> Result<(), OpError> {
    if plan.bad().is_empty() || (args.partial && !plan.is_unreadable()) {
        return Ok(());
    }
    let for_people = session.printer.options().format == Format::Text;
    Err(show::refusal(&plan.report(), &args.file.display().to_string(), for_people))
}

/// The command that goes on with an import, with the options of this one.
fn resume(args: &ImportArgs, global: &GlobalArgs) -> String {
    let file = args.file.display().to_string();
    let mut words = vec!["cellctl tenant import".to_owned(), quoted(&file)];
    let format = args.format.and_then(|format| Some(format.to_possible_value()?.get_name().to_owned()));
    words.extend(format.map(|format| format!("--format {format}")));
    words.extend(args.partial.then(|| "--partial".to_owned()));
    if args.concurrency != CELLS_AT_ONCE as u64 {
        words.push(format!("--concurrency {}", args.concurrency));
    }
    words.extend(global.given());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        import: ImportArgs,
        #[command(flatten)]
        global: GlobalArgs,
    }

    fn resumed(words: &[&str]) -> String {
        let line = Line::try_parse_from(["x"].iter().chain(words)).unwrap_or_else(|error| panic!("{error}"));
        resume(&line.import, &line.global)
    }

    #[test]
    fn an_import_is_resumed_with_the_options_that_it_had() {
        assert_eq!(resumed(&["a.csv"]), "cellctl tenant import a.csv");
        let given = ["a b.csv", "--concurrency", "3", "--partial", "--yes", "--output", "json", "--cells", "c"];
        let more = ["--templates", "t", "--local", "--select", "name=cell-1|cell-2"];
        let told = resumed(&[&given[..], &more[..]].concat());
        let options = told.strip_prefix("cellctl tenant import ").expect("the command");
        assert_eq!(
            options,
            "'a b.csv' --partial --concurrency 3 --cells c --templates t --local --yes --select 'name=cell-1|cell-2' \
             --output json"
        );
        assert_eq!(resumed(&["-", "--format", "jsonl", "-y"]), "cellctl tenant import - --format jsonl --yes");
    }
}
