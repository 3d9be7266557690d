//! The plan of a move, as people read it.

use crate::domain::data::find::Find;
use crate::domain::moves::estimate::Estimate;
use crate::domain::moves::{FenceLevel, Plan, QueuePlan, TablePlan};
use crate::ops::moves::Planned;
use crate::ops::moves::many::Failure;
use crate::output::Style;
use crate::output::table::width;
use crate::output::tenants::visible;

use super::sheet::Sheet;
use super::units::{bytes, many, millis, seconds};

/// Plans of several tenants, for machines.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plans<'a> {
    /// The plans.
    pub plans: Vec<&'a Planned>,
    /// Tenants that cannot be moved.
    pub refused: Vec<Refused>,
}

/// A tenant that cannot be moved, and why.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The tenant.
    pub tenant: crate::domain::ids::TenantId,
    /// Why.
    pub failure: Failure,
}

/// All plans, then what is refused.
pub fn plans(plans: &Plans<'_>, style: Style) -> String {
    let mut text: Vec<String> = plans.plans.iter().map(|planned| plan(planned, width(), style)).collect();
    text.extend(plans.refused.iter().map(|refused| super::failure(&refused.tenant, &refused.failure, style)));
    text.join("\n")
}

/// One plan, on a terminal of that width.
pub(super) fn plan(planned: &Planned, terminal: Option<u16>, style: Style) -> String {
    let plan = &planned.plan;
    let mut sheet = Sheet::indented(4);
    plan.tables.iter().for_each(|table| sheet.line("table", table_line(table)));
    plan.queues.iter().for_each(|queue| sheet.line("queue", queue_line(queue)));
    sheet.line(
        "copy",
        if plan.options.warm { warm(plan, &planned.estimate) } else { copy(&planned.estimate, plan.options.rate) },
    );
    sheet
        .line("cost", format!("about ${:.4} for the requests, at list prices of us-east-1", planned.estimate.cost_usd));
    sheet.line("fence", fence(plan));
    sheet.line("gap", gap(plan, &planned.estimate));
    sheet.line("flip", flip(plan));
    if plan.options.soak_ms > 0 {
        sheet.line("soak", format!("the source is watched for {} after the flip", millis(plan.options.soak_ms)));
    }
    for warning in &planned.warnings {
        sheet.line("warning", visible(warning));
    }
    format!("{}\n{}", heading(planned, style), sheet.text(terminal, style))
}

fn heading(planned: &Planned, style: Style) -> String {
    let plan = &planned.plan;
    let tenant = style.strong(plan.tenant().as_str());
    let cells = format!("from {} to {}", plan.source.cell, plan.target.cell);
    if planned.resumes {
        return format!("{tenant}: move {} {cells} is under way already; this goes on with it", plan.id);
    }
    let back = if plan.options.back_of.is_some() { "back " } else { "" };
    format!("{tenant}: {back}{cells}, epoch {} → {}", plan.epoch, plan.epoch + 1)
}

fn table_line(table: &TablePlan) -> String {
    let shape = &table.shape;
    let found = match &table.find {
        Find::PartitionKey => "by its partition key".to_owned(),
        Find::Prefix { separator } => format!("by the prefix of its partition key before {separator:?}, by a scan"),
        Find::Index { index, .. } => format!("by the index {index}"),
        Find::Attribute { attribute } => format!("by the attribute {attribute}, by a scan"),
    };
    let size = format!("{} and {} in all", many(shape.items_about, "item"), bytes(shape.bytes_about));
    format!("{} ({} → {}), found {found}; the table has about {size}", table.table, table.source, table.target)
}

fn queue_line(queue: &QueuePlan) -> String {
    let dead = if queue.dead_letters.is_some() { ", with its dead letters" } else { "" };
    format!("{} ({} → {}){dead}, by the attribute {}", queue.queue, queue.source, queue.target, queue.attribute)
}

fn copy(estimate: &Estimate, rate: Option<u64>) -> String {
    let about = if estimate.counted { "" } else { "about " };
    let bound = rate.map(|rate| format!(", at most {rate} write units a second")).unwrap_or_default();
    format!(
        "{about}{}, {}, in about {}: {} and {}{bound}",
        many(estimate.items, "item"),
        bytes(estimate.bytes),
        seconds(estimate.copy_s),
        many(estimate.write_units, "write unit"),
        many(estimate.read_units, "read unit"),
    )
}

fn warm(plan: &Plan, estimate: &Estimate) -> String {
    let about = if estimate.counted { "" } else { "about " };
    format!(
        "nothing: {} still holds what the tenant had when it left; {about}{} in both cells are compared, and what differs is \
         carried over: {}",
        plan.target.cell,
        many(estimate.items, "item"),
        many(estimate.read_units, "read unit"),
    )
}

fn fence(plan: &Plan) -> String {
    let (lease, request) = (millis(plan.options.lease_ms), millis(plan.options.request_ms));
    match plan.options.fence {
        FenceLevel::Strict => "strict: every write is a transaction that checks the fence".to_owned(),
        FenceLevel::Guarded => format!("guarded: plain writes for {lease} after the fence was read, {request} each"),
        FenceLevel::Lease => format!("lease: plain writes for {lease} after a router has asked, {request} each"),
    }
}

fn gap(plan: &Plan, estimate: &Estimate) -> String {
    let options = &plan.options;
    let waits = match options.fence {
        FenceLevel::Lease => {
            format!(", after {} in which no write is answered", millis(options.lease_ms + options.request_ms))
        }
        FenceLevel::Strict | FenceLevel::Guarded => String::new(),
    };
    let held = if options.hold_cutover { "; it waits for `cellctl move cutover`" } else { "" };
    format!(
        "writes stop for about {}, {} at the most{waits}{held}",
        millis(estimate.gap_ms),
        millis(options.write_gap_max_ms)
    )
}

fn flip(plan: &Plan) -> String {
    if plan.one_place {
        "one transaction".to_owned()
    } else {
        "in steps: source, target, tenant map; they are not in one account and Region".to_owned()
    }
}
