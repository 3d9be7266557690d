//! The tables and queues of a move: what both cells must have, and be like.

use std::collections::BTreeSet;

use crate::domain::data::find::Find;
use crate::domain::data::shape::{KeySchema, TableShape};
use crate::domain::definition::{Table, TableTenant, TenantBy};
use crate::domain::ids::CellId;
use crate::domain::moves::fence::Shard;
use crate::domain::moves::{Plan, QueuePlan, TablePlan};
use crate::domain::template::logical;
use crate::domain::tenant::fence::FenceMode;
use crate::ops::error::OpError;
use crate::ops::moves::{Mover, Request, SchemaCheck};
use crate::ports::data::{Segment, Share, TableRef};
use crate::ports::moves::QueueRef;

use super::{Known, refused};

/// What ends a tenant's name in a partition key, where the definition names nothing.
const SEPARATOR: &str = "#";

impl Known<'_> {
    /// Name of an atom: what the stack's output says, or what the templates of cellctl make of it.
    fn physical(&self, name: &str, output: &str) -> String {
        let output = format!("{}{output}", logical(name));
        self.outputs.get(&output).cloned().unwrap_or_else(|| format!("{}-{name}", self.stack))
    }
}

impl Mover<'_> {
    /// The tables that hold something of tenants, and what is worth knowing of them.
    pub(super) async fn tables(
        &self,
        request: &Request,
        source: &Known<'_>,
        target: &Known<'_>,
    ) -> Result<(Vec<TablePlan>, Vec<String>), OpError> {
        let (mut plans, mut warnings) = (Vec::new(), Vec::new());
        for (name, table) in &source.cell.spec.tables {
            let Some(tenant) = &table.tenant else {
                warnings.push(format!("table {name} says of no item whose it is: nothing of it is moved"));
                continue;
            };
            if !target.cell.spec.tables.contains_key(name) {
                return Err(refused(
                    format!("cell {} has no table {name}", target.cell.id),
                    "both cells must have the tables of the tenant: bring their definitions together and apply them",
                ));
            }
            let find = find(name, table, tenant)?;
            plans.push(self.table(request, name, find, source, target).await?);
        }
        Ok((plans, warnings))
    }

    async fn table(
        &self,
        request: &Request,
        name: &str,
        find: Find,
        source: &Known<'_>,
        target: &Known<'_>,
    ) -> Result<TablePlan, OpError> {
        let names = (source.physical(name, "TableName"), target.physical(name, "TableName"));
        let ours = self.shape(source, &names.0).await?;
        let theirs = self.shape(target, &names.1).await?;
        refuse_unlike(request.schema, name, (&source.cell.id, &ours), (&target.cell.id, &theirs))?;
        let Some(stream) = &ours.stream else {
            return Err(refused(
                format!(
                    "table {} of cell {} has no stream, so that nobody can see what changes",
                    names.0, source.cell.id
                ),
                "turn it on in the template (StreamViewType NEW_AND_OLD_IMAGES) and apply it",
            ));
        };
        if !stream.images && !find.needs_only_key() {
            return Err(refused(
                format!("the stream of table {} carries keys alone, which do not tell whose an item is", names.0),
                "let it carry new and old images (StreamViewType NEW_AND_OLD_IMAGES) and apply that",
            ));
        }
        Ok(TablePlan { table: name.to_owned(), source: names.0, target: names.1, find, shape: ours })
    }

    async fn shape(&self, known: &Known<'_>, name: &str) -> Result<TableShape, OpError> {
        let table = TableRef { place: known.end.place.clone(), name: name.to_owned() };
        self.world.data.shape(&table).await?.ok_or_else(|| {
            refused(
                format!("table {name} of cell {} is not there", known.cell.id),
                &format!("`cellctl cell drift {}` shows what is not as its stack says", known.cell.id),
            )
        })
    }

    /// Whether what the target holds may stay there, and was asked for.
    pub(super) async fn is_warm(&self, plan: &Plan, target: &Known<'_>) -> Result<bool, OpError> {
        Ok(plan.options.warm && self.came_from_there(plan, target).await?)
    }

    /// Whether the tenant came from the target, and its fence shows that nobody has written there since: it has sent the tenant
    /// to the source, at the epoch at which that serves it now.
    async fn came_from_there(&self, plan: &Plan, target: &Known<'_>) -> Result<bool, OpError> {
        let sent = |shard: &Shard| {
            shard.mode == FenceMode::Out && shard.epoch == plan.epoch && shard.to.as_ref() == Some(&plan.source.cell)
        };
        let shards = self.shards_of(target, plan.tenant()).await?;
        Ok(!shards.is_empty() && shards.iter().all(sent))
    }

    /// The target must hold nothing of the tenant: what is there already would be taken for a copy.
    pub(super) async fn refuse_leftovers(&self, plan: &Plan, target: &Known<'_>) -> Result<(), OpError> {
        for table in &plan.tables {
            let share = Share {
                table: TableRef { place: plan.target.place.clone(), name: table.target.clone() },
                key: table.shape.key.clone(),
                find: table.find.clone(),
                tenant: plan.tenant().clone(),
            };
            if self.holds_something(&share).await? {
                let came_from_there = self.came_from_there(plan, target).await?;
                return Err(leftover(plan, &table.target, came_from_there));
            }
        }
        Ok(())
    }

    async fn holds_something(&self, share: &Share) -> Result<bool, OpError> {
        let mut from = None;
        loop {
            let page = self.world.data.page(share, Segment { index: 0, of: 1 }, from.as_deref()).await?;
            if !page.items.is_empty() {
                return Ok(true);
            }
            from = page.next;
            if from.is_none() {
                return Ok(false);
            }
        }
    }

    /// The queues whose messages say whose they are, and what is worth knowing of them.
    pub(super) async fn queues(
        &self,
        source: &Known<'_>,
        target: &Known<'_>,
    ) -> Result<(Vec<QueuePlan>, Vec<String>), OpError> {
        let (mut plans, mut warnings) = (Vec::new(), Vec::new());
        for (name, queue) in &source.cell.spec.queues {
            let Some(tenant) = &queue.tenant else {
                warnings.push(format!("queue {name} says of no message whose it is: nothing of it is carried over"));
                continue;
            };
            if !target.cell.spec.queues.contains_key(name) {
                return Err(refused(
                    format!("cell {} has no queue {name}", target.cell.id),
                    "both cells must have the queues of the tenant: bring their definitions together and apply them",
                ));
            }
            let plan = queue_plan(name, &tenant.attribute, queue.fifo, source, target);
            for (known, physical) in [(source, &plan.source), (target, &plan.target)] {
                let queue = QueueRef { place: known.end.place.clone(), name: physical.clone() };
                if !self.world.queues.exists(&queue).await? {
                    return Err(refused(
                        format!("queue {physical} of cell {} is not there", known.cell.id),
                        &format!("`cellctl cell drift {}` shows what is not as its stack says", known.cell.id),
                    ));
                }
            }
            plans.push(plan);
        }
        if !plans.is_empty() && source.end.moved_queue.is_none() {
            warnings.push(format!(
                "cell {} has no queue of moved messages (output MovedQueueName): messages that wait there when the tenant is \
                 gone end among the dead letters",
                source.cell.id
            ));
        }
        Ok((plans, warnings))
    }
}

/// The error of a target that holds something of the tenant.
fn leftover(plan: &Plan, table: &str, came_from_there: bool) -> OpError {
    let (tenant, cell) = (plan.tenant(), &plan.target.cell);
    let message = format!("table {table} of cell {cell} holds items of tenant {tenant} already");
    if came_from_there {
        let hint = format!("they were kept there for a move back: `cellctl tenant move {tenant} --rollback`");
        return refused(message, &hint);
    }
    let why = if plan.options.back_of.is_some() {
        ", and its fence does not show that nobody has written them since the tenant left"
    } else {
        ""
    };
    refused(
        format!("{message}{why}"),
        "see where they come from; what is left of an earlier time must be deleted by hand before the tenant is moved there",
    )
}

fn queue_plan(name: &str, attribute: &str, fifo: bool, source: &Known<'_>, target: &Known<'_>) -> QueuePlan {
    let suffix = if fifo { ".fifo" } else { "" };
    let main = |known: &Known<'_>| known.outputs.get(&format!("{}QueueName", logical(name))).cloned();
    let named =
        |known: &Known<'_>| main(known).unwrap_or_else(|| format!("{}{suffix}", known.physical(name, "QueueName")));
    let dead = |known: &Known<'_>| {
        let url = known.outputs.get(&format!("{}DeadLettersUrl", logical(name)))?;
        Some(url.rsplit('/').next().unwrap_or(url).to_owned())
    };
    QueuePlan {
        queue: name.to_owned(),
        source: named(source),
        target: named(target),
        dead_letters: dead(source).zip(dead(target)),
        attribute: attribute.to_owned(),
    }
}

/// How a definition says that a tenant's items are found.
fn find(name: &str, table: &Table, tenant: &TableTenant) -> Result<Find, OpError> {
    let missing = || {
        refused(
            format!("table {name} does not say which index or attribute names the tenant"),
            "see docs/definitions.md",
        )
    };
    Ok(match tenant.by {
        TenantBy::PartitionKey => Find::PartitionKey,
        TenantBy::Prefix => {
            Find::Prefix { separator: tenant.separator.clone().unwrap_or_else(|| SEPARATOR.to_owned()) }
        }
        TenantBy::Index => {
            let index = tenant.index.clone().ok_or_else(missing)?;
            let attribute = table.indexes.get(&index).ok_or_else(missing)?.partition_key.clone();
            Find::Index { index, attribute }
        }
        TenantBy::Attribute => Find::Attribute { attribute: tenant.attribute.clone().ok_or_else(missing)? },
    })
}

/// Refuses two tables that are not alike.
fn refuse_unlike(
    check: SchemaCheck,
    name: &str,
    (source, ours): (&CellId, &TableShape),
    (target, theirs): (&CellId, &TableShape),
) -> Result<(), OpError> {
    let differs = if ours.key != theirs.key {
        format!("has another key than that of cell {source}: {} instead of {}", names(&theirs.key), names(&ours.key))
    } else if check == SchemaCheck::Keys {
        return Ok(());
    } else if ours.indexes != theirs.indexes {
        let all: BTreeSet<&String> = ours.indexes.keys().chain(theirs.indexes.keys()).collect();
        let unlike = all.into_iter().filter(|name| ours.indexes.get(*name) != theirs.indexes.get(*name));
        let unlike: Vec<&str> = unlike.map(String::as_str).collect();
        format!("has other indexes than that of cell {source}: they differ in {}", unlike.join(", "))
    } else if ours.time_to_live != theirs.time_to_live {
        let of = |shape: &TableShape| shape.time_to_live.clone().unwrap_or_else(|| "none".to_owned());
        format!(
            "has another attribute for the time to live than that of cell {source}: {} instead of {}",
            of(theirs),
            of(ours)
        )
    } else {
        return Ok(());
    };
    let hint = match check {
        SchemaCheck::Exact if ours.key == theirs.key => {
            "bring the cells' definitions together and apply them, or allow it with --schema-check keys"
        }
        _ => "bring the cells' definitions together and apply them; a key cannot be changed by a move",
    };
    Err(refused(format!("table {name} of cell {target} {differs}"), hint))
}

/// The attributes of a key, with their types.
fn names(key: &KeySchema) -> String {
    let attributes = [Some(&key.partition), key.sort.as_ref()].into_iter().flatten();
    let attributes: Vec<String> = attributes.map(|one| format!("{} ({:?})", one.name, one.key_type)).collect();
    attributes.join(" and ")
}
