//! Where a cell lives: Region, account, role, and the template that it is rendered from.
//!
//! Constraint kept: a cell in another account always has the role that reaches it, and everything that the cell names
//! by ARN is in the right partition, account and Region.

use super::super::report::{Report, complaint};
use super::super::{CellFile, CellSpec, SourceFile};
use super::Settings;
use super::fleet::sorted;
use crate::domain::definition::FleetFile;
use crate::domain::fleet::{Cell, Place};

/// Checks the place of a cell and fills in the fleet's; `None` without a fleet.
pub(super) fn check(spec: &CellSpec, settings: Settings<'_>, report: &mut Report<'_>) -> Option<Place> {
    let fleet = &settings?.spec;
    let region = spec.region.as_deref().unwrap_or(&fleet.region);
    if spec.template.is_none() && fleet.template.is_none() {
        let hint = "add `template:` here, or to the spec of fleet.yaml for all cells";
        report.key(&["spec"], complaint("missing-template", "neither the cell nor the fleet names a template", hint));
    }
    check_account(spec, fleet.account.as_deref(), report);
    check_regions(spec, region, report);
    let of_role = spec.role_arn.as_deref().and_then(account_in);
    let account = spec.account.as_deref().or(of_role).or(fleet.account.as_deref());
    let account = account.map(str::parse).transpose().ok()?;
    Some(Place { region: region.parse().ok()?, account, role_arn: spec.role_arn.clone() })
}

/// The cell of a checked definition, with the fleet's defaults.
pub(super) fn build(definition: CellFile, place: Place, fleet: &FleetFile, file: &SourceFile) -> Option<Cell> {
    let template = definition.spec.template.as_ref().or(fleet.spec.template.as_ref())?;
    Some(Cell {
        id: definition.metadata.name.parse().ok()?,
        labels: sorted(definition.metadata.labels.iter()),
        place,
        template: template.parse().ok()?,
        spec: definition.spec,
        file: file.path.clone(),
    })
}

fn check_account(spec: &CellSpec, of_fleet: Option<&str>, report: &mut Report<'_>) {
    let of_role = spec.role_arn.as_deref().and_then(account_in);
    match (spec.account.as_deref(), of_role) {
        (Some(account), Some(other)) if account != other => {
            let message = format!("the role is in account {other}, but the cell is in account {account}");
            let hint = "give the role of the cell's account, or correct `account`";
            report.value(&["spec", "roleArn"], complaint("account-mismatch", message, hint));
        }
        (Some(account), None) if of_fleet.is_some_and(|fleet| fleet != account) => {
            let message = format!("account {account} is not that of the fleet, and no `roleArn` says how to reach it");
            let hint = format!("add `roleArn: arn:aws:iam::{account}:role/NAME`, the role that cellctl assumes there");
            report.value(&["spec", "account"], complaint("missing-role", message, hint));
        }
        (None, Some(other)) if of_fleet.is_some_and(|fleet| fleet != other) => {
            let message = format!("the role is in account {other}, but the cell is in the fleet's account");
            let hint = format!("add `account: \"{other}\"` beside it if the cell belongs there");
            report.value(&["spec", "roleArn"], complaint("account-mismatch", message, hint));
        }
        _ => {}
    }
}

/// Roles must be of the Region's partition, and an alarm notifies topics of its own Region only (`CloudWatch` user
/// guide, "Using alarms").
fn check_regions(spec: &CellSpec, region: &str, report: &mut Report<'_>) {
    let partition = partition_of(region);
    for (field, arn) in [("roleArn", &spec.role_arn), ("alarmTopic", &spec.alarm_topic)] {
        let Some(found) = arn.as_deref().and_then(|arn| arn.split(':').nth(1)) else { continue };
        if found != partition {
            let message = format!("`{field}` is in the partition `{found}`, but Region {region} is in `{partition}`");
            let hint = format!("use an ARN that begins with arn:{partition}:");
            report.value(&["spec", field], complaint("region-mismatch", message, hint));
        }
    }
    let topic_region = spec.alarm_topic.as_deref().and_then(|arn| arn.split(':').nth(3));
    if let Some(found) = topic_region.filter(|found| *found != region) {
        let message = format!("the alarm topic is in {found}, but the cell is in {region}");
        let hint = format!("use a topic in {region}: an alarm notifies topics of its own Region only");
        report.value(&["spec", "alarmTopic"], complaint("region-mismatch", message, hint));
    }
}

fn partition_of(region: &str) -> &'static str {
    match region.split('-').collect::<Vec<_>>().as_slice() {
        ["cn", ..] => "aws-cn",
        ["us", "gov", ..] => "aws-us-gov",
        ["us", "iso", ..] => "aws-iso",
        ["us", "isob", ..] => "aws-iso-b",
        ["us", "isof", ..] => "aws-iso-f",
        ["eu", "isoe", ..] => "aws-iso-e",
        ["eusc", ..] => "aws-eusc",
        _ => "aws",
    }
}

fn account_in(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}
